package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentConnect(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "connect AGENT INTEGRATION",
		Short: "Let an agent borrow from an integration",
		Long: `Let an agent borrow the roles of an integration. Its first connection becomes its
default integration. Doing so again changes nothing.`,
		Example: `  rolebroker agent connect scout production`,
		Args:    args("AGENT", "INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			agent, err := ask(cmd.Context(), a, "connecting the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				agent, err := agentOf(ctx, c, given[0])
				if err != nil {
					return agent, err
				}
				agent, err = c.Connect(ctx, agent.ID, given[1])
				return agent, seeList(err, "rolebroker integration list")
			})
			if err != nil {
				return err
			}
			return a.showAgent(out, agent)
		},
	}
	completeArgs(cmd, anyway(a.agentNames), anyway(a.integrationNames))
	out.flag(cmd)
	return cmd
}
