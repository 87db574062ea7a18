package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegrationRotate(a *app) *cobra.Command {
	var (
		step                  api.Rotation
		finish, cancel, force bool
	)
	cmd := &cobra.Command{
		Use:   "rotate-external-id INTEGRATION",
		Short: "Change the external ID of an integration",
		Long: `Change the external ID of an integration, by its name or ID, in steps during which
all of its roles can be assumed:

  1. Run the command. It makes a new external ID; the old one stays in use.
  2. Have every trust policy accept both: integration setup prints policies that
     do, and integration validate names the roles that do not accept the new one.
  3. Run it with --finish. From then on AssumeRole sends the new one. This fails
     while an enabled role does not accept it.
  4. Remove the old one from the trust policies, again with integration setup.

Until step 3, --cancel goes back to the old external ID.`,
		Example: `  rolebroker integration rotate-external-id production

  # for each role
  aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument > current.json
  rolebroker integration setup production --role readonly --current current.json \
    --format aws-cli | bash -e

  rolebroker integration validate production
  rolebroker integration rotate-external-id production --finish`,
		PreRunE: func(*cobra.Command, []string) error {
			step = api.Rotation{Step: "start", Force: force}
			switch {
			case finish && cancel:
				return usage("--finish and --cancel cannot be combined")
			case force && !finish:
				return usage("--force needs --finish")
			case finish:
				step.Step = "finish"
			case cancel:
				step.Step = "cancel"
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&finish, "finish", false, "use the new external ID from now on")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "keep the old external ID")
	cmd.Flags().BoolVar(&force, "force", false, "finish even if a role does not accept the new external ID")
	return asking(a, cmd, "changing the external ID",
		func(ctx context.Context, c *client.Client, given []string) (api.Integration, error) {
			in, err := c.RotateExternalID(ctx, given[0], step)
			return in, seeList(err, listIntegrations)
		},
		func(o output, in api.Integration) error {
			if err := a.showIntegration(o, in); err != nil {
				return err
			}
			a.afterRotation(step.Step, in)
			return nil
		})
}

// afterRotation says what to do next. In cluster mode no trust policy has an
// external ID.
func (a *app) afterRotation(step string, in api.Integration) {
	setup := "rolebroker integration setup " + in.Name + " --role ROLE --current current.json --format aws-cli"
	switch {
	case in.AssumptionMode == "cluster":
	case step == "start":
		a.note("Now have every role accept both external IDs: %s;", setup)
		a.note("then rolebroker integration validate %s;", in.Name)
		a.note("then rolebroker integration rotate-external-id %s --finish", in.Name)
	case step == "finish":
		a.note("Now remove the old external ID from the trust policies: %s", setup)
	}
}
