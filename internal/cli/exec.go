package cli

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/internal/execenv"
)

// borrowing are the flags of whoever borrows.
type borrowing struct{ role, task string }

func (b *borrowing) flags(cmd *cobra.Command, a *app) {
	cmd.Flags().StringVar(&b.role, "role", "", "role to borrow, by its `reference`: role, integration/role or a full ARN (default: the agent's default role)")
	cmd.Flags().StringVar(&b.task, "task", "", "`name` of what the agent is doing, which CloudTrail will show")
	complete(cmd, "role", a.references)
}

func newExec(a *app) *cobra.Command {
	var borrow borrowing
	cmd := &cobra.Command{
		Use:                   "exec [--role REF] [--task NAME] -- CMD [ARG…]",
		DisableFlagsInUseLine: true,
		Short:                 "Run a command with borrowed AWS credentials",
		Long: `Run a command as the agent whose token is given, with AWS credentials that every
AWS SDK and the AWS CLI find by themselves, and that renew underneath it for as
long as it runs.

The command sees the role that --role names, or the agent's default role, and a
profile for each role that the agent may borrow, so aws --profile deployer works
too. It sees none of your own AWS identity, and never the agent's token. If the
role is refused, nothing is run.

Signals are passed on, and the exit code is the command's.`,
		Example: `  rolebroker exec -- aws sts get-caller-identity
  rolebroker exec --role deployer --task release-17 -- terraform apply
  rolebroker exec -- sh -c 'aws s3 ls && aws --profile deployer s3 ls'`,
		Args: func(_ *cobra.Command, command []string) error {
			if len(command) == 0 || command[0] == "" {
				return usage("the command to run is missing; it follows --")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, command []string) error { return a.exec(cmd, borrow, command) },
	}
	cmd.Flags().SetInterspersed(false) // the command's own flags are its own
	borrow.flags(cmd, a)
	return cmd
}

func (a *app) exec(cmd *cobra.Command, borrow borrowing, command []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the rolebroker binary: %w", err)
	}
	code, err := execenv.Run(cmd.Context(), execenv.Options{
		Server: c, Role: borrow.role, Task: borrow.task, Command: command, Env: a.Env,
		Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, Self: self,
		Log:      slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Progress: func() func() { return a.progress("borrowing the role") },
	})
	if code == 0 && err == nil {
		return nil
	}
	return codeError{code, err}
}
