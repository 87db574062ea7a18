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
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete INTEGRATION",
		Short: "Delete an integration",
		Long: `Delete an integration, by its name or ID, with its roles and connections. Its
agents cannot borrow from it any more; what was lent already works until it
expires.`,
		Example: `  rolebroker integration delete staging
  rolebroker integration delete staging --yes`,
		Args: args("INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.deleteIntegration(cmd.Context(), yes, given[0])
		},
	}
	completeArgs(cmd, anyway(a.integrationNames))
	yesFlag(cmd, &yes)
	return cmd
}

// lentAlready is said before something is taken away; stillLent, after it.
const lentAlready = "What was lent already works until it expires."

// loss is an integration and who loses it.
type loss struct {
	integration api.Integration
	agents      []string
}

func (a *app) deleteIntegration(ctx context.Context, yes bool, nameOrID string) error {
	lost, err := ask(ctx, a, "asking who uses the integration", func(ctx context.Context, c *client.Client) (loss, error) {
		return usedBy(ctx, c, nameOrID)
	})
	if err != nil {
		return err
	}
	if err := a.confirm(yes, "Delete integration %s? %s %s", lost.integration.Name, lost.who(), lentAlready); err != nil {
		return err
	}
	_, err = ask(ctx, a, "deleting the integration", func(ctx context.Context, c *client.Client) (none, error) {
		return none{}, c.DeleteIntegration(ctx, lost.integration.ID, lost.integration.ETag())
	})
	if err != nil {
		return err
	}
	a.note("deleted integration %s. %s", lost.integration.Name, lost.who())
	a.stillLent("integration", lost.integration.ID)
	return nil
}

func usedBy(ctx context.Context, c *client.Client, nameOrID string) (loss, error) {
	in, err := c.Integration(ctx, nameOrID)
	lost := loss{integration: in}
	if err != nil {
		return lost, seeList(err, "rolebroker integration list")
	}
	for agent, err := range c.AgentsOf(ctx, in.ID) {
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
