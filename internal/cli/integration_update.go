package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrationChange is what the flags of update say.
type integrationChange struct {
	name, description, mode, runner, defaultRole string
	roles, add, set                              []string
	remove, enable, disable                      []string
	sessionTags, sourceIdentity                  bool
	validate                                     string
}

// stillLent is said wherever something is taken away. It names that by its ID:
// sessions have the names of the time.
func (a *app) stillLent(flag, id string) {
	a.note("What was lent already works until it expires: rolebroker session list --live --%s %s", flag, id)
}

func newIntegrationUpdate(a *app) *cobra.Command {
	var (
		out    output
		file   fromFile
		change integrationChange
	)
	cmd := &cobra.Command{
		Use:   "update INTEGRATION",
		Short: "Change an integration",
		Long: `Change what is given of an integration and leave the rest as it is. If someone
else changes it at the same time, nothing is changed and you are told.

` + roleHelp + `

` + validateHelp + `

A disabled role stays in the integration and is lent to nobody. What was lent
already works until it expires.

With -f a file says everything, and what it leaves out is emptied. A version in
it, as integration show -o yaml prints it, guards against changes made since.`,
		Example: `  rolebroker integration update production --disable-role deployer
  rolebroker integration update production --add-role name=ops,arn=arn:aws:iam::444455556666:role/Ops,region=us-east-1
  rolebroker integration update production --default-role ops

  rolebroker integration show production -o yaml > production.yaml
  $EDITOR production.yaml
  rolebroker integration update production -f production.yaml`,
		Args: args("INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := errors.Join(file.alone(cmd), checkValidate(change.validate)); err != nil {
				return err
			}
			update := func(ctx context.Context, c *client.Client) (api.Integration, error) {
				return change.update(ctx, c, cmd, given[0])
			}
			if file.path != "" {
				var request api.IntegrationRequest
				if err := file.decode(a.Stdin, &request); err != nil {
					return err
				}
				update = func(ctx context.Context, c *client.Client) (api.Integration, error) {
					in, err := c.UpdateIntegration(ctx, given[0], request, ifVersion(request.Version), change.validate)
					return in, seeList(err, "rolebroker integration list")
				}
			} else if !slices.ContainsFunc(changed(cmd), func(name string) bool { return name != "output" && name != "validate" }) {
				return usage("nothing to change was given")
			}
			in, err := ask(cmd.Context(), a, saving(change.validate), update)
			if err != nil {
				return err
			}
			if len(change.remove)+len(change.disable) > 0 {
				a.stillLent("integration", in.ID)
			}
			if err := a.showIntegration(out, in); err != nil {
				return err
			}
			a.saved(in, change.validate)
			return nil
		},
	}
	change.flags(cmd, a)
	file.flag(cmd, []string{"name", "description", "assumption-mode", "runner", "default-role", "role", "add-role", "set-role", "session-tags", "source-identity", "remove-role", "enable-role", "disable-role"})
	out.flag(cmd)
	completeArgs(cmd, anyway(a.integrationNames))
	return cmd
}

func (c *integrationChange) flags(cmd *cobra.Command, a *app) {
	f := cmd.Flags()
	f.StringVar(&c.name, "name", "", "new `name`")
	f.StringVar(&c.description, "description", "", "`text` on what it is for")
	f.StringVar(&c.mode, "assumption-mode", "", "`mode`, who asks STS: platform or cluster")
	f.StringVar(&c.runner, "runner", "", "`runner` that assumes its roles, in the mode cluster; empty for none")
	f.StringVar(&c.defaultRole, "default-role", "", "`name` of the role that is used when none is named")
	f.StringArrayVar(&c.roles, "role", nil, "all of its roles from now on, each a "+roleFlagUsage)
	f.StringArrayVar(&c.add, "add-role", nil, "one more "+roleFlagUsage)
	f.StringArrayVar(&c.set, "set-role", nil, "`change` of the role of that name, as in name=ops,region=eu-west-1")
	f.StringArrayVar(&c.remove, "remove-role", nil, "`name` of a role to remove")
	f.StringArrayVar(&c.enable, "enable-role", nil, "`name` of a role to enable")
	f.StringArrayVar(&c.disable, "disable-role", nil, "`name` of a role to disable")
	attributionFlags(cmd, &c.sessionTags, &c.sourceIdentity)
	validateFlag(cmd, &c.validate)
	complete(cmd, "assumption-mode", assumptionModes)
	complete(cmd, "runner", a.runnerNames)
	for _, flag := range []string{"default-role", "remove-role", "enable-role", "disable-role"} {
		a.rolesOf(cmd, flag)
	}
	a.roleChanges(cmd, "set-role")
}

// update reads the integration, changes what was given, and writes it back
// unless someone else has written since.
func (c *integrationChange) update(ctx context.Context, to *client.Client, cmd *cobra.Command, nameOrID string) (api.Integration, error) {
	in, err := to.Integration(ctx, nameOrID)
	if err != nil {
		return in, seeList(err, "rolebroker integration list")
	}
	request := convert.Request(in)
	if err := c.apply(cmd, &request); err != nil {
		return in, err
	}
	return to.UpdateIntegration(ctx, in.ID, request, in.ETag(), c.validate)
}

// apply changes what flags were given for.
func (c *integrationChange) apply(cmd *cobra.Command, request *api.IntegrationRequest) error {
	for flag, field := range map[string]struct {
		to   *string
		from string
	}{
		"name":            {&request.Name, c.name},
		"description":     {&request.Description, c.description},
		"assumption-mode": {&request.AssumptionMode, c.mode},
		"runner":          {&request.Runner, c.runner},
		"default-role":    {&request.DefaultRole, c.defaultRole},
	} {
		if cmd.Flags().Changed(flag) {
			*field.to = field.from
		}
	}
	if request.AssumptionMode == string(rolebroker.ModePlatform) && !cmd.Flags().Changed("runner") {
		request.Runner = "" // leaving the mode, it has none
	}
	for flag, field := range map[string]struct{ to, from *bool }{
		"session-tags":    {&request.SessionTags, &c.sessionTags},
		"source-identity": {&request.SourceIdentity, &c.sourceIdentity},
	} {
		if cmd.Flags().Changed(flag) {
			*field.to = *field.from
		}
	}
	return c.applyRoles(request)
}

func (c *integrationChange) applyRoles(request *api.IntegrationRequest) error {
	if len(c.roles) > 0 {
		roles, err := parseRoles(c.roles)
		if err != nil {
			return err
		}
		request.Roles = roles
	}
	for _, change := range c.set {
		if err := changeRole(request, change); err != nil {
			return err
		}
	}
	for _, name := range c.remove {
		i, err := indexRole(request, name)
		if err != nil {
			return err
		}
		request.Roles = slices.Delete(request.Roles, i, i+1)
	}
	for enabled, names := range map[bool][]string{true: c.enable, false: c.disable} {
		for _, name := range names {
			i, err := indexRole(request, name)
			if err != nil {
				return err
			}
			request.Roles[i].Enabled = &enabled
		}
	}
	added, err := parseRoles(c.add)
	request.Roles = append(request.Roles, added...)
	return err
}

func indexRole(request *api.IntegrationRequest, nameOrID string) (int, error) {
	var names []string
	for i, role := range request.Roles {
		if nameOrID == role.Name || nameOrID == role.ID {
			return i, nil
		}
		names = append(names, role.Name)
	}
	return 0, rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %q; it has %s", request.Name, nameOrID, strings.Join(names, ", ")).
		WithHint("rolebroker integration show %s", request.Name)
}

// ifVersion guards an update by the version that a file says it was made from.
func ifVersion(version int64) string {
	if version == 0 {
		return ""
	}
	return strconv.Quote(strconv.FormatInt(version, 10))
}
