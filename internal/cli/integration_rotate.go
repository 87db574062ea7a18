package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegrationRotate(a *app) *cobra.Command {
	var (
		out                   output
		finish, cancel, force bool
	)
	cmd := &cobra.Command{
		Use:   "rotate-external-id INTEGRATION",
		Short: "Change the external ID of an integration",
		Long: `Change the external ID of an integration, by its name or ID, while all of its
roles can be assumed. The first step makes a new external ID; integration setup
then prints trust policies that accept both, and integration validate says which
roles do not accept the new one yet. With --finish the new one is sent from then
on; that is refused while an enabled role does not accept it. The old one is
then to be taken out of the trust policies, in the same way. --cancel stays with
the old one.`,
		Example: `  rolebroker integration rotate-external-id production

  # for each role
  aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument > current.json
  rolebroker integration setup production --role readonly --current current.json \
    --format aws-cli | bash -e

  rolebroker integration validate production
  rolebroker integration rotate-external-id production --finish`,
		Args: args("INTEGRATION"),
		RunE: func(cmd *cobra.Command, given []string) error {
			step := api.Rotation{Step: "start", Force: force}
			switch {
			case finish && cancel:
				return usage("--finish and --cancel cannot both be given")
			case force && !finish:
				return usage("--force goes with --finish")
			case finish:
				step.Step = "finish"
			case cancel:
				step.Step = "cancel"
			}
			in, err := ask(cmd.Context(), a, "changing the external ID", func(ctx context.Context, c *client.Client) (api.Integration, error) {
				in, err := c.RotateExternalID(ctx, given[0], step)
				return in, seeList(err, "rolebroker integration list")
			})
			if err != nil {
				return err
			}
			if err := a.showIntegration(out, in); err != nil {
				return err
			}
			a.afterRotation(step.Step, in)
			return nil
		},
	}
	cmd.Flags().BoolVar(&finish, "finish", false, "send the new external ID from now on")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "stay with the old external ID")
	cmd.Flags().BoolVar(&force, "force", false, "finish although a role does not accept the new one")
	out.flag(cmd)
	completeArgs(cmd, anyway(a.integrationNames))
	return cmd
}

// afterRotation says what comes after a step. In cluster mode no role has an
// external ID in its trust policy.
func (a *app) afterRotation(step string, in api.Integration) {
	setup := "rolebroker integration setup " + in.Name + " --role ROLE --current current.json --format aws-cli"
	switch {
	case in.AssumptionMode == "cluster":
	case step == "start":
		a.note("Now have every role accept both external IDs: %s;", setup)
		a.note("then rolebroker integration validate %s;", in.Name)
		a.note("then rolebroker integration rotate-external-id %s --finish", in.Name)
	case step == "finish":
		a.note("Now take the old external ID out of the trust policies: %s", setup)
	}
}
