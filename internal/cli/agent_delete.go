package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentDelete(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete AGENT",
		Short: "Delete an agent",
		Long: `Delete an agent, by its name or ID, with its connections and tokens. It can borrow
nothing any more; what was lent already works until it expires.`,
		Example: `  rolebroker agent delete scout
  rolebroker agent delete scout --yes`,
		Args: args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error { return a.deleteAgent(cmd.Context(), yes, given[0]) },
	}
	completeArgs(cmd, anyway(a.agentNames))
	yesFlag(cmd, &yes)
	return cmd
}

func (a *app) deleteAgent(ctx context.Context, yes bool, nameOrID string) error {
	agent, err := ask(ctx, a, "reading the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
		return agentOf(ctx, c, nameOrID)
	})
	if err != nil {
		return err
	}
	if err := a.confirm(yes, "Delete agent %s and its tokens? %s", agent.Name, lentAlready); err != nil {
		return err
	}
	_, err = ask(ctx, a, "deleting the agent", func(ctx context.Context, c *client.Client) (none, error) {
		return none{}, c.DeleteAgent(ctx, agent.ID, agent.ETag())
	})
	if err == nil {
		a.note("deleted agent %s and its tokens", agent.Name)
		a.stillLent("agent", agent.ID)
	}
	return err
}
