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
		Use:     "external-id",
		Short:   "Reserve external IDs",
		Long:    `Reserve external IDs, which the trust policies of roles should require.`,
		Example: `  rolebroker external-id reserve`,
	}, newExternalIDReserve(a))
}

func newExternalIDReserve(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "reserve",
		Short: "Reserve an external ID for an integration to come",
		Long: `Reserve an external ID, so that a role's trust policy can require it before the
integration is there. It is good for one integration.`,
		Example: `  id=$(rolebroker external-id reserve)
  rolebroker integration create production --external-id "$id" \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := ask(cmd.Context(), a, "reserving an external ID", func(ctx context.Context, c *client.Client) (string, error) {
				return c.ReserveExternalID(ctx)
			})
			if err != nil {
				return err
			}
			if out.format == "json" || out.format == "yaml" {
				return a.encode(out.format, api.ExternalID{ExternalID: id})
			}
			_, err = fmt.Fprintln(a.Stdout, id)
			return err
		},
	}
	out.flag(cmd)
	return cmd
}
