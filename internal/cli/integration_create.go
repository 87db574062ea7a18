package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// roleHelp is the form of a role, in help.
func roleHelp() string { return "A role has the form\n  " + roleForm() }

func newIntegrationCreate(a *app) *cobra.Command {
	var (
		file     fromFile
		request  api.IntegrationRequest
		roles    []string
		from     rolesFrom
		external string
		enabled  bool
		mode     validateMode

		sourceIdentity bool
	)
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create an integration",
		Long: `Create an integration with one or more roles. A single role is the default role; of
several roles, --default-role names it.

` + roleHelp() + `

` + rolesFromHelp + `

` + validateHelp + `
The exit code is 0 if the integration was saved.

With -f, a YAML or JSON file describes the integration, in the form that
integration show -o yaml prints. Fields that only the server sets are ignored. A
file that shows another integration creates a copy of it under NAME, with a new
external ID.`,
		Example: `  rolebroker integration create production \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1 \
    --role name=deployer,arn=arn:aws:iam::444455556666:role/Deployer,region=eu-west-1 \
    --default-role readonly

  rolebroker integration create staging --roles-from roles.csv --default-role readonly
  rolebroker integration create mine --roles-from ~/.aws/config --default-role ops

  rolebroker integration create -f production.yaml`,
		PreRunE: func(cmd *cobra.Command, given []string) (err error) {
			if err := file.read(cmd, a.Stdin, &request); err != nil {
				return err
			}
			asNew(&request)
			if len(roles) > 0 {
				if request.Roles, err = parseRoles(roles); err != nil {
					return err
				}
			}
			if err := from.add(&request.Roles); err != nil {
				return err
			}
			set(&request.Enabled, &enabled, cmd.Flags().Changed("enabled"))
			set(&request.ExternalID, external, external != "")
			if request.DefaultRole == "" && len(request.Roles) == 1 {
				request.DefaultRole = request.Roles[0].Name
			}
			return nameFor(&request.Name, given, file.given())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role", nil, "`ROLE`, in the form above; repeatable")
	from.flag(cmd, a)
	f.StringVar(&request.DefaultRole, "default-role", "", defaultRoleUsage)
	f.StringVar(&request.Description, "description", "", "describe the integration in `TEXT`")
	enabledFlag(cmd, &enabled)
	f.StringVar(&request.AssumptionMode, "assumption-mode", "",
		"`MODE`: platform (default): the server calls STS; or cluster: a runner does")
	f.StringVar(&request.Runner, "runner", "", "`RUNNER` that assumes the roles in cluster mode, by name or ID")
	f.StringVar(&external, "external-id", "", "`ID` that rolebroker external-id reserve printed")
	attributionFlags(cmd, &request.SessionTags, &sourceIdentity,
		"name the agent as source identity (default: where trust policies allow it)")
	mode.flag(cmd)
	complete(cmd, "assumption-mode", oneOf("platform", "cluster"))
	complete(cmd, "runner", a.runnerNames)
	file.flag(cmd, "role", "roles-from", "default-role", "description", "enabled", "assumption-mode", "runner",
		"session-tags", "source-identity")
	return asking(a, cmd, "saving the integration",
		func(ctx context.Context, c *client.Client, _ []string) (api.Integration, error) {
			if cmd.Flags().Changed("source-identity") {
				request.SourceIdentity = &sourceIdentity
			}
			in, err := c.CreateIntegration(ctx, request, mode.String(), mode.wait.options()...)
			if !file.given() {
				err = namingRoles(err, request.Roles)
			}
			return in, err
		}, a.showSaved(&mode))
}

const defaultRoleUsage = "`NAME` of the role that agents get when they name none"

func enabledFlag(cmd *cobra.Command, enabled *bool) {
	cmd.Flags().BoolVar(enabled, "enabled", true, "lend its roles; --enabled=false lends none")
}

// attributionFlags adds the flags.
func attributionFlags(cmd *cobra.Command, tags, source *bool, sourceUsage string) {
	cmd.Flags().BoolVar(tags, "session-tags", false, "name the agent in session tags; needs sts:TagSession")
	cmd.Flags().BoolVar(source, "source-identity", false, sourceUsage)
}

// asNew removes from a request what belongs to the integration that it was
// copied from: its IDs, and its external ID. A request without an ID keeps its
// external ID, which was reserved for it.
func asNew(request *api.IntegrationRequest) {
	if request.ID != "" {
		request.ID, request.ExternalID = "", ""
	}
	for i := range request.Roles {
		request.Roles[i].ID = ""
	}
}

// nameFor sets the name of a new thing to the argument. Without an argument the
// name is the one in the file.
func nameFor(name *string, given []string, fromFile bool) error {
	switch {
	case len(given) == 0 && !fromFile:
		return usage("NAME is missing")
	case len(given) == 0:
		return nil
	}
	*name = given[0]
	return nil
}
