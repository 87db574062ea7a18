package cli

import (
	"context"
	"fmt"
	"io"

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
	}, newIntegrationList(a), newIntegrationShow(a), newIntegrationCreate(a), newIntegrationUpdate(a), newIntegrationDelete(a),
		newIntegrationValidate(a), newIntegrationSetup(a), newIntegrationRotate(a))
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
	t := newTable("NAME", "ROLES", "DEFAULT ROLE", "MODE", "VALIDATION", "UPDATED", "DESCRIPTION")
	for _, in := range integrations {
		t.add(in.Name, roleCount(in), in.DefaultRole, in.AssumptionMode, a.summary(in), a.when(&in.UpdatedAt, "-"), in.Description)
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
			if err := a.showIntegration(out, in); err != nil {
				return err
			}
			if len(notable(resultsOf(in))) > 0 && out.String() == "table" {
				a.note("What to change: rolebroker integration validate %s", in.Name)
			}
			return nil
		},
	}
	completeArgs(cmd, anyway(a.integrationNames))
	out.flag(cmd)
	return cmd
}

// showIntegration writes an integration, and of each role that is not as it
// should be why.
func (a *app) showIntegration(o output, in api.Integration) error {
	err := a.show(o, in, func() *table {
		roles := newTable("ROLE", "DEFAULT", "ENABLED", "REGION", "DURATION", "ARN", "STATUS", "CHECKED")
		for _, role := range in.Roles {
			checked := "-"
			if role.Validation != nil {
				checked = a.checked(*role.Validation)
			}
			roles.add(role.Name, yesNo(role.Name == in.DefaultRole), yesNo(role.Enabled), role.Region, role.SessionDuration, role.ARN,
				status(role.Validation), checked)
		}
		t := details("Name", in.Name, "Description", orDash(in.Description), "ID", in.ID, "Assumption mode", in.AssumptionMode)
		if in.AssumptionMode == "cluster" {
			t.add("Runner:", orDash(in.Runner))
		}
		t.add("External ID:", in.ExternalID)
		if in.NextExternalID != "" {
			t.add("Next external ID:", in.NextExternalID)
		}
		t.rows = append(t.rows, details("Attribution", attribution(in), "Created", a.when(&in.CreatedAt, "-"), "Updated", a.when(&in.UpdatedAt, "-")).rows...)
		return t.then(roles)
	})
	if err == nil && o.String() == "table" {
		_, err = io.WriteString(a.Stdout, headlines(resultsOf(in)))
	}
	return err
}

// checked is when a role was tried, and by whom if it was not the server.
func (a *app) checked(v api.Validation) string {
	when := a.when(&v.CheckedAt, "-")
	if v.CheckedBy != "" {
		return "by runner " + v.CheckedBy + ", " + when
	}
	return when
}

// attribution is how AssumeRole says who borrows.
func attribution(in api.Integration) string {
	how := "session name"
	if in.SessionTags {
		how += ", session tags"
	}
	if in.SourceIdentity {
		how += ", source identity"
	}
	return how
}
