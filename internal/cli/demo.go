package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/demo"
)

func newDemo(a *app) *cobra.Command {
	opts := demo.Options{Out: a.out(), Version: a.version()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try rolebroker on this machine, without any configuration",
		Long: `Try rolebroker on this machine, without any configuration and without an AWS
account. The command starts a server and a simulated AWS, creates an integration
with three roles and an agent, and shows the agent borrowing them, and what stops
it when it does harm. At a terminal, you decide about one of its calls. The command
then keeps running, so that you can continue by hand.`,
		Example: `  rolebroker demo
  rolebroker demo --once`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			// A process that does not ask for SIGPIPE dies of it when its stdout is
			// closed, here before it has cleaned up.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
			defer stop()
			opts.Self, opts.AnyPort = self, !cmd.Flags().Changed("listen")
			opts.Viewer = !opts.Once && isTerminal(a.Stdout)
			err = demo.Run(ctx, opts)
			if err != nil && ctx.Err() != nil {
				err = codeError{code: exitFailed} // a signal ended it: there is nothing to explain
			}
			return err
		},
	}
	cmd.Flags().StringVar(&opts.Listen, "listen", config.DefaultServer().Listen, "serve on loopback `ADDRESS`")
	cmd.Flags().BoolVar(&opts.Once, "once", false, "exit after the tour, with a code other than 0 if a step failed")
	return cmd
}
