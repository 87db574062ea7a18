package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentBind(a *app) *cobra.Command {
	var (
		request api.BindingRequest
		agent   string
	)
	cmd := &cobra.Command{
		Use:   "bind AGENT",
		Short: "Let the pods of a Kubernetes service account borrow as an agent",
		Long: `Let the pods of a Kubernetes service account borrow as an agent. They present the
token of their service account to the runner in their cluster, so they need no
agent token.

A service account belongs to one agent. An agent may have several.

The server must trust the runner to verify tokens of this issuer: rolebroker
runner update RUNNER --issuer URL.`,
		Example: `  rolebroker agent bind scout --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE \
    --namespace agents --service-account scout`,
		PreRunE: func(cmd *cobra.Command, given []string) error {
			agent = given[0]
			for _, flag := range []string{"issuer", "namespace", "service-account"} {
				if cmd.Flags().Lookup(flag).Value.String() == "" {
					return usage("--%s is missing", flag)
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&request.Issuer, "issuer", "", "issuer `URL` of the service account's tokens")
	f.StringVar(&request.Namespace, "namespace", "", "`NAMESPACE` of the service account")
	f.StringVar(&request.ServiceAccount, "service-account", "", "`NAME` of the service account")
	complete(cmd, "issuer", a.issuers)
	return asking(a, cmd, "binding the service account",
		func(ctx context.Context, c *client.Client, _ []string) (api.Binding, error) {
			binding, err := c.Bind(ctx, agent, request)
			return binding, seeList(err, listAgents)
		},
		func(o output, binding api.Binding) error {
			return a.show(o, binding, func() *table { return a.bindingTable([]string{agent}, []api.Binding{binding}) })
		})
}

func newAgentBindings(a *app) *cobra.Command {
	return listing(a, &cobra.Command{
		Use:     "bindings AGENT",
		Short:   "List the service accounts of an agent",
		Long:    `List the Kubernetes service accounts whose pods borrow as an agent.`,
		Example: `  rolebroker agent bindings scout`,
	}, "reading bindings",
		func(ctx context.Context, c *client.Client, given []string) iter.Seq2[api.Binding, error] {
			return c.AllBindings(ctx, given[0])
		}, a.bindingTable)
}

func (a *app) bindingTable(given []string, bindings []api.Binding) *table {
	t := newTable("ID", "NAMESPACE", "SERVICE ACCOUNT", "ISSUER", "CREATED", "LAST USED")
	for _, b := range bindings {
		t.add(b.ID, b.Namespace, b.ServiceAccount, b.Issuer, a.when(&b.CreatedAt), a.when(b.UsedAt))
	}
	return t.ifEmpty("Agent %s has no service accounts. Bind one: rolebroker agent bind %s --help", given[0], given[0])
}

func newAgentUnbind(a *app) *cobra.Command {
	return revoking(a, &cobra.Command{
		Use:   "unbind AGENT BINDING-ID",
		Short: "Stop the pods of a service account from borrowing as an agent",
		Long: `Stop the pods of a service account from borrowing as an agent, by the ID of the
binding. This takes effect at their next request; what was lent already works
until it expires.`,
		Example: `  rolebroker agent bindings scout
  rolebroker agent unbind scout bnd_2mzq7k4vprb5xw3tdn6hjc8ysa`,
	}, revocation{
		doing: "removing the binding",
		list:  "rolebroker agent bindings %s",
		remove: func(ctx context.Context, c *client.Client, agent api.Agent, id string) error {
			return c.Unbind(ctx, agent.ID, id)
		},
		done: func(agent api.Agent, id string) string { return "unbound " + id + " from agent " + agent.Name },
	})
}
