package cli

import (
	"cmp"
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newUser(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "user",
		Short: "List the people who signed in",
		Long: `List the people who signed in with the company's account. Their groups at the identity
provider say what they may do; nothing is set here.`,
		Example: `  rolebroker user list`,
	}, newUserList(a))
}

func newUserList(a *app) *cobra.Command {
	return listing(a, &cobra.Command{
		Use:   "list",
		Short: "List the people who signed in",
		Long: `List the people who signed in with the company's account. ACCESS is what their groups gave
when the identity provider was asked about them last, at SEEN.`,
		Example: `  rolebroker user list
  rolebroker user list -o wide`,
	}, "reading people",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.User, error] {
			return c.AllUsers(ctx)
		},
		a.userTable)
}

func (a *app) userTable(_ []string, users []api.User) *table {
	header := []string{"PERSON", "NAME", "ACCESS", "SEEN", "ID"}
	if a.wide {
		header = append(header, "SUBJECT", "ISSUER")
	}
	t := newTable(header...)
	for _, u := range users {
		cells := []string{cmp.Or(u.Email, u.Name, u.Subject), orDash(u.Name), u.Access, a.when(&u.SeenAt), u.ID}
		if a.wide {
			cells = append(cells, u.Subject, u.Issuer)
		}
		t.add(cells...)
	}
	return t
}
