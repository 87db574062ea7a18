package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentCreate(a *app) *cobra.Command {
	var (
		out          output
		file         fromFile
		request      api.AgentRequest
		integrations []string
		byDefault    string
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an agent",
		Long: `Make an agent, and connect it to the integrations that --integration names. Their
roles are what it may borrow. Its processes need a token next: rolebroker agent
token create NAME.

The name is what CloudTrail shows as the session name of what the agent does.

With -f a file says everything, as YAML or JSON in the form that agent show
-o yaml prints. What only the server sets is left out or ignored, so what another
agent is shown as makes a copy of it, under NAME and without its tokens.`,
		Example: `  rolebroker agent create scout --integration production
  rolebroker agent create builder --integration staging --integration production --default-integration staging
  rolebroker agent create -f scout.yaml`,
		Args: args("[NAME]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := file.alone(cmd); err != nil {
				return err
			}
			if file.path != "" {
				if err := file.decode(a.Stdin, &request); err != nil {
					return err
				}
				request.ID = ""
			}
			if err := nameFor(&request.Name, given, file.path != ""); err != nil {
				return err
			}
			if len(integrations) > 0 {
				request.Connections = connectionRequests(integrations)
			}
			if byDefault != "" {
				request.DefaultIntegration = &byDefault
			}
			agent, err := ask(cmd.Context(), a, "making the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				return c.CreateAgent(ctx, request)
			})
			if err != nil {
				return err
			}
			return a.showAgent(out, agent)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&integrations, "integration", nil, "`integration` it may borrow from, by name or ID; may be repeated")
	f.StringVar(&byDefault, "default-integration", "", "`integration` whose default role is used when the agent names none (default: the first)")
	f.StringVar(&request.Description, "description", "", "`text` on what it does")
	f.BoolVar(&request.Disabled, "disabled", false, "lend it nothing for now")
	complete(cmd, "integration", a.integrationNames)
	complete(cmd, "default-integration", a.integrationNames)
	file.flag(cmd, []string{"integration", "default-integration", "description", "disabled"})
	out.flag(cmd)
	return cmd
}

func connectionRequests(integrations []string) *[]api.ConnectionRequest {
	requests := []api.ConnectionRequest{}
	for _, in := range integrations {
		requests = append(requests, api.ConnectionRequest{Integration: in})
	}
	return &requests
}
