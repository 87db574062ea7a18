package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentEnable(a *app) *cobra.Command {
	var request api.EnableRequest
	cmd := &cobra.Command{
		Use:   "enable AGENT",
		Short: "Lend to an agent again that was disabled or cut off",
		Long: `Lend to an agent again that was disabled or cut off. It gets new keys, never old
ones. Nothing else ends a cut-off: not agent update, not apply, and not Terraform.

The deny policies of a cut-off deny no new keys. They stay on the roles, because the
old keys would work again without them; the command says from when on they can be
removed, and prints the commands. With --apply, the server removes those that it put
there itself and that are not needed any more. You can run the command again for
that.`,
		Example: `  rolebroker agent enable scout

  # later, when the old keys have expired
  rolebroker agent enable scout --apply`,
	}
	cmd.Flags().BoolVar(&request.Apply, "apply", false, "have the server remove the deny policies that are not needed")
	return asking(a, cmd, "enabling the agent",
		func(ctx context.Context, c *client.Client, given []string) (api.EnabledAgent, error) {
			enabled, err := c.EnableAgent(ctx, given[0], request)
			return enabled, seeList(err, listAgents)
		}, a.showEnabled)
}

// showEnabled says that an agent is enabled, and what is left of its last cut-off.
func (a *app) showEnabled(out output, enabled api.EnabledAgent) error {
	if out.forMachines() {
		return a.encode(out.value, enabled)
	}
	a.note("agent %s is enabled; it gets new keys, never those from before", enabled.Agent.Name)
	if enabled.CutOff != nil {
		a.noteRemovable(*enabled.CutOff)
		_, err := fmt.Fprint(a.out(), removalScript(*enabled.CutOff))
		return err
	}
	return nil
}

// noteRemovable says which deny policies the last cut-off of an agent has left.
func (a *app) noteRemovable(cut api.CutOff) {
	for _, account := range cut.Accounts {
		for _, role := range account.Roles {
			switch {
			case role.State == "removed":
				a.note("The deny policy is not on role %s any more", role.ARN)
			case role.Problem != "" && role.State == "applied":
				a.note("The deny policy is still on role %s: %s", role.ARN, role.Problem)
			}
		}
	}
	if at := cut.RemovableAfter; at != nil && a.Now().Before(*at) {
		a.note("Deny policies of its cut-off deny the keys from before. They are needed until %s.",
			at.UTC().Format(time.RFC3339))
	}
}
