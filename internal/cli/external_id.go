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
		Short: "Reserve external IDs, look at them and give them back",
		Long: `Reserve external IDs, which the trust policies of roles should require, look at
what became of them, and give back those that no integration has used.`,
		Example: `  rolebroker external-id reserve`,
	}, newExternalIDReserve(a), newExternalIDShow(a), newExternalIDRelease(a))
}

func newExternalIDReserve(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "reserve",
		Short: "Reserve an external ID for an integration to come",
		Long: `Reserve an external ID, so that a role's trust policy can require it before the
integration is there. It is good for one integration. With -o json or yaml the
answer also has the ID by which show and release find it.`,
		Example: `  id=$(rolebroker external-id reserve)
  rolebroker integration create production --external-id "$id" \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reserved, err := ask(cmd.Context(), a, "reserving an external ID", func(ctx context.Context, c *client.Client) (api.ExternalID, error) {
				return c.ReserveExternalID(ctx)
			})
			if err != nil {
				return err
			}
			if out.format == "json" || out.format == "yaml" {
				return a.encode(out.format, reserved)
			}
			_, err = fmt.Fprintln(a.Stdout, reserved.ExternalID)
			return err
		},
	}
	out.flag(cmd)
	return cmd
}

func newExternalIDShow(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show an external ID that was reserved, as it is now",
		Long: `Show an external ID that was reserved, by the ID that reserve -o json printed.
Once an integration has it, what is shown follows the integration: after a change
of its external ID it is the one that trust policies have to require now.`,
		Example: `  rolebroker external-id show ext_6ycq7w3kd2mzt4hnx5vpjb8rqa`,
		Args:    args("ID"),
		RunE: func(cmd *cobra.Command, given []string) error {
			shown, err := ask(cmd.Context(), a, "reading the external ID", func(ctx context.Context, c *client.Client) (api.ExternalID, error) {
				return c.ExternalID(ctx, given[0])
			})
			if err != nil {
				return err
			}
			return a.show(out, shown, func() *table { return a.externalIDTable(shown) })
		},
	}
	out.flag(cmd)
	completeArgs(cmd)
	return cmd
}

func (a *app) externalIDTable(e api.ExternalID) *table {
	t := details("ID", e.ID, "External ID", e.ExternalID)
	if e.NextExternalID != "" {
		t.add("Next external ID:", e.NextExternalID)
	}
	t.add("Integration:", orDash(e.Integration))
	t.add("Reserved:", a.when(&e.ReservedAt, "-"))
	return t
}

func newExternalIDRelease(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release ID",
		Short: "Give back an external ID that no integration has used",
		Long: `Give back an external ID that no integration has used, by the ID that reserve
-o json printed. No integration can be created with it any more.`,
		Example: `  rolebroker external-id release ext_6ycq7w3kd2mzt4hnx5vpjb8rqa`,
		Args:    args("ID"),
		RunE: func(cmd *cobra.Command, given []string) error {
			_, err := ask(cmd.Context(), a, "giving the external ID back", func(ctx context.Context, c *client.Client) (struct{}, error) {
				return struct{}{}, c.ReleaseExternalID(ctx, given[0])
			})
			if err == nil {
				a.note("released external ID %s", given[0])
			}
			return err
		},
	}
	completeArgs(cmd)
	return cmd
}
