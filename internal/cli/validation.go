package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
)

// validateFlag is the flag --validate of a command that saves an integration.
func validateFlag(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "validate", api.ValidateWarn, "`mode`: require saves nothing unless every role can be assumed, warn saves and says what is wrong, skip tries nothing")
	complete(cmd, "validate", func(string) ([]string, error) {
		return []string{api.ValidateRequire, api.ValidateWarn, api.ValidateSkip}, nil
	})
}

// checkValidate says what is wrong with --validate.
func checkValidate(mode string) error {
	switch mode {
	case api.ValidateRequire, api.ValidateWarn, api.ValidateSkip:
		return nil
	}
	return usage("--validate %q is not one of require, warn, skip", mode)
}

// The status of a role that is as it should be, and the code of one that was
// not tried because a runner does it.
const (
	assumable   = "assumable"
	clusterMode = "cluster_mode"
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
	if len(parts) == 0 {
		parts = append(parts, "ok")
	}
	return strings.Join(parts, ", ") + ", " + a.when(&last.CheckedAt, "")
}

// findings are what validations found that somebody should know: a heading and
// the hint for each role that is not as it should be.
func findings(results []api.RoleValidation) string {
	var b strings.Builder
	for _, r := range results {
		if r.Status == assumable || r.Code == clusterMode {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s", plain(orDash(r.Name)), plain(r.Message))
		if r.RequestID != "" {
			fmt.Fprintf(&b, " (AWS request ID %s)", plain(r.RequestID))
		}
		b.WriteString("\n")
		for line := range strings.Lines(r.Hint) {
			b.WriteString(strings.TrimRight("  "+plain(strings.TrimSuffix(line, "\n")), " ") + "\n")
		}
	}
	return b.String()
}

// findingsOf are those of an integration as it is shown.
func findingsOf(in api.Integration) string {
	var results []api.RoleValidation
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			results = append(results, api.RoleValidation{Name: role.Name, Status: v.Status, Code: v.Code, Message: v.Message, Hint: v.Hint, RequestID: v.RequestID})
		}
	}
	return findings(results)
}

// showValidations writes the outcome for every role, and what to do.
func (a *app) showValidations(o output, answer api.Validations) error {
	if o.format == "json" || o.format == "yaml" {
		return a.encode(o.format, answer)
	}
	t := newTable("ROLE", "STATUS", "CODE", "MESSAGE")
	for _, r := range answer.Roles {
		t.add(orDash(r.Name), r.Status, r.Code, r.Message)
	}
	if err := t.write(a.Stdout); err != nil {
		return err
	}
	_, err := io.WriteString(a.Stdout, findings(answer.Roles))
	return err
}
