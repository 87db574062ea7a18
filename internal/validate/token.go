package validate

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
)

// WithToken validates the roles as IAM roles for service accounts assumes them: with the token of a Kubernetes service
// account. A trust policy then names the service account, and there is no external ID. The results are in the order of
// the roles; a role that was not tried before ctx ended is unknown.
func (v *Validator) WithToken(
	ctx context.Context, s Subject, account rolebroker.ServiceAccount,
) []rolebroker.RoleValidation {
	results := make([]rolebroker.RoleValidation, len(s.Integration.Roles))
	var group errgroup.Group
	group.SetLimit(v.concurrency)
	for i, role := range s.Integration.Roles {
		group.Go(func() error {
			t := tokenProbe{v, s, role}
			f := t.find(ctx)
			f.Method, f.Account, f.CheckedAt = rolebroker.MethodWebIdentity, account, v.now()
			results[i] = Explain(s, v.by, i, f)
			return nil
		})
	}
	_ = group.Wait() // failures are in the results
	return results
}

// tokenProbe tries one role.
type tokenProbe struct {
	*Validator
	Subject
	role rolebroker.Role
}

// find is the finding about the role, as far as STS tells.
func (t tokenProbe) find(ctx context.Context) rolebroker.Finding {
	if code, err := t.role.Unassumable(); err != nil {
		return rolebroker.Finding{Code: code}
	}
	p := &probe{batch: &batch{Validator: t.Validator, Subject: t.Subject}, role: t.role,
		byToken: true, as: borrower{agent: sessionName}}
	a := t.try(ctx, p)
	if a.ok() {
		f := rolebroker.Finding{Code: rolebroker.ValidAssumable, RequestID: a.requestID,
			SessionName: p.as.sessionName(), RefusedAgent: p.refusedAgent}
		if f.RefusedAgent != "" {
			f.Code = rolebroker.ValidAgentRefused
		}
		f, _ = p.withPolicies(ctx, f)
		return f
	}
	code, known := tokenCodes()[a.refusal.Kind]
	if !known {
		code = rolebroker.ValidRejected
	}
	return rolebroker.Finding{Code: code, Refusal: a.refusal, RequestID: a.requestID}
}

// tokenCodes are what refusals of a token mean.
func tokenCodes() map[rolebroker.RefusalKind]rolebroker.ValidationCode {
	return map[rolebroker.RefusalKind]rolebroker.ValidationCode{
		rolebroker.RefusedDenied:          rolebroker.ValidDenied,
		rolebroker.RefusedThrottled:       rolebroker.ValidThrottled,
		rolebroker.RefusedUnreachable:     rolebroker.ValidUnreachable,
		rolebroker.RefusedIdentity:        rolebroker.ValidIdentityInvalid,
		rolebroker.RefusedIdentityExpired: rolebroker.ValidIdentityExpired,
		rolebroker.RefusedNoIdentity:      rolebroker.ValidNoIdentity,
		rolebroker.RefusedDuration:        rolebroker.ValidDurationMaximum,
		rolebroker.RefusedRegion:          rolebroker.ValidRegionDisabled,
		rolebroker.RefusedIssuer:          rolebroker.ValidIssuerUnreachable,
		rolebroker.RefusedNoProvider:      rolebroker.ValidNoProvider,
		rolebroker.RefusedAudience:        rolebroker.ValidAudience,
	}
}

// try calls STS, also in the names of agents if it denies, and again for a while: a change in IAM takes some seconds to
// be known everywhere.
func (t tokenProbe) try(ctx context.Context, p *probe) answer {
	patience := t.patienceFor(t.Subject)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		// AssumeRoleWithWebIdentity takes neither external ID, source identity nor tags.
		a := p.try(ctx, p.assumption())
		if a.is(rolebroker.RefusedDenied) && p.findName(ctx) {
			a = p.try(ctx, p.assumption())
		}
		pause = min(pause, patience)
		if !a.is(rolebroker.RefusedDenied) || pause <= 0 || !waited(ctx, pause) {
			return a
		}
		patience -= pause
	}
}

// waited waits for d. It is false if ctx ended before that.
func waited(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
