package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgent(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "agent",
		Short: "Manage agents, what they may borrow and their tokens",
		Long: `Manage agents, what they may borrow and their tokens. An agent is who borrows: an
AI agent with as many processes as it likes. It may borrow from the integrations
it is connected to.`,
		Example: `  rolebroker agent create scout --integration production
  rolebroker agent token create scout`,
	}, newAgentList(a), newAgentShow(a), newAgentCreate(a), newAgentUpdate(a), newAgentDelete(a),
		newAgentConnect(a), newAgentDisconnect(a), newAgentToken(a), newAgentBind(a), newAgentBindings(a), newAgentUnbind(a))
}

func newAgentList(a *app) *cobra.Command {
	var (
		out    output
		limit  limited
		search string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List agents",
		Long:  `List agents by name.`,
		Example: `  rolebroker agent list
  rolebroker agent list --search build -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, "reading agents", func(ctx context.Context, c *client.Client) (items[api.Agent], error) {
				return collect(limit, c.AllAgents(ctx, search))
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.agentsTable(list.Items) })
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only those whose name contains `text`")
	limit.flag(cmd)
	out.flag(cmd)
	return cmd
}

func (a *app) agentsTable(agents []api.Agent) *table {
	t := newTable("NAME", "INTEGRATIONS", "DEFAULT", "DISABLED", "UPDATED", "DESCRIPTION")
	for _, agent := range agents {
		var integrations []string
		for _, c := range agent.Connections {
			integrations = append(integrations, c.Integration)
		}
		t.add(agent.Name, orDash(strings.Join(integrations, ", ")), orDash(agent.DefaultIntegration), yesNo(agent.Disabled),
			a.when(&agent.UpdatedAt, "-"), agent.Description)
	}
	return t.ifEmpty("There are no agents. Make one: rolebroker agent create --help")
}

func newAgentShow(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "show AGENT",
		Short: "Show an agent and what it may borrow from",
		Long: `Show an agent, by its name or ID, and the integrations it is connected to. What -o
yaml prints can be edited and given to rolebroker agent update -f.`,
		Example: `  rolebroker agent show scout
  rolebroker agent show scout -o yaml > scout.yaml`,
		Args: args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error {
			agent, err := ask(cmd.Context(), a, "reading the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				return agentOf(ctx, c, given[0])
			})
			if err != nil {
				return err
			}
			return a.showAgent(out, agent)
		},
	}
	completeArgs(cmd, anyway(a.agentNames))
	out.flag(cmd)
	return cmd
}

// agentOf finds an agent by name or ID.
func agentOf(ctx context.Context, c *client.Client, nameOrID string) (api.Agent, error) {
	agent, err := c.Agent(ctx, nameOrID)
	return agent, seeList(err, "rolebroker agent list")
}

func (a *app) showAgent(o output, agent api.Agent) error {
	return a.show(o, agent, func() *table {
		connections := newTable("INTEGRATION", "DEFAULT", "CONNECTED")
		for _, c := range agent.Connections {
			connections.add(c.Integration, yesNo(c.Integration == agent.DefaultIntegration), a.when(&c.ConnectedAt, "-"))
		}
		return details("Name", agent.Name, "Description", orDash(agent.Description), "ID", agent.ID, "Disabled", yesNo(agent.Disabled),
			"Default integration", orDash(agent.DefaultIntegration), "Created", a.when(&agent.CreatedAt, "-"), "Updated", a.when(&agent.UpdatedAt, "-")).
			then(connections.ifEmpty("It is not connected to any integration: rolebroker agent connect %s INTEGRATION", agent.Name))
	})
}
