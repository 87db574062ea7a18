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
	opts := demo.Options{Out: a.Stdout, Version: a.version()}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See all of it on this machine, with nothing configured",
		Long: `See all of it on this machine, with nothing configured and no AWS account: a
server, a simulated AWS, an integration with three roles and an agent that
borrows them. It then stays up, so that you can go on by hand.`,
		Example: `  rolebroker demo
  rolebroker demo --once`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			// Unless it is asked for, SIGPIPE ends a process whose stdout was
			// closed, here before it has cleaned up.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGPIPE)
			defer stop()
			opts.Self, opts.AnyPort = self, !cmd.Flags().Changed("listen")
			err = demo.Run(ctx, opts)
			if err != nil && ctx.Err() != nil {
				err = codeError{code: exitFailed} // whoever ended it knows why
			}
			return err
		},
	}
	cmd.Flags().StringVar(&opts.Listen, "listen", config.DefaultServer().Listen, "loopback `address` to serve on; when it is in use and was not given, any free port")
	cmd.Flags().BoolVar(&opts.Once, "once", false, "end after the tour; non-zero if a step of it failed")
	return cmd
}
