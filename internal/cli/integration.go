package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegration(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "integration",
		Short: "Manage integrations: groups of AWS roles",
		Long: `Manage integrations. An integration is a named group of AWS roles that is granted
to agents as one; one of its roles is the default role.`,
		Example: `  rolebroker integration create production \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1
  rolebroker integration list`,
	}, newIntegrationList(a), newIntegrationShow(a), newIntegrationCreate(a), newIntegrationUpdate(a), newIntegrationDelete(a))
}

func newIntegrationList(a *app) *cobra.Command {
	var (
		out    output
		limit  limited
		search string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List integrations",
		Long:  `List integrations by name.`,
		Example: `  rolebroker integration list
  rolebroker integration list --search prod -o yaml`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, "reading integrations", func(ctx context.Context, c *client.Client) (items[api.Integration], error) {
				return collect(limit, c.AllIntegrations(ctx, search))
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.integrationsTable(list.Items) })
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only those whose name contains `text`")
	limit.flag(cmd)
	out.flag(cmd)
	return cmd
}

func (a *app) integrationsTable(integrations []api.Integration) *table {
	t := newTable("NAME", "ROLES", "DEFAULT ROLE", "MODE", "UPDATED", "DESCRIPTION")
	for _, in := range integrations {
		t.add(in.Name, roleCount(in), in.DefaultRole, in.AssumptionMode, a.when(&in.UpdatedAt, "-"), in.Description)
	}
	return t.ifEmpty("There are no integrations. Make one: rolebroker integration create --help")
}

// roleCount is how many roles there are, and how many of them are enabled when
// not all are.
func roleCount(in api.Integration) string {
	enabled := 0
	for _, role := range in.Roles {
		if role.Enabled {
			enabled++
		}
	}
	if enabled == len(in.Roles) {
		return fmt.Sprint(enabled)
	}
	return fmt.Sprintf("%d of %d enabled", enabled, len(in.Roles))
}

func newIntegrationShow(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "show INTEGRATION",
		Short: "Show an integration and its roles",
		Long: `Show an integration, by its name or ID, and its roles. What -o yaml prints can be
edited and given to rolebroker integration update -f.`,
		Example: `  rolebroker integration show production
  rolebroker integration show production -o yaml > production.yaml`,
		Args: args("INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			in, err := ask(cmd.Context(), a, "reading the integration", func(ctx context.Context, c *client.Client) (api.Integration, error) {
				in, err := c.Integration(ctx, given[0])
				return in, seeList(err, "rolebroker integration list")
			})
			if err != nil {
				return err
			}
			return a.showIntegration(out, in)
		},
	}
	completeArgs(cmd, anyway(a.integrationNames))
	out.flag(cmd)
	return cmd
}

func (a *app) showIntegration(o output, in api.Integration) error {
	return a.show(o, in, func() *table {
		roles := newTable("ROLE", "DEFAULT", "ENABLED", "REGION", "DURATION", "ARN")
		for _, role := range in.Roles {
			roles.add(role.Name, yesNo(role.Name == in.DefaultRole), yesNo(role.Enabled), role.Region, role.SessionDuration, role.ARN)
		}
		return details("Name", in.Name, "Description", orDash(in.Description), "ID", in.ID, "Assumption mode", in.AssumptionMode,
			"External ID", in.ExternalID, "Created", a.when(&in.CreatedAt, "-"), "Updated", a.when(&in.UpdatedAt, "-")).then(roles)
	})
}
