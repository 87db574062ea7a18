package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newRunnerDelete(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete RUNNER",
		Short: "Delete a runner",
		Long: `Delete a runner, by its name or ID, and end its credential. It is refused while an
integration names it. What was lent already works until it expires.`,
		Example: `  rolebroker runner delete eks-production
  rolebroker runner delete eks-production --yes`,
		Args: args("RUNNER"),
		RunE: func(cmd *cobra.Command, given []string) error { return a.deleteRunner(cmd.Context(), yes, given[0]) },
	}
	completeArgs(cmd, anyway(a.runnerNames))
	yesFlag(cmd, &yes)
	return cmd
}

func (a *app) deleteRunner(ctx context.Context, yes bool, nameOrID string) error {
	r, err := ask(ctx, a, "reading the runner", func(ctx context.Context, c *client.Client) (api.Runner, error) {
		return runnerOf(ctx, c, nameOrID)
	})
	if err != nil {
		return err
	}
	if err := a.confirm(yes, "Delete runner %s and end its credential? %s", r.Name, lentAlready); err != nil {
		return err
	}
	_, err = ask(ctx, a, "deleting the runner", func(ctx context.Context, c *client.Client) (none, error) {
		// What it says of itself makes no new version; what people say does.
		return none{}, c.DeleteRunner(ctx, r.ID, r.ETag())
	})
	if err == nil {
		a.note("deleted runner %s", r.Name)
	}
	return err
}
