package broker

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
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

// SeeReplica records that a process of a runner is alive, by the ID that it gave itself; empty: it gave none. The
// process is counted for a minute. Codes: denied.
func (b *Broker) SeeReplica(ctx context.Context, who rolebroker.Caller, replica string) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerReport); err != nil {
		return err
	}
	return b.store.SeeReplica(ctx, who.Runner, replica, b.now())
}

// RunnerIntegrations lists the integrations that name the runner, and what it tries of the roles of each. Codes:
// denied.
func (b *Broker) RunnerIntegrations(
	ctx context.Context, who rolebroker.Caller,
) (all []rolebroker.Integration, tried []rolebroker.Tried, err error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerGrants); err != nil {
		return nil, nil, err
	}
	if all, err = b.store.IntegrationsOf(ctx, who.Runner); err != nil {
		return nil, nil, err
	}
	tried = make([]rolebroker.Tried, len(all))
	for i := range all {
		if tried[i], err = b.tried(ctx, &all[i]); err != nil {
			return nil, nil, err
		}
	}
	return all, tried, nil
}

// RecordRunnerValidations stores the outcomes of a runner's validation of an integration that names it. version is
// the version of the integration that the runner tried. Codes: denied, not_found, stale.
func (b *Broker) RecordRunnerValidations(
	ctx context.Context, who rolebroker.Caller, nameOrID string, version int64,
	findings map[rolebroker.RoleID]rolebroker.Finding,
) error {
	const action = rolebroker.ActionRunnerRecord
	subject := rolebroker.Named(rolebroker.KindIntegration, nameOrID)
	if err := b.May(ctx, who, action, subject); err != nil {
		return err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	switch {
	case err != nil || in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner:
		// The refusal does not tell whether the integration exists.
		return b.refused(ctx, who, action, rolebroker.Errorf(rolebroker.CodeDenied,
			"no integration %s names runner %s", rolebroker.Quote(nameOrID), who.Name), subject)
	case !b.allowed.use(runnerIntegration{who.Runner, in.ID}, validationsPerSecond, validationsAtOnce, b.now()):
		return rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s reports on integration %s too often",
			who.Name, in.Name)
	case in.Version != version:
		return rolebroker.Errorf(rolebroker.CodeStale, "integration %s was changed meanwhile", in.Name).
			WithHint("try its roles again")
	}
	tried := validate.Subject{Integration: *in, RequireExternalID: b.requireExternalID}
	if tried.Tried, err = b.tried(ctx, in); err != nil {
		return err
	}
	var results []rolebroker.RoleValidation
	for i, role := range in.Roles {
		f, ok := findings[role.ID]
		if !ok {
			continue
		}
		if err := cleanFinding(&f, b.now()); err != nil {
			return err
		}
		result := validate.Explain(tried, rolebroker.Party{Runner: true}, i, f)
		result.CheckedBy = who.Name
		results = append(results, result)
	}
	return b.recordValidations(ctx, in, results)
}

// cleanFinding makes what a runner found fit to be put in words. Its code becomes a label of metrics, so only known
// ones are accepted. Codes: invalid.
func cleanFinding(f *rolebroker.Finding, now time.Time) error {
	switch f.Code {
	case rolebroker.ValidExternalIDOutdated, rolebroker.ValidExternalIDPrevious, rolebroker.ValidClusterMode,
		rolebroker.ValidRunnerUnavailable:
		return invalid("the finding", "code", "%q is nothing that a runner can find out", string(f.Code))
	}
	if !f.Code.IsKnown() { // a newer runner's
		f.Code = rolebroker.ValidRejected
	}
	if f.Refusal != nil {
		f.Refusal.Message = readable(f.Refusal.Message, maxText)
	}
	f.CheckedAt = earlier(f.CheckedAt, now)
	return f.Check()
}

// Bounds of the texts that a runner sends, in bytes.
const (
	maxShortText  = 200
	maxReportText = 900
	maxText       = 4 << 10
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

// earlier returns the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
