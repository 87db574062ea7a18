package cli

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgent(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "agent",
		Short: "Manage agents, their connections and their tokens",
		Long: `Manage agents, their connections and their tokens.

An agent borrows roles. It may run as many processes as it likes. It may borrow
from the integrations that it is connected to.`,
		Example: `  rolebroker agent create scout --integration production
  rolebroker agent token create scout`,
	}, newAgentList(a), newAgentShow(a), newAgentCreate(a), newAgentUpdate(a), newAgentCutOff(a), newAgentEnable(a),
		newAgentDelete(a), newAgentConnect(a), newAgentDisconnect(a), newAgentPolicy(a), newAgentToken(a), newAgentBind(a), newAgentBindings(a),
		newAgentUnbind(a))
}

func newAgentList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List agents",
		Long: `List agents, sorted by name. With -o wide, OWNER is the API key whose holder answers
for the agent, and does not approve its access requests.`,
		Example: `  rolebroker agent list
  rolebroker agent list --search build -o json
  rolebroker agent list --integration production`,
	}
	var integration string
	cmd.Flags().StringVar(&integration, "integration", "", "show only agents connected to `INTEGRATION`, by name or ID")
	complete(cmd, "integration", a.integrationNames)
	search := searchFlag(cmd, "their name or description")
	return listing(a, cmd, "reading agents",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.Agent, error] {
			return c.AgentsOf(ctx, integration, *search)
		},
		func(_ []string, agents []api.Agent) *table {
			if integration+*search != "" {
				return a.agentsTable(agents).ifEmpty("No agent matches.")
			}
			return a.agentsTable(agents).ifEmpty("There are no agents. Create one: rolebroker agent create --help")
		})
}

func (a *app) agentsTable(agents []api.Agent) *table {
	header := []string{"NAME", "INTEGRATIONS", "DEFAULT", "DISABLED", "UPDATED"}
	if a.wide {
		header = append(header, "OWNER", "ID")
	}
	t := newTable(append(header, "DESCRIPTION")...)
	for _, agent := range agents {
		var integrations []string
		for _, c := range agent.Connections {
			integrations = append(integrations, c.Integration)
		}
		cells := []string{agent.Name, orDash(strings.Join(integrations, ", ")), orDash(agent.DefaultIntegration),
			yesNo(agent.Disabled || agent.CutOff != nil), a.when(&agent.UpdatedAt)}
		if a.wide {
			cells = append(cells, ownerOf(agent), agent.ID)
		}
		t.add(append(cells, agent.Description)...)
	}
	return t
}

// ownerOf is the API key that owns an agent.
func ownerOf(agent api.Agent) string {
	if ofDeleted(agent.Owner, agent.OwnerID) {
		return agent.OwnerID + " (deleted)"
	}
	return orDash(agent.Owner)
}

func newAgentShow(a *app) *cobra.Command {
	return showing(a, &cobra.Command{
		Use:   "show AGENT",
		Short: "Show an agent and its connections",
		Long: `Show an agent, by its name or ID, and the integrations it is connected to.

You can edit what -o yaml prints and pass it to rolebroker agent update -f.`,
		Example: `  rolebroker agent show scout
  rolebroker agent show scout -o yaml > scout.yaml`,
	}, "agent", agentOf, a.showAgent)
}

// disabledSince says whether an agent is disabled, and if it was cut off, since when and by whom.
func (a *app) disabledSince(agent api.Agent) string {
	if agent.CutOff == nil {
		return yesNo(agent.Disabled)
	}
	since := "yes: cut off " + a.when(&agent.CutOff.At) + " by " + agent.CutOff.By
	if agent.CutOff.Reason != "" {
		since += ": " + agent.CutOff.Reason
	}
	return since
}

func (a *app) showAgent(o output, agent api.Agent) error {
	return a.show(o, agent, func() *table {
		connections := newTable("INTEGRATION", "DEFAULT", "ACCESS", "KEYS", "ROLES", "APPROVAL", "CONNECTED")
		for _, c := range agent.Connections {
			connections.add(c.Integration, yesNo(c.Integration == agent.DefaultIntegration),
				cmp.Or(c.Access, string(rolebroker.AccessFull)), cmp.Or(c.Keys, string(rolebroker.KeysLent)), roleWords(c.Roles),
				cmp.Or(c.Approval, string(rolebroker.ApprovalNone)), a.when(&c.ConnectedAt))
		}
		return details("Name", agent.Name, "Description", orDash(agent.Description), "ID", agent.ID,
			"Owner", ownerOf(agent), "Disabled", a.disabledSince(agent), "Default integration", orDash(agent.DefaultIntegration),
			"Created", a.when(&agent.CreatedAt), "Updated", a.when(&agent.UpdatedAt)).
			then(connections.ifEmpty("It has no integrations: rolebroker agent connect %s INTEGRATION", agent.Name))
	})
}
