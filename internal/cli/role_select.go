package cli

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// roleFilter selects roles in all integrations. A role has to match all of its fields that are set.
type roleFilter struct {
	command                         string   // that has the filter, as in "rolebroker role disable"
	references                      []string // integration/role, IDs or ARNs; the role is one of them
	integration, account, name, arn string   // name and arn are patterns
}

func (f *roleFilter) flags(cmd *cobra.Command, a *app) {
	cmd.Flags().StringVar(&f.integration, "integration", "", "only roles of `INTEGRATION`, by name or ID")
	cmd.Flags().Var(accountFlag{&f.account}, "account", "only roles in the AWS `ACCOUNT`")
	cmd.Flags().StringVar(&f.name, "name", "", "only roles whose name matches `PATTERN`, as in 'deploy-*'")
	cmd.Flags().StringVar(&f.arn, "arn", "", "only roles whose ARN matches `PATTERN`, as in '*:role/team/*'")
	complete(cmd, "integration", a.integrationNames)
}

// isEmpty reports whether the filter selects every role.
func (f *roleFilter) isEmpty() bool {
	return len(f.references) == 0 && f.integration+f.account+f.name+f.arn == ""
}

// chosen is a role that a filter selected, and its integration.
type chosen struct {
	in   api.Integration
	role api.Role
}

func (c chosen) reference() string { return c.in.Name + "/" + c.role.Name }

// roles finds the roles that the filter selects, in the order of their integrations' names. Codes: not_found (there are
// none, or a reference matches none).
func (f *roleFilter) roles(ctx context.Context, c *client.Client) (found []chosen, err error) {
	missing := slices.Clone(f.references)
	var alike []chosen // roles that are called like one of missing, but for their integration
	matches := f.matcher()
	for in, err := range f.integrations(ctx, c) {
		if err != nil {
			return nil, seeList(err, listIntegrations)
		}
		for _, role := range in.Roles {
			one := chosen{in, role}
			if slices.Contains(missing, role.Name) {
				alike = append(alike, one)
			}
			if !matches(one) {
				continue
			}
			found = append(found, one)
			missing = slices.DeleteFunc(missing, one.isCalled)
		}
	}
	switch {
	case len(alike) > 0:
		return nil, f.unclear(missing[0], alike)
	case len(missing) > 0:
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %s", rolebroker.Quote(missing[0])).
			WithHint("name it as in production/deployer, or by its ID or ARN; %s --name shows the roles of a name", listRoles)
	case len(found) == 0 && !f.isEmpty():
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "no role matches").WithHint(listRoles)
	}
	return found, nil
}

// unclear is the error for the name of a role without its integration. Its hint has a command for each role of that
// name.
func (f *roleFilter) unclear(name string, alike []chosen) error {
	var steps []rolebroker.Step
	for _, one := range alike[:min(len(alike), 5)] {
		steps = append(steps, rolebroker.Step{Command: rolebroker.ShellCommand(strings.Fields(f.command + " " + one.reference())...)})
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "%s does not say of which integration; name the role as in %s",
		rolebroker.Quote(name), alike[0].reference()).WithSteps(steps...)
}

// integrations reads the integrations that may have roles of the filter.
func (f *roleFilter) integrations(ctx context.Context, c *client.Client) func(func(api.Integration, error) bool) {
	if f.integration == "" {
		return c.AllIntegrations(ctx, "")
	}
	return func(yield func(api.Integration, error) bool) { yield(c.Integration(ctx, f.integration)) }
}

// isCalled reports whether a reference names the role. A name alone does not: several integrations may have it.
func (c chosen) isCalled(reference string) bool {
	return slices.Contains([]string{c.reference(), c.in.ID + "/" + c.role.Name, c.role.ID, c.role.ARN}, reference)
}

func (f *roleFilter) matcher() func(chosen) bool {
	name, arn := pattern(f.name), pattern(f.arn)
	return func(c chosen) bool {
		return (len(f.references) == 0 || slices.ContainsFunc(f.references, c.isCalled)) &&
			(f.account == "" || accountOf(c.role.ARN) == f.account) && name(c.role.Name) && arn(c.role.ARN)
	}
}

// accountOf returns the account in the ARN of a role.
func accountOf(arn string) string {
	parsed, _ := rolebroker.ParseRoleARN(arn) // zero for what this version cannot parse: no account is empty
	return parsed.Account
}

// pattern matches texts: * stands for any characters and ? for one. The empty pattern matches everything.
func pattern(text string) func(string) bool {
	if text == "" {
		return func(string) bool { return true }
	}
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
	return regexp.MustCompile("^(?s:" + quoted + ")$").MatchString
}
