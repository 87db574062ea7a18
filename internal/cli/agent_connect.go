package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentConnect(a *app) *cobra.Command {
	return asking(a, &cobra.Command{
		Use:   "connect AGENT INTEGRATION",
		Short: "Let an agent borrow from an integration",
		Long: `Let an agent borrow the roles of an integration.

The first integration that an agent is connected to becomes its default
integration. Connecting it again changes nothing.`,
		Example: `  rolebroker agent connect scout production`,
	}, "connecting the agent",
		func(ctx context.Context, c *client.Client, given []string) (api.Agent, error) {
			agent, err := agentOf(ctx, c, given[0])
			if err != nil {
				return agent, err
			}
			agent, err = c.Connect(ctx, agent.ID, given[1])
			return agent, seeList(err, listIntegrations)
		}, a.showAgent)
}

func newAgentDisconnect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disconnect AGENT INTEGRATION",
		Short: "Stop an agent from borrowing from an integration",
		Long: `Stop an agent from borrowing the roles of an integration. This takes effect at its
next request; credentials that were lent before keep working until they expire.

If the integration is the agent's default integration, the agent has no default
until you choose another one.`,
		Example: `  rolebroker agent disconnect scout production`,
	}
	completeArgs(cmd, anyway(a.agentNames), a.connectedNames)
	return revoking(a, cmd, revocation{
		doing: "disconnecting the agent",
		list:  "rolebroker agent show %s",
		remove: func(ctx context.Context, c *client.Client, agent api.Agent, integration string) error {
			return c.Disconnect(ctx, agent.ID, integration)
		},
		done: func(agent api.Agent, integration string) string {
			return "agent " + agent.Name + " cannot borrow from " + integration + " any more"
		},
	})
}
