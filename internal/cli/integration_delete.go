package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegrationDelete(a *app) *cobra.Command {
	return deleting(a, &cobra.Command{
		Use:   "delete INTEGRATION",
		Short: "Delete an integration",
		Long: `Delete an integration, by its name or ID, with its roles and connections. Its agents
cannot borrow from it any more; credentials that were lent before keep working until
they expire.`,
		Example: `  rolebroker integration delete staging
  rolebroker integration delete staging --yes`,
	}, deletion[loss]{
		kind: "integration",
		find: lossOf,
		confirm: func(l loss) string {
			return fmt.Sprintf("Delete integration %s? %s %s", l.integration.Name, l.who(), lentAlready)
		},
		remove: func(ctx context.Context, c *client.Client, l loss) error {
			return c.DeleteIntegration(ctx, l.integration.ID, l.integration.ETag())
		},
		done: func(l loss) {
			a.note("deleted integration %s. %s", l.integration.Name, l.who())
			a.stillLent("integration", l.integration.ID)
		},
	})
}

// loss is an integration and the agents that are connected to it.
type loss struct {
	integration api.Integration
	agents      []string
}

func lossOf(ctx context.Context, c *client.Client, nameOrID string) (loss, error) {
	in, err := integrationOf(ctx, c, nameOrID)
	lost := loss{integration: in}
	if err != nil {
		return lost, err
	}
	for agent, err := range c.AgentsOf(ctx, in.ID, "") {
		if err != nil {
			return lost, err
		}
		lost.agents = append(lost.agents, agent.Name)
	}
	return lost, nil
}

// who says which agents lose the integration.
func (l loss) who() string {
	const most = 10
	switch n := len(l.agents); {
	case n == 0:
		return "No agent uses it."
	case n == 1:
		return "Agent " + l.agents[0] + " loses it."
	case n <= most:
		return "Agents " + strings.Join(l.agents, ", ") + " lose it."
	default:
		return fmt.Sprintf("%d agents lose it: %s, …", n, strings.Join(l.agents[:most], ", "))
	}
}
