package cli

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrationChange holds the flags of update.
type integrationChange struct {
	name, description, mode, runner, defaultRole string
	enabled, sessionTags, sourceIdentity         bool
	roles, add, set                              []string // values of --role, --add-role and --set-role
	from                                         rolesFrom
	rename                                       []string // values of --rename-role, as in old=new
	remove, enable, disable                      []string // names of roles
	validate                                     validateMode
}

func newIntegrationUpdate(a *app) *cobra.Command {
	var (
		file    fromFile
		request api.IntegrationRequest
		change  integrationChange
	)
	cmd := &cobra.Command{
		Use:   "update INTEGRATION",
		Short: "Change an integration",
		Long: `Change the given settings of an integration and leave the others as they are. If
someone else changes it at the same time, the command fails and changes nothing.

` + roleHelp() + `

` + rolesFromHelp + `
Roles that are there already are left out.

` + validateHelp + `
The exit code is 0 if the integration was saved.

A disabled integration keeps its roles and connections, but no agent can borrow its
roles; a disabled role stays in the integration, but no agent can borrow it. Either
can still be validated. While the default role is disabled, an agent that names no
role gets none. Credentials that were lent before keep working until they expire.

To disable or remove the roles of an account in every integration, use rolebroker role.

With -f, a file describes the whole integration, and settings that the file leaves
out are cleared; enabled and source_identity stay as they are. If the file has a
version, as integration show -o yaml prints it, the command fails if the integration
has changed since.`,
		Example: `  rolebroker integration update production --enabled=false
  rolebroker integration update production --enabled

  rolebroker integration update production --disable-role deployer
  rolebroker integration update production \
    --add-role name=ops,arn=arn:aws:iam::444455556666:role/Ops,region=us-east-1
  rolebroker integration update production --roles-from roles.csv
  rolebroker integration update production --default-role ops
  rolebroker integration update production --rename-role ops=operator

  rolebroker integration show production -o yaml > production.yaml
  $EDITOR production.yaml
  rolebroker integration update production -f production.yaml`,
		PreRunE: func(cmd *cobra.Command, _ []string) error { return file.readOrFlags(cmd, a.Stdin, &request) },
	}
	change.flags(cmd, a)
	file.flag(cmd, "name", "description", "enabled", "assumption-mode", "runner", "default-role", "session-tags",
		"source-identity", "role", "roles-from", "add-role", "set-role", "rename-role",
		"remove-role", "enable-role", "disable-role")
	show := a.showSaved(&change.validate)
	return asking(a, cmd, "saving the integration",
		func(ctx context.Context, c *client.Client, given []string) (api.Integration, error) {
			if file.given() {
				in, err := c.UpdateIntegration(ctx, given[0], request, ifVersion(request.Version),
					change.validate.String(), change.validate.wait.options()...)
				return in, seeList(err, listIntegrations)
			}
			in, err := integrationOf(ctx, c, given[0])
			if err != nil {
				return in, err
			}
			return change.update(ctx, c, in, cmd.Flags().Changed)
		},
		func(o output, in api.Integration) error {
			disabled := !in.Enabled && (file.given() || cmd.Flags().Changed("enabled"))
			if len(change.remove)+len(change.disable) > 0 || disabled {
				a.stillLent("integration", in.ID)
			}
			a.noteRenamed(change.rename)
			return show(o, in)
		})
}

func (c *integrationChange) flags(cmd *cobra.Command, a *app) {
	f := cmd.Flags()
	f.StringVar(&c.name, "name", "", "rename it to `NAME`")
	f.StringVar(&c.description, "description", "", "describe the integration in `TEXT`")
	enabledFlag(cmd, &c.enabled)
	f.StringVar(&c.mode, "assumption-mode", "", "`MODE`: platform: the server calls STS; or cluster: a runner does")
	f.StringVar(&c.runner, "runner", "", "`RUNNER` that assumes the roles in cluster mode; empty for none")
	f.StringVar(&c.defaultRole, "default-role", "", defaultRoleUsage)
	f.StringArrayVar(&c.roles, "role", nil, "`ROLE`, in the form above; replaces all roles; repeatable")
	f.StringArrayVar(&c.add, "add-role", nil, "add `ROLE`, in the form above; repeatable")
	c.from.flag(cmd, a)
	f.StringArrayVar(&c.set, "set-role", nil, "`CHANGE` a role, as in name=ops,region=eu-west-1; repeatable")
	f.StringArrayVar(&c.rename, "rename-role", nil, "rename a role, as in `OLD=NEW`; it keeps its sessions; repeatable")
	f.StringArrayVar(&c.remove, "remove-role", nil, "remove the role `NAME`; repeatable")
	f.StringArrayVar(&c.enable, "enable-role", nil, "enable the role `NAME`; repeatable")
	f.StringArrayVar(&c.disable, "disable-role", nil, "disable the role `NAME`; repeatable")
	attributionFlags(cmd, &c.sessionTags, &c.sourceIdentity,
		"name the agent as source identity; needs sts:SetSourceIdentity")
	c.validate.flag(cmd)
	complete(cmd, "assumption-mode", oneOf("platform", "cluster"))
	complete(cmd, "runner", a.runnerNames)
	for _, flag := range []string{"default-role", "remove-role", "enable-role", "disable-role"} {
		a.completeRoles(cmd, flag)
	}
	a.completeRoleChanges(cmd, "set-role")
	a.completeRolesIn(cmd, "rename-role", "", "=", cobra.ShellCompDirectiveNoSpace)
}

// update changes what flags were given for, unless someone else has changed the
// integration since it was read.
func (c *integrationChange) update(ctx context.Context, to *client.Client, in api.Integration,
	changed func(flag string) bool) (api.Integration, error) {
	request := convert.Request(in)
	if err := c.apply(&request, changed); err != nil {
		return in, err
	}
	updated, err := to.UpdateIntegration(ctx, in.ID, request, in.ETag(), c.validate.String(), c.validate.wait.options()...)
	return updated, namingRoles(err, request.Roles)
}

func (c *integrationChange) apply(request *api.IntegrationRequest, changed func(flag string) bool) error {
	set(&request.Name, c.name, changed("name"))
	set(&request.Description, c.description, changed("description"))
	set(&request.Enabled, &c.enabled, changed("enabled"))
	set(&request.AssumptionMode, c.mode, changed("assumption-mode"))
	set(&request.Runner, c.runner, changed("runner"))
	set(&request.DefaultRole, c.defaultRole, changed("default-role"))
	set(&request.SessionTags, c.sessionTags, changed("session-tags"))
	set(&request.SourceIdentity, &c.sourceIdentity, changed("source-identity"))
	if request.AssumptionMode == string(rolebroker.ModePlatform) && !changed("runner") {
		request.Runner = "" // there is none in platform mode
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
	if err := renameRoles(request, c.rename); err != nil {
		return err
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
		if request.Roles[i].Name == request.DefaultRole && len(request.Roles) > 1 {
			return rolebroker.Errorf(rolebroker.CodeInvalid, "--remove-role: %s is the default role of integration %s",
				request.DefaultRole, request.Name).WithHint("choose another one with --default-role in the same command")
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
	if err != nil {
		return err
	}
	request.Roles = append(request.Roles, added...)
	return c.from.add(&request.Roles)
}

// ifVersion guards an update by the version in a file; "" if there is none.
func ifVersion(version int64) string {
	if version == 0 {
		return ""
	}
	return strconv.Quote(strconv.FormatInt(version, 10))
}
