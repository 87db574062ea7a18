package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newRoles(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "roles",
		Short: "List what this agent may borrow now",
		Long: `List the roles that the agent whose token is given may borrow now, each by the
reference to name it with, the default first.`,
		Example: `  rolebroker roles
  rolebroker roles -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			offers, err := ask(cmd.Context(), a, "asking what may be borrowed", func(ctx context.Context, c *client.Client) ([]rolebroker.Offer, error) {
				offers, err := c.Roles(ctx)
				if err != nil || len(offers) > 0 {
					return offers, err
				}
				return nil, refusal(ctx, c)
			})
			if err != nil {
				return err
			}
			list := items[api.Offer]{Items: []api.Offer{}}
			for _, o := range offers {
				list.Items = append(list.Items, api.Offer{Reference: o.Reference, Integration: o.Integration, Name: o.Name,
					ARN: o.ARN.String(), Region: string(o.Region), Default: o.Default})
			}
			return a.show(out, list, func() *table { return offerTable(list.Items) })
		},
	}
	out.flag(cmd)
	return cmd
}

// refusal is why the agent may borrow nothing, which the server says to whoever
// tries; nil if it has another reason for that.
func refusal(ctx context.Context, c *client.Client) error {
	_, err := c.Credentials(ctx, "", "")
	if rolebroker.CodeOf(err) == rolebroker.CodeDenied {
		return err
	}
	return nil
}

func offerTable(offers []api.Offer) *table {
	t := newTable("ROLE", "DEFAULT", "REGION", "INTEGRATION", "ARN")
	for _, o := range offers {
		t.add(o.Reference, yesNo(o.Default), o.Region, o.Integration, o.ARN)
	}
	return t.ifEmpty("This agent may borrow nothing now.")
}
