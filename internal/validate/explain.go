package validate

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
)

// verdict is a validation without its hint and time.
func verdict(status rolebroker.ValidationStatus, code rolebroker.ValidationCode, a answer, format string, args ...any) rolebroker.Validation {
	return rolebroker.Validation{Status: status, Code: code, RequestID: a.requestID, Message: fmt.Sprintf(format, args...)}
}

func failed(code rolebroker.ValidationCode, a answer, format string, args ...any) rolebroker.Validation {
	return verdict(rolebroker.StatusFailed, code, a, format, args...)
}

// words are AWS's. Its request ID stands beside them.
func (a answer) words() string {
	if a.refusal.Code == "" {
		return a.refusal.Message
	}
	return a.refusal.Code + ": " + a.refusal.Message
}

func hinted(v rolebroker.Validation, hint rolebroker.Hint) rolebroker.Validation {
	v.Hint = hint
	return v
}

// withoutAsking is what can be said of the role before STS is asked.
func (p *probe) withoutAsking() (v rolebroker.Validation, certain bool) {
	code, err := p.role.Unassumable()
	switch {
	case p.Integration.AssumptionMode != rolebroker.ModePlatform:
		return hinted(verdict(rolebroker.StatusUnknown, rolebroker.ValidClusterMode, answer{},
			"the role is assumed in your cluster; this server cannot know whether that works"), hintCluster), true
	case err != nil:
		return hinted(failed(code, answer{}, "%s", err), p.hintFor(code)), true
	case p.problem != nil:
		return p.noIdentity(answer{refusal: p.problem, requestID: p.problem.RequestID}), true
	case p.platform.IsRoot():
		return hinted(failed(rolebroker.ValidIdentityRoot, answer{}, "this server is the root user of account %s, and AWS lets no root user assume a role", p.platform.Account), hintRoot), true
	case p.platform.ARN != "" && p.platform.Partition() != p.role.ARN.Partition:
		return hinted(failed(rolebroker.ValidPartition, answer{}, "the role is in the partition %s and this server's AWS identity is in %s; nobody can assume a role across partitions",
			p.role.ARN.Partition, p.platform.Partition()), hintPartition), true
	}
	return rolebroker.Validation{}, false
}

// notChecked is for a role whose turn did not come.
func (p *probe) notChecked() rolebroker.Validation {
	return hinted(verdict(rolebroker.StatusUnknown, rolebroker.ValidNotChecked, answer{}, "the validation ended before this role was tried"), p.hintAgain())
}

// assumed is for a role that was assumed; what is open about it is a warning.
// It is not certain when STS did not say all that was asked.
func (p *probe) assumed(ctx context.Context, a answer, open opening) (v rolebroker.Validation, certain bool) {
	status := rolebroker.StatusWarning
	if p.RequireExternalID {
		status = rolebroker.StatusFailed
	}
	const harm = "whoever may add roles to this platform could have it"
	switch {
	case open.without.ok():
		return hinted(verdict(status, rolebroker.ValidExternalIDOpen, open.without, "the role can also be assumed without an external ID; %s", harm), p.hintOpen()), true
	case open.wrong.ok():
		return hinted(verdict(status, rolebroker.ValidExternalIDOpen, open.wrong, "the role can also be assumed with a wrong external ID; %s", harm), p.hintOpen()), true
	}
	ours := p.assumption()
	if next := p.Integration.NextExternalID; next != "" {
		switch b := p.try(ctx, with(ours, next)); {
		case b.temporary():
			return p.half(b, "whether also with the external ID that the integration is being changed to"), false
		case !b.ok():
			return hinted(verdict(rolebroker.StatusWarning, rolebroker.ValidNextExternalID, b,
				"the role can be assumed, but not with the external ID that the integration is being changed to"), p.hintNext()), true
		}
	}
	for _, earlier := range p.Earlier[:min(len(p.Earlier), MaxEarlier)] {
		switch b := p.try(ctx, with(ours, earlier)); {
		case b.temporary():
			return p.half(b, "whether also with an earlier external ID"), false
		case b.ok():
			return hinted(verdict(rolebroker.StatusWarning, rolebroker.ValidExternalIDPrevious, b,
				"the role can be assumed, and with an earlier external ID of the integration too"), p.hintPrevious(earlier)), true
		}
	}
	return verdict(rolebroker.StatusAssumable, rolebroker.ValidAssumable, a, "the role can be assumed, and only with the external ID of this integration"), true
}

// unclear is for a role that was assumed while STS did not say whether others
// could too.
func (p *probe) unclear(open opening) rolebroker.Validation {
	b := open.without
	if !b.temporary() {
		b = open.wrong
	}
	return p.half(b, "whether also without the external ID")
}

// half is for a role that was assumed, of which something else was not answered.
func (p *probe) half(b answer, what string) rolebroker.Validation {
	v := p.unanswered(b)
	v.Message = "the role can be assumed; " + what + " could not be found out: " + v.Message
	return v
}

// unanswered is for an STS that cannot be asked now.
func (p *probe) unanswered(a answer) rolebroker.Validation {
	if a.is(rolebroker.RefusedThrottled) {
		return hinted(verdict(rolebroker.StatusUnknown, rolebroker.ValidThrottled, a, "STS is throttling this server's calls"), p.hintAgain())
	}
	return hinted(verdict(rolebroker.StatusUnknown, rolebroker.ValidUnreachable, a, "STS in %s gave no answer: %s", p.role.Region, a.words()), p.hintReach())
}

// explain says why the role was refused, and what to do about it.
func (p *probe) explain(ctx context.Context, a answer, open opening) rolebroker.Validation {
	switch a.refusal.Kind {
	case rolebroker.RefusedDenied:
		return p.denied(ctx, a, open)
	case rolebroker.RefusedDuration:
		return p.tooLong(ctx, a)
	case rolebroker.RefusedRegion:
		return hinted(failed(rolebroker.ValidRegionDisabled, a, "STS is not activated in %s for account %s", p.role.Region, p.role.ARN.Account), p.hintRegion())
	case rolebroker.RefusedNoIdentity, rolebroker.RefusedIdentityExpired, rolebroker.RefusedIdentity:
		return p.noIdentity(a)
	}
	return hinted(failed(rolebroker.ValidRejected, a, "STS refuses the role: %s", a.words()), p.hintSetup())
}

// noIdentity is for what is wrong with ourselves.
func (p *probe) noIdentity(a answer) rolebroker.Validation {
	if p.platform.ARN != "" && a.refusal.Kind == rolebroker.RefusedIdentity {
		return hinted(failed(rolebroker.ValidIdentityRegion, a, "AWS does not accept this server's own credentials in %s, and does elsewhere: %s", p.role.Region, a.words()), p.hintIdentityRegion())
	}
	switch a.refusal.Kind {
	case rolebroker.RefusedNoIdentity:
		return hinted(failed(rolebroker.ValidNoIdentity, a, "%s", a.words()), a.refusal.Kind.Hint())
	case rolebroker.RefusedIdentityExpired:
		return hinted(failed(rolebroker.ValidIdentityExpired, a, "this server's own AWS credentials have expired: %s", a.words()), a.refusal.Kind.Hint())
	}
	return hinted(failed(rolebroker.ValidIdentityInvalid, a, "AWS does not accept this server's own credentials: %s", a.words()), a.refusal.Kind.Hint())
}

// tooLong tells the role's maximum from the hour of role chaining, by asking
// for an hour.
func (p *probe) tooLong(ctx context.Context, a answer) rolebroker.Validation {
	wanted := rolebroker.ShortDuration(p.role.Duration())
	switch b := p.search(ctx, lasting(p.assumption(), time.Hour)); {
	case b.temporary():
		return p.unanswered(b)
	case !b.ok() && !b.is(rolebroker.RefusedDuration):
		return p.explain(ctx, b, opening{without: b, wrong: b}) // something else is wrong too, and comes first
	}
	if p.platform.IsRoleSession() || a.refusal.Chained {
		return hinted(failed(rolebroker.ValidDurationChaining, a,
			"sessions of %s were asked for; this server is itself the session of a role, and AWS gives those that it assumes an hour at most", wanted), p.hintHour())
	}
	return hinted(failed(rolebroker.ValidDurationMaximum, a, "sessions of %s were asked for, and the role's maximum session duration is less", wanted), p.hintMaximum())
}

// denied finds out what a denial is about, as far as that can be found out.
func (p *probe) denied(ctx context.Context, a answer, open opening) rolebroker.Validation {
	ours := p.assumption()
	switch {
	case open.without.temporary():
		return p.unanswered(open.without)
	case open.without.ok():
		return hinted(failed(rolebroker.ValidExternalIDRefused, open.without,
			"the role can be assumed without an external ID and not with this integration's, which is always sent"), p.hintOpen())
	}
	if v, found := p.attribution(ctx, ours); found {
		return v
	}
	if next := p.Integration.NextExternalID; next != "" && p.search(ctx, with(ours, next)).ok() {
		return hinted(failed(rolebroker.ValidExternalIDAhead, a,
			"the role accepts the external ID that the integration is being changed to, and no longer the current one"), p.hintAhead())
	}
	for _, earlier := range p.Earlier[:min(len(p.Earlier), MaxEarlier)] {
		if p.search(ctx, with(untagged(anonymous(ours)), earlier)).ok() {
			return hinted(failed(rolebroker.ValidExternalIDOutdated, a,
				"the role's trust policy asks for an earlier external ID of this integration, and not for the current one"), p.hintOutdated(earlier))
		}
	}
	if p.doubt != nil {
		return p.unanswered(*p.doubt)
	}
	return p.reason(a)
}

// attribution says whether it is the session tags or the source identity that
// the role does not let us set.
func (p *probe) attribution(ctx context.Context, ours rolebroker.Assumption) (v rolebroker.Validation, found bool) {
	if !p.Integration.SessionTags && !p.Integration.SourceIdentity {
		return v, false
	}
	if !p.search(ctx, untagged(anonymous(ours))).ok() {
		return v, false
	}
	tagged, named := answer{}, answer{}
	if p.Integration.SessionTags {
		tagged = p.search(ctx, anonymous(ours))
	}
	if p.Integration.SourceIdentity {
		named = p.search(ctx, untagged(ours))
	}
	const can = "the role can be assumed, but its trust policy does not allow "
	switch {
	case tagged.is(rolebroker.RefusedDenied) && named.is(rolebroker.RefusedDenied):
		v = failed(rolebroker.ValidTagSessionDenied, tagged, can+"sts:TagSession and sts:SetSourceIdentity, which this integration's attribution needs")
	case tagged.is(rolebroker.RefusedDenied):
		v = failed(rolebroker.ValidTagSessionDenied, tagged, can+"sts:TagSession, which this integration's session tags need")
	case named.is(rolebroker.RefusedDenied):
		v = failed(rolebroker.ValidSourceIdentityDenied, named, can+"sts:SetSourceIdentity, which this integration's source identity needs")
	default:
		return v, false
	}
	return hinted(v, p.hintAttribution()), true
}

// reason goes by the clause in which AWS says what denied, where it says so.
func (p *probe) reason(a answer) rolebroker.Validation {
	words := a.words()
	switch a.refusal.DeniedBy {
	case rolebroker.DeniedByIdentity:
		return hinted(failed(rolebroker.ValidPlatformDenied, a, "this server's own AWS identity may not assume the role: %s", words), p.hintPlatform())
	case rolebroker.DeniedByTrust:
		return hinted(failed(rolebroker.ValidTrustDenied, a, "the role's trust policy does not let this server in: %s", words), p.hintTrust())
	case rolebroker.DeniedByOrganization:
		return hinted(failed(rolebroker.ValidPolicyDenied, a, "a policy of the organization or the network denies it: %s", words), hintOrganization)
	}
	return hinted(failed(rolebroker.ValidDenied, a, "AWS does not let this server assume the role, and does not say why: %s", words), p.hintDenied())
}
