package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentCreate(a *app) *cobra.Command {
	var (
		file         fromFile
		request      api.AgentRequest
		integrations []string
		byDefault    string
	)
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create an agent",
		Long: `Create an agent and connect it to the integrations that --integration names. It
may borrow their roles. Next, create a token for its processes: rolebroker agent
token create NAME.

CloudTrail shows the name as the session name of everything the agent does.

The owner is an API key: its holder answers for the agent, and does not approve its
access requests. It is the key that creates the agent, unless --owner names another.

With -f, a YAML or JSON file describes the agent, in the form that agent show
-o yaml prints. Fields that only the server sets are ignored. A file that shows
another agent creates a copy of it under NAME, without its tokens.`,
		Example: `  rolebroker agent create scout --integration production
  rolebroker agent create builder --integration staging --integration production \
    --default-integration staging
  rolebroker agent create -f scout.yaml`,
		PreRunE: func(cmd *cobra.Command, given []string) error {
			if err := file.read(cmd, a.Stdin, &request); err != nil {
				return err
			}
			request.ID = ""
			if len(integrations) > 0 {
				request.Connections = connectionRequests(integrations)
			}
			if byDefault != "" {
				request.DefaultIntegration = &byDefault
			}
			return nameFor(&request.Name, given, file.given())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&integrations, "integration", nil, "`INTEGRATION` to connect it to, by name or ID; repeatable")
	f.StringVar(&byDefault, "default-integration", "",
		"`INTEGRATION` to borrow from by default (default: the first one)")
	f.StringVar(&request.Description, "description", "", "describe the agent in `TEXT`")
	f.BoolVar(&request.Disabled, "disabled", false, "create it disabled: nothing is lent to it")
	f.StringVar(&request.Owner, "owner", "", "API `KEY` that owns it, by name or ID (default: the one that creates it)")
	complete(cmd, "owner", a.apiKeyNames)
	complete(cmd, "integration", a.integrationNames)
	complete(cmd, "default-integration", a.integrationNames)
	file.flag(cmd, "integration", "default-integration", "description", "disabled", "owner")
	return asking(a, cmd, "creating the agent",
		func(ctx context.Context, c *client.Client, _ []string) (api.Agent, error) {
			agent, err := c.CreateAgent(ctx, request)
			return agent, renaming(err, "connections", func(i int, _ string) string {
				if i >= len(integrations) {
					return "" // it is from a file
				}
				return "--integration " + integrations[i]
			})
		},
		a.showAgent)
}

func connectionRequests(integrations []string) *[]api.ConnectionRequest {
	requests := []api.ConnectionRequest{}
	for _, in := range integrations {
		requests = append(requests, api.ConnectionRequest{Integration: in})
	}
	return &requests
}
