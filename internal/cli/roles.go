package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

func newRoles(a *app) *cobra.Command {
	return asking(a, &cobra.Command{
		Use:   "roles",
		Short: "List the roles that this agent may borrow now",
		Long: `List the roles that this agent may borrow now, the default role first. The column
ROLE shows what to pass to --role. If a person has to approve something, the column
APPROVAL shows what: that the role is lent (needed), or what the agent changes with it
(for changes). rolebroker request asks.`,
		Example: `  rolebroker roles
  rolebroker roles -o json`,
	}, "reading the roles", rolesNow,
		func(o output, list items[api.Offer]) error {
			err := a.show(o, list, func() *table { return offerTable(list.Items) })
			if n := len(list.Items); n > 0 && !list.Items[0].Default && err == nil && !o.forMachines() {
				a.note("No role is the default now: name one, as in --role %s", list.Items[0].Reference)
			}
			return err
		})
}

// rolesNow lists what the agent may borrow. If that is nothing, the server says
// why to an agent that tries to borrow.
func rolesNow(ctx context.Context, c *client.Client, _ []string) (items[api.Offer], error) {
	list := items[api.Offer]{Items: []api.Offer{}}
	offers, err := c.Roles(ctx)
	if err != nil {
		return list, err
	}
	for _, o := range offers {
		list.Items = append(list.Items, convert.Offer(&o))
	}
	if len(offers) == 0 {
		if _, err := c.Credentials(ctx, "", ""); rolebroker.CodeOf(err) == rolebroker.CodeDenied {
			return list, err
		}
	}
	return list, nil
}

func offerTable(offers []api.Offer) *table {
	columns := []string{"ROLE", "DEFAULT", "ACCESS", "REGION", "INTEGRATION", "ARN"}
	asks := slices.ContainsFunc(offers, func(o api.Offer) bool { return approvalOf(o) != "-" })
	if asks {
		columns = slices.Insert(columns, 3, "APPROVAL")
	}
	t := newTable(columns...)
	for _, o := range offers {
		row := []string{o.Reference, yesNo(o.Default), cmp.Or(o.Access, string(rolebroker.AccessFull)), o.Region,
			o.Integration, o.ARN}
		if asks {
			row = slices.Insert(row, 3, approvalOf(o))
		}
		t.add(row...)
	}
	return t.ifEmpty("This agent may borrow nothing now.")
}

// approvalOf says for what of a role a person has to approve.
func approvalOf(o api.Offer) string {
	switch {
	case o.NeedsApproval:
		return "needed"
	case o.ChangesNeedApproval:
		return "for changes"
	case o.CallsNeedApproval:
		return "for calls"
	}
	return "-"
}
