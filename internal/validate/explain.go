package validate

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
)

// outcome makes a validation. Its request ID is that of a, the answer that decided.
func outcome(
	status rolebroker.ValidationStatus, code rolebroker.ValidationCode, a answer, hint rolebroker.Hint,
	format string, args ...any,
) rolebroker.Validation {
	message := fmt.Sprintf(format, args...)
	return rolebroker.Validation{Status: status, Code: code, Message: message, Hint: hint, RequestID: a.requestID}
}

func failed(
	code rolebroker.ValidationCode, a answer, hint rolebroker.Hint, format string, args ...any,
) rolebroker.Validation {
	return outcome(rolebroker.StatusFailed, code, a, hint, format, args...)
}

func unknown(
	code rolebroker.ValidationCode, a answer, hint rolebroker.Hint, format string, args ...any,
) rolebroker.Validation {
	return outcome(rolebroker.StatusUnknown, code, a, hint, format, args...)
}

// explain is the sentence for a refusal, with AWS's own words after a colon.
func explain(a answer, by rolebroker.Party, role rolebroker.Role) string {
	return a.refusal.Explain(by, role, "the role") + ": " + a.refusal.Reason()
}

// withoutAsking is the outcome for a role about which STS need not be asked. certain is false if STS has to be asked.
func (p *probe) withoutAsking() (v rolebroker.Validation, certain bool) {
	code, err := p.role.Unassumable()
	switch {
	case p.Integration.AssumptionMode != rolebroker.ModePlatform:
		return unknown(rolebroker.ValidClusterMode, answer{}, hintCluster(),
			"the role is assumed in your cluster; the server cannot know whether that works"), true
	case err != nil:
		return failed(code, answer{}, p.hintUnassumable(code), "%s", err), true
	case p.noIdentity != nil:
		return p.wrongIdentity(answer{refusal: p.noIdentity, requestID: p.noIdentity.RequestID}), true
	case p.identity.IsRoot():
		return failed(rolebroker.ValidIdentityRoot, answer{}, p.hintRoot(),
				"%s is the root user of account %s, and AWS lets no root user assume a role", p.by, p.identity.Account),
			true
	case p.identity.ARN != "" && p.identity.Partition() != p.role.ARN.Partition:
		return failed(rolebroker.ValidPartition, answer{}, p.hintPartition(),
			"the role is in the partition %s and %s's AWS identity is in %s; nobody can assume a "+
				"role across partitions",
			p.role.ARN.Partition, p.by, p.identity.Partition()), true
	}
	return rolebroker.Validation{}, false
}

// notChecked is the outcome for a role that was not tried in time.
func (p *probe) notChecked() rolebroker.Validation {
	return unknown(rolebroker.ValidNotChecked, answer{}, p.hintAgain(),
		"the validation ended before this role was tried")
}

// assumed is the outcome for a role that was assumed: a warning if others can assume it too. It is not certain if STS
// did not answer every call.
func (p *probe) assumed(ctx context.Context, a answer, open opening) (v rolebroker.Validation, certain bool) {
	status := rolebroker.StatusWarning
	if p.RequireExternalID {
		status = rolebroker.StatusFailed
	}
	const harm = "whoever may add roles to this platform could have it"
	switch {
	case open.without.ok():
		return outcome(status, rolebroker.ValidExternalIDOpen, open.without, p.hintOpen(),
			"the role can also be assumed without an external ID; %s", harm), true
	case open.wrong.ok():
		return outcome(status, rolebroker.ValidExternalIDOpen, open.wrong, p.hintOpen(),
			"the role can also be assumed with a wrong external ID; %s", harm), true
	}
	call := p.assumption()
	if next := p.Integration.NextExternalID; next != "" {
		switch b := p.try(ctx, withExternalID(call, next)); {
		case b.temporary():
			return p.assumedButUnclear(b, "whether also with the external ID that the integration is being changed to"),
				false
		case !b.ok():
			return outcome(rolebroker.StatusWarning, rolebroker.ValidNextExternalID, b, p.hintNext(),
				"the role can be assumed, but not with the external ID that the integration is being changed to"), true
		}
	}
	for _, earlier := range p.earlier() {
		switch b := p.try(ctx, withExternalID(call, earlier)); {
		case b.temporary():
			return p.assumedButUnclear(b, "whether also with an earlier external ID"), false
		case b.ok():
			return outcome(rolebroker.StatusWarning, rolebroker.ValidExternalIDPrevious, b, p.hintPrevious(earlier),
				"the role can be assumed, and with an earlier external ID of the integration too"), true
		}
	}
	return outcome(rolebroker.StatusAssumable, rolebroker.ValidAssumable, a, nil,
		"the role can be assumed, and only with the external ID of this integration"), true
}

// earlier are the earlier external IDs that are tried, the newest first.
func (p *probe) earlier() []string { return p.Earlier[:min(len(p.Earlier), MaxEarlier)] }

// assumedButUnclear is the outcome for a role that was assumed while STS did not answer b, which asked for what.
func (p *probe) assumedButUnclear(b answer, what string) rolebroker.Validation {
	v := p.unanswered(b)
	v.Message = "the role can be assumed; " + what + " could not be found out: " + v.Message
	return v
}

// unanswered is the outcome when STS cannot be asked now.
func (p *probe) unanswered(a answer) rolebroker.Validation {
	if a.is(rolebroker.RefusedThrottled) {
		return unknown(rolebroker.ValidThrottled, a, p.hintAgain(), "%s", a.refusal.Explain(p.by, p.role, "the role"))
	}
	return unknown(rolebroker.ValidUnreachable, a, p.hintReach(), "%s", explain(a, p.by, p.role))
}

// refused is the outcome for a role that STS refused: why, and what to do about it.
func (p *probe) refused(ctx context.Context, a answer, open opening) rolebroker.Validation {
	switch a.refusal.Kind {
	case rolebroker.RefusedDenied:
		return p.denied(ctx, a, open)
	case rolebroker.RefusedDuration:
		return p.tooLong(ctx, a)
	case rolebroker.RefusedRegion:
		return failed(rolebroker.ValidRegionDisabled, a, p.hintRegion(), "%s",
			a.refusal.Explain(p.by, p.role, "the role"))
	case rolebroker.RefusedNoIdentity, rolebroker.RefusedIdentityExpired, rolebroker.RefusedIdentity:
		return p.wrongIdentity(a)
	}
	return failed(rolebroker.ValidRejected, a, p.hintSetup(), "%s", explain(a, p.by, p.role))
}

// wrongIdentity is the outcome when our own AWS identity is missing or not accepted.
func (p *probe) wrongIdentity(a answer) rolebroker.Validation {
	switch {
	case p.identity.ARN != "" && a.is(rolebroker.RefusedIdentity):
		return failed(rolebroker.ValidIdentityRegion, a, p.hintIdentityRegion(),
			"AWS does not accept %s's own AWS credentials in %s, and does elsewhere: %s", p.by, p.role.Region,
			a.refusal.Reason())
	case a.is(rolebroker.RefusedNoIdentity):
		return failed(rolebroker.ValidNoIdentity, a, a.refusal.Advise(p.by), "%s", explain(a, p.by, p.role))
	case a.is(rolebroker.RefusedIdentityExpired):
		return failed(rolebroker.ValidIdentityExpired, a, a.refusal.Advise(p.by), "%s", explain(a, p.by, p.role))
	}
	return failed(rolebroker.ValidIdentityInvalid, a, a.refusal.Advise(p.by), "%s", explain(a, p.by, p.role))
}

// tooLong tells the role's maximum from the hour of role chaining, by asking for an hour.
func (p *probe) tooLong(ctx context.Context, a answer) rolebroker.Validation {
	duration := rolebroker.ShortDuration(p.role.Duration())
	switch b := p.search(ctx, withDuration(p.assumption(), time.Hour)); {
	case b.temporary():
		return p.unanswered(b)
	case !b.ok() && !b.is(rolebroker.RefusedDuration):
		return p.refused(ctx, b, opening{without: b, wrong: b}) // something else is wrong too, and comes first
	}
	if p.identity.IsRoleSession() || a.refusal.Chained {
		return failed(rolebroker.ValidDurationChaining, a, p.hintHour(),
			"the role's session duration is %s; %s is itself the session of a role, and AWS limits the sessions "+
				"that it starts to an hour",
			duration, p.by)
	}
	return failed(rolebroker.ValidDurationMaximum, a, p.hintMaximum(),
		"the role's session duration is %s, and its maximum session duration in IAM is less", duration)
}

// denied finds out which part of the trust policy or of the integration causes a denial, as far as calls can tell.
func (p *probe) denied(ctx context.Context, a answer, open opening) rolebroker.Validation {
	call := p.assumption()
	switch {
	case open.without.temporary():
		return p.unanswered(open.without)
	case open.without.ok():
		return failed(rolebroker.ValidExternalIDRefused, open.without, p.hintOpen(),
			"the role can be assumed without an external ID and not with this integration's, which is always sent")
	}
	if v, found := p.attribution(ctx, call); found {
		return v
	}
	if next := p.Integration.NextExternalID; next != "" && p.search(ctx, withExternalID(call, next)).ok() {
		return failed(rolebroker.ValidExternalIDAhead, a, p.hintAhead(),
			"the role accepts the external ID that the integration is being changed to, and no longer the current one")
	}
	for _, earlier := range p.earlier() {
		if p.search(ctx, withExternalID(withoutTags(withoutSourceIdentity(call)), earlier)).ok() {
			return failed(rolebroker.ValidExternalIDOutdated, a, p.hintOutdated(earlier),
				"the role's trust policy requires an earlier external ID of this integration, and not the current one")
		}
	}
	if p.unclear != nil {
		return p.unanswered(*p.unclear)
	}
	return p.deniedBy(a)
}

// attribution finds out whether the role refuses the session tags or the source identity.
func (p *probe) attribution(ctx context.Context, call rolebroker.Assumption) (v rolebroker.Validation, found bool) {
	if !p.Integration.SessionTags && !p.Integration.SourceIdentity {
		return v, false
	}
	if !p.search(ctx, withoutTags(withoutSourceIdentity(call))).ok() {
		return v, false
	}
	tagged, named := answer{}, answer{}
	if p.Integration.SessionTags {
		tagged = p.search(ctx, withoutSourceIdentity(call))
	}
	if p.Integration.SourceIdentity {
		named = p.search(ctx, withoutTags(call))
	}
	const can = "the role can be assumed, but its trust policy does not allow "
	tagsDenied, nameDenied := tagged.is(rolebroker.RefusedDenied), named.is(rolebroker.RefusedDenied)
	switch {
	case tagsDenied && nameDenied:
		return failed(rolebroker.ValidTagSessionDenied, tagged, p.hintAttribution(),
			can+"sts:TagSession and sts:SetSourceIdentity, which this integration's attribution needs"), true
	case tagsDenied:
		return failed(rolebroker.ValidTagSessionDenied, tagged, p.hintAttribution(),
			can+"sts:TagSession, which this integration's session tags need"), true
	case nameDenied:
		return failed(rolebroker.ValidSourceIdentityDenied, named, p.hintAttribution(),
			can+"sts:SetSourceIdentity, which this integration's source identity needs"), true
	}
	return v, false
}

// deniedBy goes by the clause in which AWS says which policy denied, if there is one.
func (p *probe) deniedBy(a answer) rolebroker.Validation {
	switch a.refusal.DeniedBy {
	case rolebroker.DeniedByIdentity:
		return failed(rolebroker.ValidPlatformDenied, a, p.hintPlatform(),
			"%s's own AWS identity may not assume the role: %s", p.by, a.refusal.Reason())
	case rolebroker.DeniedByTrust:
		return failed(rolebroker.ValidTrustDenied, a, p.hintTrust(),
			"the role's trust policy does not let %s in: %s", p.by, a.refusal.Reason())
	case rolebroker.DeniedByOrganization:
		return failed(rolebroker.ValidPolicyDenied, a, hintOrganization(),
			"a policy of the organization or the network denies it: %s", a.refusal.Reason())
	}
	return failed(rolebroker.ValidDenied, a, p.hintDenied(), "%s, and does not say why: %s",
		a.refusal.Explain(p.by, p.role, "the role"), a.refusal.Reason())
}
