package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

const listRoles = "rolebroker role list"

func newRole(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "role",
		Short: "List, enable, disable and remove roles of many integrations at once",
		Long: `List, enable, disable and remove the roles of all integrations, chosen by account or
by pattern. To rename a role or to change its settings, use rolebroker integration
update. What an agent may borrow, rolebroker roles lists.`,
		Example: `  rolebroker role list --account 123456789012
  rolebroker role disable --account 123456789012`,
	}, newRoleList(a), newRoleChange(a, enablingRoles()), newRoleChange(a, disablingRoles()),
		newRoleChange(a, removingRoles()))
}

// listedRole is a role as role list writes it for machines.
type listedRole struct {
	Integration   string `json:"integration"`
	IntegrationID string `json:"integration_id"`
	Default       bool   `json:"default"`
	api.Role
}

func listed(c chosen) listedRole {
	return listedRole{c.in.Name, c.in.ID, c.role.Name == c.in.DefaultRole, c.role}
}

func newRoleList(a *app) *cobra.Command {
	var filter roleFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the roles of all integrations",
		Long: `List the roles of all integrations, by the names of their integrations.

In a pattern, * stands for any characters and ? for one.`,
		Example: `  rolebroker role list
  rolebroker role list --account 123456789012 -o json
  rolebroker role list --arn '*:role/team/*'`,
	}
	filter.flags(cmd, a)
	return asking(a, cmd, "reading roles",
		func(ctx context.Context, c *client.Client, _ []string) ([]chosen, error) { return filter.roles(ctx, c) },
		func(o output, roles []chosen) error {
			list := items[listedRole]{Items: []listedRole{}}
			for _, c := range roles {
				list.Items = append(list.Items, listed(c))
			}
			return a.show(o, list, func() *table {
				return a.chosenTable(roles).ifEmpty("There are no roles. " +
					"Create an integration: rolebroker integration create --help")
			})
		})
}

// chosenTable shows roles of several integrations.
func (a *app) chosenTable(roles []chosen) *table {
	t := newTable("ROLE", "DEFAULT", "ENABLED", "REGION", "ARN", "STATUS", "CHECKED")
	for _, c := range roles {
		t.add(c.reference(), yesNo(c.role.Name == c.in.DefaultRole), yesNo(c.role.Enabled), c.role.Region, c.role.ARN,
			status(c.role.State), a.checked(c.role.State))
	}
	return t
}

// roleChange is what a command does with the roles that a filter selects.
type roleChange struct {
	verb, done  string // as in "disable" and "disabled"
	short, long string
	takesAway   bool                // from agents
	removes     bool                // from integrations
	applies     func(api.Role) bool // false for a role that is so already
	change      func(*api.IntegrationRequest, int)
}

func setRole(enabled bool) func(*api.IntegrationRequest, int) {
	return func(request *api.IntegrationRequest, i int) { request.Roles[i].Enabled = &enabled }
}

func enablingRoles() roleChange {
	return roleChange{verb: "enable", done: "enabled", short: "Enable roles",
		long: `Enable roles: agents can borrow them again. They are not validated; rolebroker
integration validate does that.`,
		applies: func(r api.Role) bool { return !r.Enabled }, change: setRole(true)}
}

func disablingRoles() roleChange {
	return roleChange{verb: "disable", done: "disabled", short: "Disable roles", takesAway: true,
		long: `Disable roles: they stay in their integrations, but no agent can borrow them. While a
default role is disabled, an agent that names no role gets none. Credentials that
were lent before keep working until they expire.`,
		applies: func(r api.Role) bool { return r.Enabled }, change: setRole(false)}
}

func removingRoles() roleChange {
	return roleChange{verb: "remove", done: "removed", short: "Remove roles from their integrations", takesAway: true,
		removes: true,
		long: `Remove roles from their integrations. An integration keeps its default role and at
least one role: choose another default role, or delete the integration. Credentials
that were lent before keep working until they expire.`,
		applies: func(api.Role) bool { return true },
		change: func(request *api.IntegrationRequest, i int) {
			request.Roles = slices.Delete(request.Roles, i, i+1)
		}}
}

func newRoleChange(a *app, what roleChange) *cobra.Command {
	var (
		filter      roleFilter
		yes, dryRun bool
		out         output
	)
	cmd := &cobra.Command{
		Use:   what.verb + " {ROLE… | --account ACCOUNT | --name PATTERN | --arn PATTERN | --integration INTEGRATION}",
		Short: what.short + ", chosen by reference, account or pattern",
		Long: what.long + `

Name the roles, as in production/deployer, or choose them with flags; a role has to
match all of them. In a pattern, * stands for any characters and ? for one. The
command shows the roles and asks for confirmation. When a change of one integration
fails, it goes on with the others, and its exit code is 1.`,
		Example: fmt.Sprintf(`  # an AWS account, in every integration: look first
  rolebroker role %[1]s --account 123456789012 --dry-run
  rolebroker role %[1]s --account 123456789012 --yes

  rolebroker role %[1]s --integration production --name 'deploy-*'`, what.verb),
		Args: func(_ *cobra.Command, given []string) error {
			filter.command = "rolebroker role " + what.verb
			if filter.references = given; filter.isEmpty() {
				return usage("name the roles to %s, or choose them with --account, --name, --arn or --integration", what.verb)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			roles, err := ask(cmd.Context(), a, "reading roles", func(ctx context.Context, c *client.Client) ([]chosen, error) {
				return filter.roles(ctx, c)
			})
			if err != nil {
				return err
			}
			roles = slices.DeleteFunc(roles, func(c chosen) bool { return !what.applies(c.role) })
			if err := what.check(roles); err != nil {
				return err
			}
			if dryRun || len(roles) == 0 {
				return a.previewRoles(out, what, roles)
			}
			if !yes {
				if err := a.chosenTable(roles).write(a.errs()); err != nil {
					return err
				}
			}
			if err := a.confirm(yes, what.question(roles)); err != nil {
				return err
			}
			return a.changeRoles(cmd.Context(), out, what, roles, filter)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return offer(a.qualifiedRoles, typed)
		},
	}
	filter.flags(cmd, a)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show the roles, and change nothing")
	yesFlag(cmd, &yes)
	out.flag(cmd)
	return cmd
}

// question asks a person to confirm.
func (what roleChange) question(roles []chosen) string {
	question := fmt.Sprintf("%s%s %s?", strings.ToUpper(what.verb[:1]), what.verb[1:], rolesIn(roles))
	if what.takesAway {
		question += " " + lentAlready
	}
	return question
}

// rolesIn counts roles and their integrations, as in "3 roles in 2 integrations".
func rolesIn(roles []chosen) string {
	integrations := map[string]bool{}
	for _, c := range roles {
		integrations[c.in.ID] = true
	}
	return plural(len(roles), "role") + " in " + plural(len(integrations), "integration")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// check refuses to remove the default role or all roles of an integration, before anything is changed.
func (what roleChange) check(roles []chosen) error {
	if !what.removes {
		return nil
	}
	var wrong []rolebroker.Field
	for _, of := range byIntegration(roles) {
		in := of[0].in
		switch {
		case len(of) == len(in.Roles):
			wrong = append(wrong, rolebroker.Field{Path: in.Name, Message: "would have no role left",
				Hint: rolebroker.Hint{{Command: "rolebroker integration delete " + in.Name}}})
		case slices.ContainsFunc(of, func(c chosen) bool { return c.role.Name == in.DefaultRole }):
			wrong = append(wrong, rolebroker.Field{Path: in.Name, Message: in.DefaultRole + " is its default role",
				Hint: rolebroker.Hint{{Command: "rolebroker integration update " + in.Name + " --default-role ROLE"}}})
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "these roles cannot be removed; nothing was changed",
		Fields: wrong}
}

// byIntegration groups roles, which are in the order of their integrations.
func byIntegration(roles []chosen) (groups [][]chosen) {
	for i, c := range roles {
		if i == 0 || roles[i-1].in.ID != c.in.ID {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], c)
	}
	return groups
}

// changedRole is what became of a role, for machines.
type changedRole struct {
	listedRole
	Result string `json:"result"` // enabled, disabled, removed or failed; with --dry-run what would be done
	Error  string `json:"error,omitempty"`
}

// previewRoles shows what --dry-run would change.
func (a *app) previewRoles(o output, what roleChange, roles []chosen) error {
	list := items[changedRole]{Items: []changedRole{}}
	for _, c := range roles {
		list.Items = append(list.Items, changedRole{listedRole: listed(c), Result: what.verb})
	}
	if err := a.show(o, list, func() *table {
		return a.chosenTable(roles).ifEmpty("All of these roles are %s already.", what.done)
	}); err != nil {
		return err
	}
	if len(roles) > 0 {
		a.note("would %s %s; nothing was changed", what.verb, rolesIn(roles))
	}
	return nil
}

// changeRoles changes one integration after the other, and says what became of each role.
func (a *app) changeRoles(ctx context.Context, o output, what roleChange, roles []chosen, by roleFilter) error {
	list, failed := items[changedRole]{Items: []changedRole{}}, 0
	groups := byIntegration(roles)
	_, err := ask(ctx, a, "changing roles", func(ctx context.Context, c *client.Client) (none, error) {
		for _, of := range groups {
			result, message := what.done, ""
			if err := what.save(ctx, c, of); err != nil {
				result, message = "failed", shownError(err).Error()
				failed++
			}
			for _, one := range of {
				list.Items = append(list.Items, changedRole{listed(one), result, message})
			}
		}
		return none{}, nil
	})
	if err != nil {
		return err
	}
	if err := a.show(o, list, func() *table { return changedTable(list.Items) }); err != nil {
		return err
	}
	if what.takesAway {
		a.note("%s To list them: %s%s", lentAlready, listLive, by.sessions(what, roles))
	}
	if failed > 0 {
		return fmt.Errorf("%s of %d could not be changed", plural(failed, "integration"), len(groups))
	}
	return nil
}

// sessions are the flags of session list that find the sessions of the filter's roles, as far as it has such flags. A
// role that was removed is not known any more unless a session of it is on record; its integration is.
func (f *roleFilter) sessions(what roleChange, roles []chosen) (flags string) {
	if what.removes {
		if len(byIntegration(roles)) == 1 {
			flags = " --integration " + roles[0].in.Name
		}
		return flags
	}
	if f.account != "" {
		flags += " --account " + f.account
	}
	if f.integration != "" {
		flags += " --integration " + f.integration
	}
	if len(f.references) == 1 {
		flags += " --role " + f.references[0]
	}
	return flags
}

func changedTable(roles []changedRole) *table {
	t := newTable("ROLE", "ARN", "RESULT", "ERROR")
	for _, r := range roles {
		t.add(r.Integration+"/"+r.Name, r.ARN, r.Result, orDash(r.Error))
	}
	return t
}

// saveAttempts bounds how often a change is repeated because somebody changed the integration at the same time.
const saveAttempts = 5

// save changes roles of one integration. If the integration was changed since it was read, it reads it again: the roles
// are found by ID. Roles that are gone by then need no change.
func (what roleChange) save(ctx context.Context, c *client.Client, roles []chosen) (err error) {
	in := roles[0].in
	for range saveAttempts {
		request := convert.Request(in)
		changes := 0
		for _, one := range roles {
			i := slices.IndexFunc(request.Roles, func(r api.RoleRequest) bool { return r.ID == one.role.ID })
			if i >= 0 {
				what.change(&request, i)
				changes++
			}
		}
		if changes == 0 {
			return nil
		}
		_, err = c.UpdateIntegration(ctx, in.ID, request, in.ETag(), api.ValidateSkip)
		if rolebroker.CodeOf(err) != rolebroker.CodeStale {
			return namingRoles(err, request.Roles)
		}
		if in, err = c.Integration(ctx, in.ID); err != nil {
			return err
		}
	}
	return err
}
