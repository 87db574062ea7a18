package validate

import (
	"context"
	"fmt"
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
	a := t.try(ctx)
	if a.ok() {
		return rolebroker.Finding{Code: rolebroker.ValidAssumable, RequestID: a.requestID}
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
	}
}

// adviseToken is the hint for a refusal of a token.
func (w words) adviseToken(kind rolebroker.RefusalKind) rolebroker.Hint {
	switch kind {
	case rolebroker.RefusedIdentity:
		return w.hintProvider("")
	case rolebroker.RefusedIdentityExpired:
		return rolebroker.Hintf("Kubernetes renews a projected token in its file; " +
			"check that the volume is a projected one, and the clock of the node")
	case rolebroker.RefusedNoIdentity:
		return rolebroker.Hintf("mount a projected service-account token for the audience sts.amazonaws.com, " +
			"and name its file with --web-identity-token-file")
	case rolebroker.RefusedDuration:
		return rolebroker.Hintf("shorten the role's session duration, or raise its maximum session duration in IAM")
	case rolebroker.RefusedRegion:
		return rolebroker.Hintf("activate the region in that account, or give the role another region")
	case rolebroker.RefusedUnreachable:
		return rolebroker.Hintf("check whether the cluster can reach STS there, by HTTPS and perhaps through a proxy")
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

// hintTokenTrust lists what AWS does not tell apart.
func (w words) hintTokenTrust() rolebroker.Hint {
	hint := rolebroker.Hint{
		{Text: "AWS gives one answer for all of these; check them in this order:"},
		{Text: fmt.Sprintf("1. the role is there, in account %s, and its ARN is written as here, with its path:",
			w.role.ARN.Account),
			Command: rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", w.role.ARN.Name)}}
	hint = append(hint,
		w.fromSetup("2. its trust policy has this statement, for "+w.by.String()+" of this cluster:")...)
	return append(hint, w.hintProvider("3. ")...)
}

func (w words) hintProvider(number string) rolebroker.Hint {
	return rolebroker.Hint{{
		Text: fmt.Sprintf("%saccount %s has an IAM OpenID Connect provider for the issuer of the cluster's tokens, "+
			"with the audience sts.amazonaws.com; the runner reports the issuer %s:",
			number, w.role.ARN.Account, rolebroker.Quote(w.by.Account.Issuer)),
		Command: rolebroker.ShellCommand("aws", "iam", "list-open-id-connect-providers")}}
}
