package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

func newAgentUpdate(a *app) *cobra.Command {
	var (
		file                                  fromFile
		request                               api.AgentRequest
		name, description, defaultIntegration string
		owner                                 string
		disabled                              bool
	)
	cmd := &cobra.Command{
		Use:   "update AGENT",
		Short: "Change an agent",
		Long: `Change the given settings of an agent and leave the others as they are. If someone
else changes the agent at the same time, the command fails and changes nothing.

Nothing is lent to a disabled agent. Credentials that were lent before keep working
until they expire. An agent that was cut off stays so: rolebroker agent enable ends
that.

The owner is an API key: its holder answers for the agent, and does not approve its
access requests. --owner names another one.

With -f, a file describes the whole agent: it keeps its connections if the file
has none, and its owner; other settings that the file leaves out are cleared. If the file has a
version, as agent show -o yaml prints it, the command fails if the agent has
changed since.`,
		Example: `  rolebroker agent update scout --disabled
  rolebroker agent update scout --default-integration staging
  rolebroker agent update scout --owner alice`,
		PreRunE: func(cmd *cobra.Command, _ []string) error { return file.readOrFlags(cmd, a.Stdin, &request) },
	}
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "rename it to `NAME`")
	f.StringVar(&description, "description", "", "describe the agent in `TEXT`")
	f.BoolVar(&disabled, "disabled", false, "lend it nothing; --disabled=false lends again")
	f.StringVar(&defaultIntegration, "default-integration", "",
		"`INTEGRATION` to borrow from by default; empty for none")
	f.StringVar(&owner, "owner", "", "API `KEY` that owns it, by name or ID")
	complete(cmd, "default-integration", a.integrationNames)
	complete(cmd, "owner", a.apiKeyNames)
	file.flag(cmd, "name", "description", "disabled", "default-integration", "owner")
	return asking(a, cmd, "changing the agent",
		func(ctx context.Context, c *client.Client, given []string) (api.Agent, error) {
			if file.given() {
				agent, err := c.UpdateAgent(ctx, given[0], request, ifVersion(request.Version))
				return agent, seeList(err, listAgents)
			}
			agent, err := agentOf(ctx, c, given[0])
			if err != nil {
				return agent, err
			}
			request = convert.AgentRequest(agent)
			changed := cmd.Flags().Changed
			set(&request.Name, name, changed("name"))
			set(&request.Description, description, changed("description"))
			set(&request.Disabled, disabled, changed("disabled"))
			set(&request.DefaultIntegration, &defaultIntegration, changed("default-integration"))
			if changed("owner") && owner == "" {
				return agent, usage("--owner is empty; an agent has the owner that it has until another one is named")
			}
			set(&request.Owner, owner, changed("owner"))
			return c.UpdateAgent(ctx, agent.ID, request, agent.ETag())
		},
		func(o output, agent api.Agent) error {
			if disabled {
				a.stillLent("agent", agent.ID)
			}
			if err := a.showAgent(o, agent); err != nil || agent.CutOff == nil || disabled || !cmd.Flags().Changed("disabled") {
				return err
			}
			return rolebroker.Errorf(rolebroker.CodeConflict, "agent %s is cut off, and an update does not end that",
				agent.Name).WithHint("lend to it again: rolebroker agent enable %s", agent.Name)
		})
}

// set assigns value to field if its flag was given.
func set[T any](field *T, value T, given bool) {
	if given {
		*field = value
	}
}
