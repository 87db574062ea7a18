package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentBind(a *app) *cobra.Command {
	var (
		out     output
		request api.BindingRequest
	)
	cmd := &cobra.Command{
		Use:   "bind AGENT",
		Short: "Say that a Kubernetes service account is an agent",
		Long: `Say that whoever runs as a Kubernetes service account is the agent. Pods then show
the token of their service account to the runner of their cluster, and need no
agent token. A service account is one agent; an agent may be several.

The runner has to be believed about the issuer: rolebroker runner update RUNNER
--issuer URL.`,
		Example: `  rolebroker agent bind scout --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE \
    --namespace agents --service-account scout`,
		Args: args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error {
			for _, flag := range []string{"issuer", "namespace", "service-account"} {
				if cmd.Flags().Lookup(flag).Value.String() == "" {
					return usage("--%s is missing", flag)
				}
			}
			binding, err := ask(cmd.Context(), a, "binding the agent", func(ctx context.Context, c *client.Client) (api.Binding, error) {
				binding, err := c.Bind(ctx, given[0], request)
				return binding, seeList(err, "rolebroker agent list")
			})
			if err != nil {
				return err
			}
			return a.show(out, binding, func() *table { return a.bindingTable(given[0], []api.Binding{binding}) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&request.Issuer, "issuer", "", "`URL` of the issuer of the service account's tokens")
	f.StringVar(&request.Namespace, "namespace", "", "`name` of the service account's namespace")
	f.StringVar(&request.ServiceAccount, "service-account", "", "`name` of the service account")
	complete(cmd, "issuer", a.issuers)
	out.flag(cmd)
	completeArgs(cmd, anyway(a.agentNames))
	return cmd
}

func newAgentBindings(a *app) *cobra.Command {
	var (
		out   output
		limit limited
	)
	cmd := &cobra.Command{
		Use:     "bindings AGENT",
		Short:   "List the service accounts that are an agent",
		Long:    `List the Kubernetes service accounts that are an agent.`,
		Example: `  rolebroker agent bindings scout`,
		Args:    args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error {
			list, err := ask(cmd.Context(), a, "reading bindings", func(ctx context.Context, c *client.Client) (items[api.Binding], error) {
				bindings, err := collect(limit, c.AllBindings(ctx, given[0]))
				return bindings, seeList(err, "rolebroker agent list")
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.bindingTable(given[0], list.Items) })
		},
	}
	limit.flag(cmd)
	out.flag(cmd)
	completeArgs(cmd, anyway(a.agentNames))
	return cmd
}

func (a *app) bindingTable(agent string, bindings []api.Binding) *table {
	t := newTable("ID", "NAMESPACE", "SERVICE ACCOUNT", "ISSUER", "CREATED", "LAST USED")
	for _, b := range bindings {
		t.add(b.ID, b.Namespace, b.ServiceAccount, b.Issuer, a.when(&b.CreatedAt, "-"), a.when(b.UsedAt, "never"))
	}
	return t.ifEmpty("No service account is agent %s. Bind one: rolebroker agent bind %s --help", agent, agent)
}

func newAgentUnbind(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unbind AGENT BINDING-ID",
		Short: "Have a service account be an agent no longer",
		Long: `Have a service account be the agent no longer, by the ID of its binding. Its pods
borrow nothing any more at once; what was lent already works until it expires.`,
		Example: `  rolebroker agent bindings scout
  rolebroker agent unbind scout bnd_2mzq7k4vprb5xw3tdn6hjc8ysa`,
		Args: args("AGENT", "BINDING-ID"),
		RunE: func(cmd *cobra.Command, given []string) error {
			agent, err := ask(cmd.Context(), a, "unbinding the agent", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				agent, err := agentOf(ctx, c, given[0])
				if err != nil {
					return agent, err
				}
				return agent, seeList(c.Unbind(ctx, agent.ID, given[1]), "rolebroker agent bindings "+agent.Name)
			})
			if err == nil {
				a.note("unbound %s from agent %s", given[1], agent.Name)
				a.stillLent("agent", agent.ID)
			}
			return err
		},
	}
	completeArgs(cmd, anyway(a.agentNames), a.bindingIDs)
	return cmd
}
