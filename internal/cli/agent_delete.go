package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentDelete(a *app) *cobra.Command {
	return deleting(a, &cobra.Command{
		Use:   "delete AGENT",
		Short: "Delete an agent",
		Long: `Delete an agent, by its name or ID, with its connections and tokens. It can borrow
nothing any more; credentials that were lent before keep working until they expire.`,
		Example: `  rolebroker agent delete scout
  rolebroker agent delete scout --yes`,
	}, deletion[api.Agent]{
		kind: "agent",
		find: agentOf,
		confirm: func(agent api.Agent) string {
			return "Delete agent " + agent.Name + " and its tokens? " + lentAlready
		},
		remove: func(ctx context.Context, c *client.Client, agent api.Agent) error {
			return c.DeleteAgent(ctx, agent.ID, agent.ETag())
		},
		done: func(agent api.Agent) {
			a.note("deleted agent %s and its tokens", agent.Name)
			a.stillLent("agent", agent.ID)
		},
	})
}
