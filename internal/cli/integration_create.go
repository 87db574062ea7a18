package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegrationCreate(a *app) *cobra.Command {
	var (
		out      output
		file     fromFile
		request  api.IntegrationRequest
		roles    []string
		external string
		validate string
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an integration",
		Long: `Make an integration of one role or more. --role may be repeated. When there is
only one role it is the default role, otherwise --default-role names it.
` + roleHelp + `

` + validateHelp + `

With -f a file says everything, as YAML or JSON in the form that integration
show -o yaml prints. What only the server sets is left out or ignored, so what
another integration is shown as makes a copy of it, under NAME and with an
external ID of its own.`,
		Example: `  rolebroker integration create production \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1 \
    --role name=deployer,arn=arn:aws:iam::444455556666:role/Deployer,region=eu-west-1 \
    --default-role readonly

  rolebroker integration create -f production.yaml`,
		Args: args("[NAME]"),
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			if err := errors.Join(file.alone(cmd), checkValidate(validate)); err != nil {
				return err
			}
			if file.path != "" {
				err = file.decode(a.Stdin, &request)
				asNew(&request)
			} else {
				request.Roles, err = parseRoles(roles)
			}
			if err != nil {
				return err
			}
			if err := nameFor(&request.Name, given, file.path != ""); err != nil {
				return err
			}
			if external != "" {
				request.ExternalID = external
			}
			if request.DefaultRole == "" && len(request.Roles) == 1 {
				request.DefaultRole = request.Roles[0].Name
			}
			in, err := ask(cmd.Context(), a, saving(validate), func(ctx context.Context, c *client.Client) (api.Integration, error) {
				return c.CreateIntegration(ctx, request, validate)
			})
			if err != nil {
				return err
			}
			if err := a.showIntegration(out, in); err != nil {
				return err
			}
			a.saved(in, validate)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role", nil, roleFlagUsage)
	f.StringVar(&request.DefaultRole, "default-role", "", "`name` of the role that is used when none is named")
	f.StringVar(&request.Description, "description", "", "`text` on what it is for")
	f.StringVar(&request.AssumptionMode, "assumption-mode", "", "`mode`, who asks STS: platform (the default) or cluster")
	f.StringVar(&request.Runner, "runner", "", "`runner` that assumes its roles, by name or ID, in the mode cluster")
	f.StringVar(&external, "external-id", "", "`ID` that rolebroker external-id reserve printed")
	attributionFlags(cmd, &request.SessionTags, &request.SourceIdentity)
	validateFlag(cmd, &validate)
	complete(cmd, "assumption-mode", assumptionModes)
	complete(cmd, "runner", a.runnerNames)
	file.flag(cmd, []string{"role", "default-role", "description", "assumption-mode", "runner", "session-tags", "source-identity"})
	out.flag(cmd)
	return cmd
}

func attributionFlags(cmd *cobra.Command, tags, source *bool) {
	cmd.Flags().BoolVar(tags, "session-tags", false, "session tags say who borrows; trust policies need sts:TagSession")
	cmd.Flags().BoolVar(source, "source-identity", false, "agent as source identity; trust policies need sts:SetSourceIdentity")
}

func assumptionModes(string) ([]string, error) { return []string{"platform", "cluster"}, nil }

// asNew takes out what a file has of the integration that it was copied from.
// The external ID of an integration stays its own; one that was reserved is in a
// file without an ID.
func asNew(request *api.IntegrationRequest) {
	if request.ID != "" {
		request.ID, request.ExternalID = "", ""
	}
	for i := range request.Roles {
		request.Roles[i].ID = ""
	}
}

// nameFor settles the name of what is made: the argument's, or else the file's.
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
