package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentDisconnect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disconnect AGENT INTEGRATION",
		Short: "Take an integration away from an agent",
		Long: `Take an integration away from an agent. From its next request on it can borrow
nothing from it; what was lent already works until it expires. If it was the
agent's default integration there is none until you choose one.`,
		Example: `  rolebroker agent disconnect scout production`,
		Args:    args("AGENT", "INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			agent, err := ask(cmd.Context(), a, "disconnecting the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				agent, err := agentOf(ctx, c, given[0])
				if err != nil {
					return agent, err
				}
				return agent, seeList(c.Disconnect(ctx, agent.ID, given[1]), "rolebroker agent show "+agent.Name)
			})
			if err == nil {
				a.note("agent %s cannot borrow from %s any more", agent.Name, given[1])
				a.stillLent("agent", agent.ID)
			}
			return err
		},
	}
	completeArgs(cmd, anyway(a.agentNames), a.connectedNames)
	return cmd
}
