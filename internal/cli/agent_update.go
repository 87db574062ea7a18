package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// agentChange is what the flags of update say.
type agentChange struct {
	name, description, defaultIntegration string
	disabled                              bool
}

func newAgentUpdate(a *app) *cobra.Command {
	var (
		out    output
		file   fromFile
		change agentChange
	)
	cmd := &cobra.Command{
		Use:   "update AGENT",
		Short: "Change an agent",
		Long: `Change what is given of an agent and leave the rest as it is. If someone else
changes it at the same time, nothing is changed and you are told.

Nothing is lent to a disabled agent. What it has already works until it expires.

With -f a file says everything: connections that it leaves out stay, everything
else that it leaves out is emptied. A version in it, as agent show -o yaml prints
it, guards against changes made since.`,
		Example: `  rolebroker agent update scout --disabled
  rolebroker agent update scout --disabled=false
  rolebroker agent update scout --default-integration staging`,
		Args: args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := file.alone(cmd); err != nil {
				return err
			}
			update := func(ctx context.Context, c *client.Client) (api.Agent, error) {
				return change.update(ctx, c, cmd, given[0])
			}
			if file.path != "" {
				var request api.AgentRequest
				if err := file.decode(a.Stdin, &request); err != nil {
					return err
				}
				update = func(ctx context.Context, c *client.Client) (api.Agent, error) {
					agent, err := c.UpdateAgent(ctx, given[0], request, ifVersion(request.Version))
					return agent, seeList(err, "rolebroker agent list")
				}
			} else if !slices.ContainsFunc(changed(cmd), func(name string) bool { return name != "output" }) {
				return usage("nothing to change was given")
			}
			agent, err := ask(cmd.Context(), a, "changing the agent", update)
			if err != nil {
				return err
			}
			if change.disabled {
				a.stillLent("agent", agent.ID)
			}
			return a.showAgent(out, agent)
		},
	}
	f := cmd.Flags()
	f.StringVar(&change.name, "name", "", "new `name`")
	f.StringVar(&change.description, "description", "", "`text` on what it does")
	f.BoolVar(&change.disabled, "disabled", false, "lend it nothing; --disabled=false lends again")
	f.StringVar(&change.defaultIntegration, "default-integration", "", "`integration` whose default role is used when the agent names none; empty for none")
	complete(cmd, "default-integration", a.integrationNames)
	file.flag(cmd, []string{"name", "description", "disabled", "default-integration"})
	out.flag(cmd)
	completeArgs(cmd, anyway(a.agentNames))
	return cmd
}

// update reads the agent, changes what was given, and writes it back unless
// someone else has written since.
func (c *agentChange) update(ctx context.Context, to *client.Client, cmd *cobra.Command, nameOrID string) (api.Agent, error) {
	agent, err := agentOf(ctx, to, nameOrID)
	if err != nil {
		return agent, err
	}
	request := api.AgentRequest{ID: agent.ID, Name: agent.Name, Description: agent.Description, Disabled: agent.Disabled}
	given := cmd.Flags().Changed
	if given("name") {
		request.Name = c.name
	}
	if given("description") {
		request.Description = c.description
	}
	if given("disabled") {
		request.Disabled = c.disabled
	}
	if given("default-integration") {
		request.DefaultIntegration = &c.defaultIntegration
	}
	return to.UpdateAgent(ctx, agent.ID, request, agent.ETag())
}
