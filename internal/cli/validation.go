package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// validateMode is the flags --validate and --wait of a command that saves an
// integration.
type validateMode struct {
	choice
	wait waitFlag
}

func (m *validateMode) flag(cmd *cobra.Command) {
	m.value = api.ValidateWarn
	m.choice.flag(cmd, "validate", "", "`MODE`: warn, require or skip, as above",
		api.ValidateRequire, api.ValidateWarn, api.ValidateSkip)
	m.wait.flag(cmd, "3s; to require 30s")
}

const validateHelp = `The server then tries to assume each role. --validate says what follows:
  warn     Save the integration, and report the roles that have a problem.
  require  Save it only if every enabled role can be assumed. Roles that a runner assumes
           cannot be tried here and do not prevent saving.
  skip     Save it without trying.`

// The status of a role without problems; the code of a role that only a runner can
// try; and the code of a role that others can assume too.
const (
	assumable             = "assumable"
	clusterMode           = string(rolebroker.ValidClusterMode)
	runnerUnavailable     = string(rolebroker.ValidRunnerUnavailable)
	externalIDNotRequired = string(rolebroker.ValidExternalIDOpen)
)

// status shows the state of a role in one cell: its status, and its code if that
// adds anything.
func status(s api.RoleState) string {
	switch {
	case s.CheckedAt == nil:
		return "-"
	case s.Status == assumable:
		return s.Status
	}
	return s.Status + " (" + s.Code + ")"
}

// summary shows the state of the enabled roles of an integration in one cell.
func (a *app) summary(in api.Integration) string {
	s := in.State
	if s.CheckedAt == nil {
		return "-"
	}
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{{s.Failed, "failed"}, {s.Unknown, "unknown"}, {s.Warning, "warning"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"ok"}
	}
	if s.CheckedBy != "" {
		parts = append(parts, "by runner "+s.CheckedBy)
	}
	return strings.Join(append(parts, a.when(s.CheckedAt)), ", ")
}

// tally counts the outcomes among the enabled roles of an integration.
type tally struct {
	roles, failed, open, warned, unknown, cluster int

	unanswered *api.RoleValidation // the first role about which its runner did not answer; nil: none
}

// tallyOf counts outcomes. roles is how many roles are enabled.
func tallyOf(results []api.RoleValidation, roles int) tally {
	t := tally{roles: roles}
	for _, r := range results {
		if r.Code == runnerUnavailable && t.unanswered == nil {
			t.unanswered = &r
		}
		switch {
		case r.Disabled:
		case r.Code == clusterMode:
			t.cluster++
		case r.Status == "failed":
			t.failed++
		case r.Status == "unknown":
			t.unknown++
		case r.Code == externalIDNotRequired:
			t.open++
		case r.Status != assumable:
			t.warned++
		}
	}
	return t
}

// enabled counts the results of enabled roles.
func enabled(results []api.RoleValidation) (n int) {
	for _, r := range results {
		if !r.Disabled {
			n++
		}
	}
	return n
}

// of says "n of so many roles".
func (t tally) of(n int) string {
	if t.roles == 1 {
		return fmt.Sprintf("%d of 1 role", n)
	}
	return fmt.Sprintf("%d of %d roles", n, t.roles)
}

// words lists the problems.
func (t tally) words() string {
	have := "have"
	if t.warned == 1 {
		have = "has"
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{t.failed, "cannot be assumed"},
		{t.open, "can also be assumed by others"},
		{t.warned, have + " a warning"},
		{t.unknown, "could not be checked"},
	} {
		if part.n > 0 {
			parts = append(parts, t.of(part.n)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}

// notable returns the results that report a problem of an enabled role.
func notable(results []api.RoleValidation) []api.RoleValidation {
	return slices.DeleteFunc(slices.Clone(results), func(r api.RoleValidation) bool {
		return r.Disabled || r.Status == assumable || r.Code == clusterMode ||
			r.Code == runnerUnavailable
	})
}

// headline is the result for a role on one line.
func headline(r api.RoleValidation) string {
	line := plain(orDash(r.Name)) + ": " + plain(r.Message)
	if r.RequestID != "" {
		line += " (AWS request ID " + plain(r.RequestID) + ")"
	}
	return line + "\n"
}

// headlines are the lines about roles that have a problem.
func headlines(results []api.RoleValidation) string {
	var b strings.Builder
	for i, r := range notable(results) {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString(headline(r))
	}
	return b.String()
}

// findings are the headlines, each with its hint. A policy that several hints have
// is written once.
func findings(results []api.RoleValidation) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, r := range notable(results) {
		b.WriteString("\n" + headline(r))
		for _, line := range abridged(convert.Hint(r.Hint, r.HintSteps), seen) {
			b.WriteString(strings.TrimRight("  "+plain(line), " ") + "\n")
		}
	}
	return b.String()
}

// abridged returns the lines of a hint without the policies in seen, and adds its
// other policies to seen.
func abridged(hint rolebroker.Hint, seen map[string]bool) (lines []string) {
	for _, step := range hint {
		switch {
		case step.Policy == "":
		case seen[step.Policy]:
			step.Policy = "{ the same statement as above }"
		default:
			seen[step.Policy] = true
		}
		lines = append(lines, strings.Split(step.String(), "\n")...)
	}
	return lines
}

// triedBy says which runner tried the roles, and when; empty if the server did.
func (a *app) triedBy(results []api.RoleValidation) string {
	var last *api.Validation
	for _, r := range results {
		if r.CheckedBy != "" && (last == nil || r.CheckedAt.After(last.CheckedAt)) {
			last = &r.Validation
		}
	}
	if last == nil {
		return ""
	}
	return "Runner " + plain(last.CheckedBy) + " tried the roles " + a.when(&last.CheckedAt) + ".\n"
}

// resultsOf returns the states of an integration's roles that somebody has tried.
func resultsOf(in api.Integration) (results []api.RoleValidation) {
	for _, role := range in.Roles {
		if s := role.State; s.CheckedAt != nil {
			results = append(results, api.RoleValidation{Name: role.Name, Disabled: !role.Enabled,
				Validation: api.Validation{Status: s.Status, Code: s.Code, Message: s.Message, Hint: s.Hint,
					HintSteps: s.HintSteps, RequestID: s.RequestID, CheckedAt: *s.CheckedAt, CheckedBy: s.CheckedBy}})
		}
	}
	return results
}

// enabledRoles counts the enabled roles of an integration.
func enabledRoles(in api.Integration) (n int) {
	for _, role := range in.Roles {
		if role.Enabled {
			n++
		}
	}
	return n
}

// showSaved shows an integration that was saved, and what is left to do.
func (a *app) showSaved(mode *validateMode) func(output, api.Integration) error {
	return func(o output, in api.Integration) error {
		err := a.showIntegration(o, in)
		if err == nil {
			a.saved(in, mode.value)
		}
		return err
	}
}

// saved says what is left to do after an integration was saved; nothing if its
// roles have no problem.
func (a *app) saved(in api.Integration, mode string) {
	t := tallyOf(resultsOf(in), enabledRoles(in))
	switch {
	case in.AssumptionMode == "cluster" && in.Runner == "":
		a.note("saved; no agent can borrow its roles until it has a runner: "+
			"rolebroker integration update %s --runner RUNNER", in.Name)
	case in.AssumptionMode == "cluster":
		a.note("saved; runner %s assumes its roles", in.Runner)
	case mode == api.ValidateSkip:
		a.note("saved without trying its roles. What to do in AWS: rolebroker integration setup %s", in.Name)
	case t.failed+t.open+t.warned > 0:
		a.note("saved; %s. What to change: rolebroker integration validate %s", t.words(), in.Name)
	case t.unknown > 0:
		a.note("saved; %s. To try again: rolebroker integration validate %s", t.words(), in.Name)
	}
}

// showValidations writes the result for every role, with hints.
func (a *app) showValidations(o output, answer api.Validations) error {
	if o.forMachines() {
		return a.encode(o.value, answer)
	}
	t := newTable("ROLE", "STATUS", "CODE")
	for _, r := range answer.Roles {
		if r.Disabled {
			r.Status += ", disabled"
		}
		t.add(orDash(r.Name), r.Status, r.Code)
	}
	if err := t.write(a.out()); err != nil {
		return err
	}
	by := a.triedBy(answer.Roles)
	if by != "" {
		by = "\n" + by
	}
	_, err := io.WriteString(a.out(), by+findings(answer.Roles))
	return err
}
