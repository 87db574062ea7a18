package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newExternalID(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "external-id",
		Short: "Reserve, show and release external IDs",
		Long: `Reserve external IDs before their integrations exist, show what became of them,
and release those that no integration has used. The trust policies of your roles
should require the external ID of their integration.`,
		Example: `  rolebroker external-id reserve`,
	}, newExternalIDReserve(a), newExternalIDShow(a), newExternalIDRelease(a))
}

func newExternalIDReserve(a *app) *cobra.Command {
	return asking(a, &cobra.Command{
		Use:   "reserve",
		Short: "Reserve an external ID for a new integration",
		Long: `Reserve an external ID, so that the trust policy of a role can require it before
the integration exists. One integration can use it. With -o json or -o yaml the
answer also has the ID that external-id show and release take.`,
		Example: `  id=$(rolebroker external-id reserve)
  rolebroker integration create production --external-id "$id" \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1`,
	}, "reserving an external ID",
		func(ctx context.Context, c *client.Client, _ []string) (api.ExternalID, error) {
			return c.ReserveExternalID(ctx)
		},
		func(o output, reserved api.ExternalID) error {
			if o.forMachines() {
				return a.encode(o.value, reserved)
			}
			_, err := fmt.Fprintln(a.out(), reserved.ExternalID)
			return err
		})
}

func newExternalIDShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a reserved external ID",
		Long: `Show a reserved external ID, by the ID that external-id reserve -o json printed.

Once an integration uses it, the command shows the external ID that the
integration has now, and that trust policies must require.`,
		Example: `  rolebroker external-id show ext_6ycq7w3kd2mzt4hnx5vpjb8rqa`,
	}
	completeArgs(cmd)
	return asking(a, cmd, "reading the external ID",
		func(ctx context.Context, c *client.Client, given []string) (api.ExternalID, error) {
			return c.ExternalID(ctx, given[0])
		},
		func(o output, e api.ExternalID) error {
			return a.show(o, e, func() *table { return a.externalIDTable(e) })
		})
}

func (a *app) externalIDTable(e api.ExternalID) *table {
	t := details("ID", e.ID, "External ID", e.ExternalID)
	if e.NextExternalID != "" {
		t.add("Next external ID:", e.NextExternalID)
	}
	t.add("Integration:", orDash(e.Integration))
	t.add("Reserved:", a.when(&e.ReservedAt))
	return t
}

func newExternalIDRelease(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "release ID",
		Short: "Release an external ID that no integration has used",
		Long: `Release an external ID that no integration has used, by the ID that external-id
reserve -o json printed. It cannot be used afterwards.`,
		Example: `  rolebroker external-id release ext_6ycq7w3kd2mzt4hnx5vpjb8rqa
  rolebroker external-id release ext_6ycq7w3kd2mzt4hnx5vpjb8rqa --yes`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := a.confirm(yes, "Release external ID "+given[0]+" for good?"); err != nil {
				return err
			}
			_, err := ask(cmd.Context(), a, "releasing the external ID",
				func(ctx context.Context, c *client.Client) (none, error) {
					return none{}, c.ReleaseExternalID(ctx, given[0])
				})
			if err == nil {
				a.note("released external ID %s", given[0])
			}
			return err
		},
	}
	yesFlag(cmd, &yes)
	completeArgs(cmd)
	return cmd
}
