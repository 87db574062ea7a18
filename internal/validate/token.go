package validate

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
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
			t := tokenProbe{v, s, rolebroker.Party{Runner: v.by.Runner, Account: account}, role}
			results[i] = rolebroker.RoleValidation{Index: i, Role: role, Validation: t.validate(ctx)}
			results[i].CheckedAt = v.now()
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
	by   rolebroker.Party // the service account
	role rolebroker.Role
}

func (t tokenProbe) validate(ctx context.Context) rolebroker.Validation {
	if code, err := t.role.Unassumable(); err != nil {
		hint := rolebroker.Hintf("correct it; the runner tries again when the integration is saved")
		return failed(code, answer{}, hint, "%s", err)
	}
	a := t.try(ctx)
	if a.ok() {
		return outcome(rolebroker.StatusAssumable, rolebroker.ValidAssumable, a, nil,
			"the role can be assumed with the token of %s", t.by)
	}
	switch a.refusal.Kind {
	case rolebroker.RefusedDenied:
		return failed(rolebroker.ValidDenied, a, t.hintTrust(), "%s, and does not say why: %s",
			a.refusal.Explain(t.by, t.role, "the role"), a.refusal.Reason())
	case rolebroker.RefusedThrottled:
		return unknown(rolebroker.ValidThrottled, a, nil, "%s", a.refusal.Explain(t.by, t.role, "the role"))
	case rolebroker.RefusedUnreachable:
		return unknown(rolebroker.ValidUnreachable, a, t.advise(a.refusal), "%s", explain(a, t.by, t.role))
	}
	return failed(tokenCode(a.refusal.Kind), a, t.advise(a.refusal), "%s", explain(a, t.by, t.role))
}

// tokenCode is what a refusal of a token means.
func tokenCode(kind rolebroker.RefusalKind) rolebroker.ValidationCode {
	switch kind {
	case rolebroker.RefusedIdentity:
		return rolebroker.ValidIdentityInvalid
	case rolebroker.RefusedIdentityExpired:
		return rolebroker.ValidIdentityExpired
	case rolebroker.RefusedNoIdentity:
		return rolebroker.ValidNoIdentity
	case rolebroker.RefusedDuration:
		return rolebroker.ValidDurationMaximum
	case rolebroker.RefusedRegion:
		return rolebroker.ValidRegionDisabled
	}
	return rolebroker.ValidRejected
}

// advise is the hint for a refusal of a token.
func (t tokenProbe) advise(r *rolebroker.Refusal) rolebroker.Hint {
	switch r.Kind {
	case rolebroker.RefusedIdentity:
		return t.hintProvider()
	case rolebroker.RefusedIdentityExpired:
		return rolebroker.Hintf("Kubernetes renews a projected token in its file; " +
			"look whether the volume is a projected one, and at the clock of the node")
	case rolebroker.RefusedNoIdentity:
		return rolebroker.Hintf("mount a projected service-account token for the audience sts.amazonaws.com, " +
			"and name its file with --web-identity-token-file")
	case rolebroker.RefusedDuration:
		return rolebroker.Hintf("shorten the role's session duration, or raise its maximum session duration in IAM")
	case rolebroker.RefusedRegion:
		return rolebroker.Hintf("activate the region in that account, or give the role another region")
	case rolebroker.RefusedUnreachable:
		return rolebroker.Hintf("look whether the cluster can reach STS there, by HTTPS and perhaps through a proxy")
	}
	return rolebroker.Hintf("look up AWS's words; the request ID finds the call")
}

// try calls STS, and again for a while if it denies: a change in IAM takes some seconds to be known everywhere.
func (t tokenProbe) try(ctx context.Context) answer {
	once := &probe{batch: &batch{Validator: t.Validator, Subject: t.Subject}, role: t.role}
	call := once.assumption() // AssumeRoleWithWebIdentity takes neither external ID, source identity nor tags
	patience := t.patience
	if t.Impatient {
		patience = 0
	}
	for pause := firstPause; ; pause *= 2 {
		a := once.try(ctx, call)
		if !a.is(rolebroker.RefusedDenied) || patience < pause || !waited(ctx, pause) {
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

// trust is what internal/setup writes the statement of this role from.
func (t tokenProbe) trust() setup.Subject {
	return setup.Subject{Integration: t.Integration.Name, Mode: rolebroker.ModeCluster,
		Roles: []rolebroker.Role{t.role},
		Request: rolebroker.SetupRequest{Cluster: rolebroker.ClusterIdentity{Variant: rolebroker.ClusterIRSA,
			Issuer:    t.by.Account.Issuer,
			Namespace: t.by.Account.Namespace, ServiceAccount: t.by.Account.Name}}.WithDefaults()}
}

func (t tokenProbe) hintTrust() rolebroker.Hint {
	provider := t.hintProvider()
	provider[0].Text = "3. " + provider[0].Text
	return append(rolebroker.Hint{
		{Text: "AWS gives one answer for all of these; check them in this order:"},
		{Text: fmt.Sprintf("1. the role is there, in account %s, and its ARN is written as here, with its path:",
			t.role.ARN.Account),
			Command: rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", t.role.ARN.Name)},
		{Text: "2. its trust policy has this statement:", Policy: t.trust().Statement(t.role)},
	}, provider...)
}

func (t tokenProbe) hintProvider() rolebroker.Hint {
	return rolebroker.Hint{{
		Text: fmt.Sprintf("account %s has an IAM OpenID Connect provider for %s, with the audience sts.amazonaws.com:",
			t.role.ARN.Account, t.by.Account.Issuer),
		Command: rolebroker.ShellCommand("aws", "iam", "list-open-id-connect-providers")}}
}
