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

func newAgentBind(a *app) *cobra.Command {
	var (
		request api.BindingRequest
		agent   string
		all     bool
		labels  []string
	)
	cmd := &cobra.Command{
		Use:   "bind AGENT",
		Short: "Let the pods of a Kubernetes service account or namespace borrow as an agent",
		Long: `Let the pods of a Kubernetes service account, or of a whole namespace, borrow as an
agent. They present the token of their service account to the runner in their
cluster, so they need no agent token.

Bind one service account by its name; with --all every one of the namespace, also
those made later; or with --label those of the namespace that have all the labels. A
service account is one agent: a binding by its name comes before one by labels, and
that before one of the whole namespace. A person who may create or label service
accounts in the namespace can choose among its agents.

The server must trust the runner to verify tokens of this issuer: rolebroker
runner update RUNNER --issuer URL.`,
		Example: `  rolebroker agent bind scout --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE \
    --namespace agents --service-account scout
  rolebroker agent bind scout --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE \
    --namespace agents --all
  rolebroker agent bind scout --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE \
    --namespace agents --label team=ml`,
		PreRunE: func(cmd *cobra.Command, given []string) error {
			agent = given[0]
			for _, flag := range []string{"issuer", "namespace"} {
				if cmd.Flags().Lookup(flag).Value.String() == "" {
					return usage("--%s is missing", flag)
				}
			}
			return selectAccounts(&request, all, labels)
		},
	}
	f := cmd.Flags()
	f.StringVar(&request.Issuer, "issuer", "", "issuer `URL` of the service account's tokens")
	f.StringVar(&request.Namespace, "namespace", "", "`NAMESPACE` of the service account")
	f.StringVar(&request.ServiceAccount, "service-account", "", "`NAME` of the service account")
	f.BoolVar(&all, "all", false, "bind every service account of the namespace")
	f.StringArrayVar(&labels, "label", nil, "bind those with the label `KEY=VALUE`; may be repeated")
	complete(cmd, "issuer", a.issuers)
	return asking(a, cmd, "binding the service account",
		func(ctx context.Context, c *client.Client, _ []string) (api.Binding, error) {
			binding, err := c.Bind(ctx, agent, request)
			return binding, seeList(err, listAgents)
		},
		func(o output, binding api.Binding) error {
			a.warnOfIssuer(binding)
			return a.show(o, binding, func() *table { return a.bindingTable([]string{agent}, []api.Binding{binding}) })
		})
}

// selectAccounts fills in the request for one service account, every one, or those with labels.
func selectAccounts(request *api.BindingRequest, all bool, labels []string) error {
	wanted, err := rolebroker.ParseLabels(strings.Join(labels, ","))
	if err != nil {
		return usage("--label: %v", err)
	}
	request.Labels = wanted
	named := request.ServiceAccount != "" && request.ServiceAccount != rolebroker.AnyAccount
	switch {
	case named && (all || len(request.Labels) > 0):
		return usage("--service-account NAME is one service account; --all and --label are several: give one of them")
	case all && len(request.Labels) > 0:
		return usage("--all is every service account, and --label some: give one of them")
	case request.ServiceAccount == "" && !all && len(request.Labels) == 0:
		return usage("--service-account is missing; --all binds every one of the namespace, --label those with a label")
	case !named:
		request.ServiceAccount = rolebroker.AnyAccount
	}
	return nil
}

// warnOfIssuer warns of a binding that has no effect yet.
func (a *app) warnOfIssuer(b api.Binding) {
	if b.Runner == "" {
		a.note("warning: the server believes no runner about tokens of the issuer %s, so these pods are refused until "+
			"a runner has it", b.Issuer)
		a.note("hint: rolebroker runner list -o wide shows the issuers; this sets one: %s",
			rolebroker.ShellCommand("rolebroker", "runner", "update", "RUNNER", "--issuer", b.Issuer))
	}
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
	t := newTable("ID", "NAMESPACE", "SERVICE ACCOUNT", "LABELS", "RUNNER", "ISSUER", "CREATED", "LAST USED")
	for _, b := range bindings {
		t.add(b.ID, b.Namespace, b.ServiceAccount, cmp.Or(rolebroker.Labels(b.Labels).String(), "any"),
			cmp.Or(b.Runner, "none"), b.Issuer, a.when(&b.CreatedAt), a.when(b.UsedAt))
	}
	return t.ifEmpty("Agent %s has no service accounts. Bind one: rolebroker agent bind %s --help", given[0], given[0])
}

func newAgentUnbind(a *app) *cobra.Command {
	return revoking(a, &cobra.Command{
		Use:   "unbind AGENT BINDING-ID",
		Short: "Stop the pods of a service account from borrowing as an agent",
		Long: `Stop the pods of a service account from borrowing as an agent, by the ID of the
binding. This takes effect at their next request; credentials that were lent before
keep working until they expire.`,
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
