package cli

import (
	"cmp"
	"context"
	"errors"
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
		wait              waitFlag
	)
	cmd := &cobra.Command{
		Use:   "validate [INTEGRATION]",
		Short: "Try to assume every role, and explain failures",
		Long: `Have the server try to assume every role of an integration, by its name or ID, and
explain for each role that fails what is wrong and what to change. The server keeps
the result, and integration show and list report it.

The server assumes a role as it would for an agent, and also without an external ID
and with a wrong one. If that works too, the trust policy does not require the
external ID: a warning, or a failure with --require-external-id. The credentials
from these calls allow nothing and are discarded.

In cluster mode the server asks the connected runner to try the roles now, and waits.
The output names the runner and the time. If no runner answers, the roles are unknown
(runner_unavailable), and the exit code is 1.

With -f the server validates the integration in a file, which does not exist yet,
and keeps nothing. If the file has no external ID, one is reserved for it.

IAM takes some seconds to apply a change. A role that is denied may be new, so it is
tried again: for --wait, 30s unless the server is set otherwise. The exit code is 1
unless every enabled role can be assumed.`,
		Example: `  rolebroker integration validate production
  rolebroker integration validate production -o json
  rolebroker integration validate production --wait 2m
  rolebroker integration validate -f production.yaml`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if (len(given) == 1) == file.given() {
				return usage("give either INTEGRATION or --file")
			}
			run := validation{app: a, how: client.Validating{RequireExternalID: requireExternalID, Wait: wait.given}}
			if file.given() {
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
	cmd.Flags().BoolVar(&requireExternalID, "require-external-id", false,
		"fail roles that can be assumed without the external ID")
	wait.flag(cmd, "30s")
	file.flag(cmd)
	out.flag(cmd)
	return cmd
}

// validation is one run of the command.
type validation struct {
	*app
	how   client.Validating
	name  string                  // of a saved integration; or
	draft *api.IntegrationRequest // an integration that does not exist yet

	roles  int    // to validate
	runner string // which tries them; empty: the server does
}

func (v *validation) run(ctx context.Context, out output) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // after the first signal, a second one ends the process at once
	c, err := v.client()
	if err != nil {
		return err
	}
	if err := v.look(ctx, c); err != nil {
		return err
	}
	var known outcomes
	v.how.Tell, v.how.Again = known.add, known.addAgain
	ended := v.progressOf(func() string {
		return v.doing(len(known.all())) + known.trying()
	})
	answer, err := v.ask(ctx, c)
	ended()
	if ctx.Err() != nil {
		return v.interrupted(out, known.all())
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

// outcomes are the results so far.
type outcomes struct {
	mu      sync.Mutex
	results []api.RoleValidation
	again   map[string]bool // the names of roles that are denied so far and have no result yet
}

func (o *outcomes) add(r api.RoleValidation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.results = append(o.results, r)
	delete(o.again, r.Name)
}

// addAgain notes that a role is denied so far and tried again.
func (o *outcomes) addAgain(r api.RoleValidation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.again == nil {
		o.again = map[string]bool{}
	}
	o.again[r.Name] = true
}

// trying says which roles are tried again, and why; it is empty if none are.
func (o *outcomes) trying() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch n := len(o.again); n {
	case 0:
		return ""
	case 1:
		for name := range o.again {
			return "; " + orDash(name) + " is denied and may be new to AWS: trying again"
		}
	default:
		return fmt.Sprintf("; %d are denied and may be new to AWS: trying again", n)
	}
	return ""
}

func (o *outcomes) all() []api.RoleValidation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]api.RoleValidation{}, o.results...)
}

// look finds out how many roles to validate, and who tries them.
func (v *validation) look(ctx context.Context, c *client.Client) error {
	if v.draft != nil {
		v.roles, v.runner = len(v.draft.Roles), v.draft.Runner
		return nil
	}
	in, err := integrationOf(ctx, c, v.name)
	v.roles, v.runner = len(in.Roles), in.Runner
	return err
}

// doing says what takes so long, when so many roles are validated.
func (v *validation) doing(validated int) string {
	done := tally{roles: v.roles}.of(validated)
	if v.runner != "" {
		return fmt.Sprintf("runner %s is validating, %s", plain(v.runner), done)
	}
	return "validating, " + done
}

func (v *validation) ask(ctx context.Context, c *client.Client) (api.Validations, error) {
	if v.draft != nil {
		return c.ValidateDraft(ctx, *v.draft, v.how)
	}
	return c.ValidateIntegration(ctx, v.name, v.how)
}

// interrupted shows the results so far.
func (v *validation) interrupted(out output, known []api.RoleValidation) error {
	partial := api.Validations{Roles: known}
	if err := v.showValidations(out, partial); err != nil {
		return err
	}
	kept := "their results are kept"
	if v.draft != nil {
		kept = "no result is kept"
	}
	return fmt.Errorf("interrupted: %d of %d roles were validated; %s", len(partial.Roles), v.roles, kept)
}

// verdict returns an error unless every role can be assumed.
func (v *validation) verdict(answer api.Validations) error {
	if answer.OK {
		return nil
	}
	t := tallyOf(answer.Roles, enabled(answer.Roles))
	if unanswered := t.unanswered; unanswered != nil && t.failed == 0 {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "%s could not be checked: %s", t.of(t.unknown),
			unanswered.Message).WithHint("%s", unanswered.Hint)
	}
	switch {
	case t.roles == 0:
		return errors.New("no role is enabled")
	case t.cluster > 0 && t.failed+t.unknown == 0:
		return rolebroker.Errorf(rolebroker.CodeUnavailable,
			"a runner assumes the roles in your cluster, and has not reported yet whether it can").
			WithHint("%s", cmp.Or(answer.Roles[0].Hint, "the runner in the cluster finds out"))
	case t.failed == 0:
		return fmt.Errorf("%s could not be checked", t.of(t.unknown))
	case t.unknown > 0:
		return fmt.Errorf("%s failed, %d could not be checked", t.of(t.failed), t.unknown)
	}
	return fmt.Errorf("%s failed", t.of(t.failed))
}
