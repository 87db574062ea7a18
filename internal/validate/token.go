package validate

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// WithToken validates every role of the subject where they are assumed with the
// token of a Kubernetes service account, by IAM roles for service accounts. That
// knows no external ID: what a trust policy names is the service account itself.
// The answer is in the order of the roles; those for which ctx ended are unknown.
func (v *Validator) WithToken(ctx context.Context, s Subject, account rolebroker.ServiceAccount) []rolebroker.RoleValidation {
	results := make([]rolebroker.RoleValidation, len(s.Integration.Roles))
	var group errgroup.Group
	group.SetLimit(v.concurrency)
	for i, role := range s.Integration.Roles {
		group.Go(func() error {
			t := tokenProbe{v, s, account, role}
			results[i] = rolebroker.RoleValidation{Index: i, Role: role, Validation: t.validate(ctx)}
			results[i].CheckedAt = v.now()
			return nil
		})
	}
	_ = group.Wait() // what goes wrong is in the results
	return results
}

// tokenProbe tries one role.
type tokenProbe struct {
	*Validator
	Subject
	account rolebroker.ServiceAccount
	role    rolebroker.Role
}

func (t tokenProbe) validate(ctx context.Context) rolebroker.Validation {
	if code, err := t.role.Unassumable(); err != nil {
		return hinted(failed(code, answer{}, "%s", err), rolebroker.Hintf("correct it; the runner tries again when the integration is saved"))
	}
	a := t.try(ctx)
	if a.refusal == nil {
		return verdict(rolebroker.StatusAssumable, rolebroker.ValidAssumable, a, "the role can be assumed with the token of the service account %s", t.name())
	}
	switch a.refusal.Kind {
	case rolebroker.RefusedDenied:
		return hinted(failed(rolebroker.ValidDenied, a, "AWS does not let the service account %s assume the role, and does not say why: %s", t.name(), a.words()), t.hintTrust())
	case rolebroker.RefusedIdentity:
		return hinted(failed(rolebroker.ValidIdentityInvalid, a, "AWS does not accept the token of the service account %s: %s", t.name(), a.words()), t.hintProvider())
	case rolebroker.RefusedIdentityExpired:
		return hinted(failed(rolebroker.ValidIdentityExpired, a, "the token of the service account %s has expired: %s", t.name(), a.words()),
			rolebroker.Hintf("Kubernetes renews a projected token in its file; look whether the volume is a projected one, and at the clock of the node"))
	case rolebroker.RefusedNoIdentity:
		return hinted(failed(rolebroker.ValidNoIdentity, a, "%s", a.refusal.Message),
			rolebroker.Hintf("mount a projected service-account token for the audience sts.amazonaws.com, and name its file with --web-identity-token-file"))
	case rolebroker.RefusedDuration:
		return hinted(failed(rolebroker.ValidDurationMaximum, a, "AWS does not give sessions of %s: %s", rolebroker.ShortDuration(t.role.Duration()), a.words()),
			rolebroker.Hintf("shorten the role's session duration, or raise its maximum session duration in IAM"))
	case rolebroker.RefusedRegion:
		return hinted(failed(rolebroker.ValidRegionDisabled, a, "STS is not activated in %s for the account of the role: %s", t.role.Region, a.words()),
			rolebroker.Hintf("activate the region in that account, or give the role another region"))
	case rolebroker.RefusedThrottled:
		return verdict(rolebroker.StatusUnknown, rolebroker.ValidThrottled, a, "STS is throttling the runner's calls")
	case rolebroker.RefusedUnreachable:
		return hinted(verdict(rolebroker.StatusUnknown, rolebroker.ValidUnreachable, a, "STS in %s cannot be reached from the runner: %s", t.role.Region, a.words()),
			rolebroker.Hintf("look whether the cluster can reach STS there, by HTTPS and perhaps through a proxy"))
	}
	return hinted(failed(rolebroker.ValidRejected, a, "STS refuses the role: %s", a.words()), rolebroker.Hintf("look up AWS's words; the request ID finds the call"))
}

// try asks, and again for a while when it is denied: IAM takes some time to make
// a change known everywhere.
func (t tokenProbe) try(ctx context.Context) answer {
	as := rolebroker.Assumption{ARN: t.role.ARN, Region: t.role.Region, SessionName: sessionName, Duration: t.role.Duration(), Policy: denyEverything}
	once := &probe{work: &work{Validator: t.Validator, Subject: t.Subject}, role: t.role}
	patience := t.patience
	if t.Impatient {
		patience = 0
	}
	for pause := firstPause; ; pause *= 2 {
		a := once.try(ctx, as)
		if a.refusal == nil || a.refusal.Kind != rolebroker.RefusedDenied || patience < pause || !waited(ctx, pause) {
			return a
		}
		patience -= pause
	}
}

// waited says whether ctx did not end meanwhile.
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

func (t tokenProbe) name() string { return t.account.Namespace + "/" + t.account.Name }

// trust is the setup of this one role.
func (t tokenProbe) trust() setup.Subject {
	return setup.Subject{Integration: t.Integration.Name, Mode: rolebroker.ModeCluster, Roles: []rolebroker.Role{t.role},
		Request: rolebroker.SetupRequest{Cluster: rolebroker.ClusterIdentity{Variant: rolebroker.ClusterIRSA, Issuer: t.account.Issuer,
			Namespace: t.account.Namespace, ServiceAccount: t.account.Name}}.WithDefaults()}
}

func (t tokenProbe) hintTrust() rolebroker.Hint {
	provider := t.hintProvider()
	provider[0].Text = "3. " + provider[0].Text
	return append(rolebroker.Hint{
		{Text: "AWS gives one answer for all of these; check them in this order:"},
		{Text: fmt.Sprintf("1. the role is there, in account %s, and its ARN is written as here, with its path:", t.role.ARN.Account),
			Command: command("aws", "iam", "get-role", "--role-name", t.role.ARN.Name)},
		{Text: "2. its trust policy has this statement:", Policy: t.trust().Statement(t.role)},
	}, provider...)
}

func (t tokenProbe) hintProvider() rolebroker.Hint {
	return rolebroker.Hint{{
		Text: fmt.Sprintf("account %s has an IAM OpenID Connect provider for %s, with the audience sts.amazonaws.com:",
			t.role.ARN.Account, t.account.Issuer),
		Command: command("aws", "iam", "list-open-id-connect-providers")}}
}
