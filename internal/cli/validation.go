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

// validateFlag is the flag --validate of a command that saves an integration.
func validateFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "validate", api.ValidateWarn, "`mode`: warn, require or skip, as above")
	complete(cmd, "validate", func(string) ([]string, error) {
		return []string{api.ValidateRequire, api.ValidateWarn, api.ValidateSkip}, nil
	})
}

// validateHelp says what the values of --validate do.
const validateHelp = `The server then tries to assume each role. --validate is
  warn     save it, and say of which roles something has to be changed
  require  save nothing unless every role can be assumed; roles that your
           cluster assumes cannot be tried, and are saved all the same
  skip     try nothing
The exit code is 0 when it was saved, whatever the roles.`

// checkValidate says what is wrong with --validate.
func checkValidate(mode string) error {
	switch mode {
	case api.ValidateRequire, api.ValidateWarn, api.ValidateSkip:
		return nil
	}
	return usage("--validate %q is not one of require, warn, skip", mode)
}

// The status of a role that is as it should be, and the codes of one that was
// not tried because a runner does it and of one that others can have.
const (
	assumable             = "assumable"
	clusterMode           = string(rolebroker.ValidClusterMode)
	externalIDNotRequired = string(rolebroker.ValidExternalIDOpen)
)

// status is a validation in one cell: the status, with the code where that says
// more.
func status(v *api.Validation) string {
	switch {
	case v == nil:
		return "-"
	case v.Status == assumable:
		return v.Status
	}
	return v.Status + " (" + v.Code + ")"
}

// summary is how the last validation of an integration went, in one cell.
func (a *app) summary(in api.Integration) string {
	count := map[string]int{}
	var last *api.Validation
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			count[v.Status]++
			if last == nil || v.CheckedAt.After(last.CheckedAt) {
				last = v
			}
		}
	}
	if last == nil {
		return "-"
	}
	var parts []string
	for _, s := range []string{"failed", "unknown", "warning"} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	tried := count[assumable] + count["failed"] + count["unknown"] + count["warning"]
	switch {
	case tried < len(in.Roles):
		parts = append(parts, fmt.Sprintf("%d not tried", len(in.Roles)-tried))
	case len(parts) == 0:
		parts = append(parts, "ok")
	}
	return strings.Join(parts, ", ") + ", " + a.when(&last.CheckedAt, "")
}

// tally counts what validations came to, among all roles that there are.
type tally struct{ roles, failed, open, warned, unknown, cluster int }

func tallyOf(results []api.RoleValidation, roles int) tally {
	t := tally{roles: roles}
	for _, r := range results {
		switch {
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

// of is n of the roles, in words.
func (t tally) of(n int) string {
	if t.roles == 1 {
		return fmt.Sprintf("%d of 1 role", n)
	}
	return fmt.Sprintf("%d of %d roles", n, t.roles)
}

// words say what is not as it should be.
func (t tally) words() string {
	have := "have"
	if t.warned == 1 {
		have = "has"
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{t.failed, "cannot be assumed"}, {t.open, "can also be assumed by others"}, {t.warned, have + " a warning"}, {t.unknown, "could not be checked"}} {
		if part.n > 0 {
			parts = append(parts, t.of(part.n)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}

// notable are the results of roles that are not as they should be.
func notable(results []api.RoleValidation) []api.RoleValidation {
	return slices.DeleteFunc(slices.Clone(results), func(r api.RoleValidation) bool { return r.Status == assumable || r.Code == clusterMode })
}

// headline is what was found out of a role, on one line.
func headline(r api.RoleValidation) string {
	line := plain(orDash(r.Name)) + ": " + plain(r.Message)
	if r.RequestID != "" {
		line += " (AWS request ID " + plain(r.RequestID) + ")"
	}
	return line + "\n"
}

// headlines are those of the roles that are not as they should be.
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

// findings are the same, each with what to do about it. A statement that is
// needed more than once is there once.
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

// abridged is a hint by its lines, without the policies that were seen before.
// It adds what is new to seen.
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

// resultsOf are what is known of an integration's roles.
func resultsOf(in api.Integration) (results []api.RoleValidation) {
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			results = append(results, api.RoleValidation{Name: role.Name, Validation: *v})
		}
	}
	return results
}

// saving is what is going on while an integration is saved.
func saving(mode string) string {
	if mode == api.ValidateSkip {
		return "saving the integration"
	}
	return "saving and validating the integration"
}

// saved says, below an integration that was saved, what is still to be done;
// nothing if all is well.
func (a *app) saved(in api.Integration, mode string) {
	t := tallyOf(resultsOf(in), len(in.Roles))
	switch {
	case in.AssumptionMode == "cluster" && in.Runner == "":
		a.note("saved; its roles are lent to nobody until it names a runner: rolebroker integration update %s --runner RUNNER", in.Name)
	case in.AssumptionMode == "cluster":
		a.note("saved; its roles are assumed and lent by runner %s", in.Runner)
	case mode == api.ValidateSkip:
		a.note("saved; nothing was tried. What to do in AWS: rolebroker integration setup %s", in.Name)
	case t.failed+t.open+t.warned > 0:
		a.note("saved; %s. What to change: rolebroker integration validate %s", t.words(), in.Name)
	case t.unknown > 0:
		a.note("saved; %s. To try again: rolebroker integration validate %s", t.words(), in.Name)
	}
}

// showValidations writes the outcome for every role, and what to do.
func (a *app) showValidations(o output, answer api.Validations) error {
	if o.format == "json" || o.format == "yaml" {
		return a.encode(o.format, answer)
	}
	t := newTable("ROLE", "STATUS", "CODE")
	for _, r := range answer.Roles {
		t.add(orDash(r.Name), r.Status, r.Code)
	}
	if err := t.write(a.Stdout); err != nil {
		return err
	}
	_, err := io.WriteString(a.Stdout, findings(answer.Roles))
	return err
}
