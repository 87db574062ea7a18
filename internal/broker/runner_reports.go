package broker

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/rolebroker/rolebroker"
)

// seenInterval is how often a runner's SeenAt is stored, however many replicas it has.
const seenInterval = 4 * time.Second

// RecordReport stores what a runner says of itself. Codes: denied, invalid, not_found.
func (b *Broker) RecordReport(ctx context.Context, who rolebroker.Caller, report rolebroker.RunnerReport) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerReport); err != nil {
		return err
	}
	for _, text := range []*string{&report.Program, &report.IdentityError,
		&report.Identity.Account, &report.Identity.ARN, &report.Identity.UserID} {
		*text = readable(*text, maxReportText)
	}
	report.Pending = min(report.Pending, math.MaxInt32)
	if err := report.Check(); err != nil {
		return err
	}
	return b.store.RecordRunnerReport(ctx, who.Runner, report, b.now())
}

// SeeRunner records that a runner is alive. Each of its replicas calls it every few seconds. Codes: denied,
// not_found.
func (b *Broker) SeeRunner(ctx context.Context, who rolebroker.Caller) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerReport); err != nil {
		return err
	}
	now := b.now()
	if last, ok := b.seen.Load(who.Runner); ok && now.Sub(last.(time.Time)).Abs() < seenInterval {
		return nil
	}
	b.seen.Store(who.Runner, now)
	return b.store.SeeRunner(ctx, who.Runner, now)
}

// RunnerIntegrations lists the integrations that name the runner. Codes: denied.
func (b *Broker) RunnerIntegrations(
	ctx context.Context, who rolebroker.Caller,
) ([]rolebroker.Integration, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerGrants); err != nil {
		return nil, err
	}
	return b.store.IntegrationsOf(ctx, who.Runner)
}

// RecordRunnerValidations stores the outcomes of a runner's validation of an integration that names it. version is
// the version of the integration that the runner tried. Codes: denied, not_found, stale.
func (b *Broker) RecordRunnerValidations(
	ctx context.Context, who rolebroker.Caller, nameOrID string, version int64,
	outcomes map[rolebroker.RoleID]rolebroker.Validation,
) error {
	const action = rolebroker.ActionRunnerRecord
	subject := rolebroker.Named(rolebroker.KindIntegration, nameOrID)
	if err := b.May(ctx, who, action, subject); err != nil {
		return err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return err
	}
	switch {
	case in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner:
		return b.refused(ctx, who, action, rolebroker.Errorf(rolebroker.CodeDenied,
			"integration %s does not name runner %s", in.Name, who.Name), in.Subject())
	case in.Version != version:
		return rolebroker.Errorf(rolebroker.CodeStale, "integration %s was changed meanwhile", in.Name).
			WithHint("try its roles again")
	}
	var results []rolebroker.RoleValidation
	for i, role := range in.Roles {
		if v, ok := outcomes[role.ID]; ok {
			if err := cleanOutcome(&v, b.now()); err != nil {
				return err
			}
			v.CheckedBy = who.Name
			results = append(results, rolebroker.RoleValidation{Index: i, Role: role, Validation: v})
		}
	}
	return b.recordValidations(ctx, in, results)
}

// cleanOutcome makes the outcome of a runner's validation fit to store and to show. Its status and code become labels
// of metrics, so only known ones are accepted. Codes: invalid.
func cleanOutcome(v *rolebroker.Validation, now time.Time) error {
	if !v.Status.IsKnown() {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"this server does not know the outcome of a validation that the runner sent").
			WithHint("use the same version on both sides: rolebroker version")
	}
	if !v.Code.IsKnown() { // a newer runner's
		v.Code = rolebroker.ValidRejected
	}
	v.Message, v.Hint = readable(v.Message, maxText), readableHint(v.Hint, maxHint)
	v.RequestID = readable(v.RequestID, maxShortText)
	v.CheckedAt = earlier(v.CheckedAt, now)
	return nil
}

// Bounds of the texts that a runner sends, in bytes. A hint may contain a policy.
const (
	maxShortText  = 200
	maxReportText = 900
	maxText       = 4 << 10
	maxHint       = 32 << 10
)

// readable makes a text that a runner sent fit to show: at most so many bytes, one line, no control characters.
func readable(text string, most int) string {
	return strings.ReplaceAll(readableLines(text, most), "\n", " ")
}

// readableLines is readable for a text of several lines.
func readableLines(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '\uFFFD'
	}, text)
}

// readableHint is readable for a hint: at most about so many bytes in all of its steps together.
func readableHint(h rolebroker.Hint, most int) (fit rolebroker.Hint) {
	take := func(text string) string {
		text = readableLines(text, most)
		most = max(0, most-len(text))
		return text
	}
	for _, step := range h {
		if most == 0 {
			break
		}
		step = rolebroker.Step{Text: take(step.Text), Command: take(step.Command), Policy: take(step.Policy)}
		if step != (rolebroker.Step{}) {
			fit = append(fit, step)
		}
	}
	return fit
}

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
