package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegrationValidate(a *app) *cobra.Command {
	var (
		out               output
		file              fromFile
		requireExternalID bool
	)
	cmd := &cobra.Command{
		Use:   "validate [INTEGRATION]",
		Short: "Try to assume every role, and say why one fails",
		Long: `Have the server try to assume every role of an integration, by its name or ID,
and say of each one that fails what is wrong and what to change where. The
outcome is kept: integration show and list have it.

A role is assumed as it would be lent, and also without the external ID of the
integration and with a wrong one. If that works too the role is open to others:
a warning, or a failure with --require-external-id. The credentials are good
for nothing and are forgotten.

With -f the integration in a file is validated before it is made, and nothing
is kept. If the file has no external ID one is reserved, for the trust policies
and for the file.

A role that is denied is tried again for some seconds, since IAM takes a while
to spread what was changed. The exit code is 1 unless every role can be assumed.`,
		Example: `  rolebroker integration validate production
  rolebroker integration validate production -o json
  rolebroker integration validate -f production.yaml`,
		Args: args("[INTEGRATION]"),
		RunE: func(cmd *cobra.Command, given []string) error {
			if (len(given) == 1) == (file.path != "") {
				return usage("give either the name of an integration or --file")
			}
			run := validation{app: a, how: client.Validating{RequireExternalID: requireExternalID}}
			if file.path != "" {
				run.draft = &api.IntegrationRequest{}
				if err := file.decode(a.Stdin, run.draft); err != nil {
					return err
				}
			} else {
				run.name = given[0]
			}
			return run.run(cmd.Context(), out)
		},
	}
	cmd.Flags().BoolVar(&requireExternalID, "require-external-id", false, "a role that can be assumed without the external ID fails")
	file.flag(cmd, nil)
	out.flag(cmd)
	completeArgs(cmd, anyway(a.integrationNames))
	return cmd
}

// validation is one run of the command.
type validation struct {
	*app
	how   client.Validating
	name  string                  // of a saved integration, or
	draft *api.IntegrationRequest // one that is not
}

func (v *validation) run(ctx context.Context, out output) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal ends the process at once
	c, err := v.client()
	if err != nil {
		return err
	}
	total, err := v.total(ctx, c)
	if err != nil {
		return err
	}
	var known outcomes
	v.how.Tell = known.add
	ended := v.progressOf(func() string {
		return fmt.Sprintf("validating, %s; one that is denied is tried again for some seconds", tally{roles: total}.of(len(known.all())))
	})
	answer, err := v.ask(ctx, c)
	ended()
	if ctx.Err() != nil {
		return v.interrupted(out, known.all(), total)
	}
	if err != nil {
		return err
	}
	if err := v.showValidations(out, answer); err != nil {
		return err
	}
	if v.draft != nil && v.draft.ExternalID == "" && v.draft.ID == "" && v.draft.AssumptionMode != "cluster" {
		v.addToFile(answer.ExternalID)
	}
	return v.verdict(answer)
}

// outcomes are those that were told so far.
type outcomes struct {
	mu   sync.Mutex
	told []api.RoleValidation
}

func (o *outcomes) add(r api.RoleValidation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, r)
}

func (o *outcomes) all() []api.RoleValidation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]api.RoleValidation{}, o.told...)
}

// total is how many roles there are.
func (v *validation) total(ctx context.Context, c *client.Client) (int, error) {
	if v.draft != nil {
		return len(v.draft.Roles), nil
	}
	in, err := c.Integration(ctx, v.name)
	return len(in.Roles), seeList(err, "rolebroker integration list")
}

func (v *validation) ask(ctx context.Context, c *client.Client) (api.Validations, error) {
	if v.draft != nil {
		return c.ValidateDraft(ctx, *v.draft, v.how)
	}
	return c.ValidateIntegration(ctx, v.name, v.how)
}

// interrupted shows what was found out until somebody ended it.
func (v *validation) interrupted(out output, known []api.RoleValidation, total int) error {
	partial := api.Validations{Roles: known}
	if err := v.showValidations(out, partial); err != nil {
		return err
	}
	kept := "what was found out is kept"
	if v.draft != nil {
		kept = "nothing is kept"
	}
	return fmt.Errorf("interrupted: %d of %d roles were validated; %s", len(partial.Roles), total, kept)
}

// verdict is an error unless every role can be assumed.
func (v *validation) verdict(answer api.Validations) error {
	if answer.OK {
		return nil
	}
	t := tallyOf(answer.Roles, len(answer.Roles))
	switch {
	case t.cluster > 0 && t.failed+t.unknown == 0:
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the roles are assumed in your cluster, and no runner there has told yet whether that works").
			WithHint("%s", cmp.Or(answer.Roles[0].Hint, "the runner in the cluster finds out"))
	case t.failed == 0:
		return fmt.Errorf("%s could not be checked", t.of(t.unknown))
	case t.unknown > 0:
		return fmt.Errorf("%s failed, %d could not be checked", t.of(t.failed), t.unknown)
	}
	return fmt.Errorf("%s failed", t.of(t.failed))
}
