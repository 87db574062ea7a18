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
on; that is refused while an enabled role does not accept it. --cancel stays
with the old one.`,
		Example: `  rolebroker integration rotate-external-id production
  rolebroker integration setup production --format aws-cli
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
			if step.Step == "start" {
				a.note("Have every role accept both external IDs: rolebroker integration setup %s", in.Name)
			}
			return a.showIntegration(out, in)
		},
	}
	cmd.Flags().BoolVar(&finish, "finish", false, "send the new external ID from now on")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "stay with the old external ID")
	cmd.Flags().BoolVar(&force, "force", false, "finish although a role does not accept the new one")
	out.flag(cmd)
	completeArgs(cmd, anyway(a.integrationNames))
	return cmd
}
