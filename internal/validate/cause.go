package validate

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// found makes a finding. a is the answer that decided; it may be empty.
func (p *probe) found(code rolebroker.ValidationCode, a answer) rolebroker.Finding {
	return rolebroker.Finding{Code: code, Method: rolebroker.MethodAssumeRole, Identity: p.identity, Probe: a.probe,
		Refusal: a.refusal, RequestID: a.requestID, SessionName: p.as.sessionName()}
}

// withoutAsking is the finding for a role about which STS need not be asked. certain is false if STS has to be asked.
func (p *probe) withoutAsking() (f rolebroker.Finding, certain bool) {
	code, err := p.role.Unassumable()
	switch {
	case p.Integration.AssumptionMode != rolebroker.ModePlatform:
		return p.found(rolebroker.ValidClusterMode, answer{}), true
	case err != nil:
		return p.found(code, answer{}), true
	case p.noIdentity != nil:
		return p.wrongIdentity(answer{refusal: p.noIdentity, requestID: p.noIdentity.RequestID}), true
	case p.identity.IsRoot():
		return p.found(rolebroker.ValidIdentityRoot, answer{}), true
	case p.identity.ARN != "" && p.identity.Partition() != p.role.ARN.Partition:
		return p.found(rolebroker.ValidPartition, answer{}), true
	}
	return rolebroker.Finding{}, false
}

// notChecked is the finding for a role that was not tried in time.
func (p *probe) notChecked() rolebroker.Finding { return p.found(rolebroker.ValidNotChecked, answer{}) }

// assumed is the finding for a role that was assumed: whether others can assume it too, and whether its trust policy
// allows a source identity, and whether the session policies of connections fit. It is not certain if STS did not
// answer every call.
func (p *probe) assumed(ctx context.Context, a answer, more extra) (f rolebroker.Finding, certain bool) {
	f, certain = p.openness(ctx, a, more)
	f.RefusedAgent = p.refusedAgent
	if f.Code == rolebroker.ValidAssumable && f.RefusedAgent != "" {
		f.Code = rolebroker.ValidAgentRefused
	}
	if f.NoSourceIdentity = more.lacksSourceIdentity(); f.NoSourceIdentity && f.Code == rolebroker.ValidAssumable {
		f.Code, f.Probe, f.RequestID = rolebroker.ValidSourceIdentityDenied, more.named.probe, more.named.requestID
		f.OwnSide = p.ownSide(ctx, more.named.refusal, string(rolebroker.ActionSetSourceIdentity))
	}
	if !certain {
		return f, false
	}
	return p.withPolicies(ctx, f)
}

// openness is the finding for a role that was assumed, as far as it is about external IDs.
func (p *probe) openness(ctx context.Context, a answer, more extra) (f rolebroker.Finding, certain bool) {
	for _, b := range []answer{more.without, more.wrong} {
		if b.ok() {
			return p.found(rolebroker.ValidExternalIDOpen, b), true
		}
	}
	call := p.assumption()
	if next := p.Integration.NextExternalID; next != "" {
		switch b := p.try(ctx, withExternalID(call, next)).as(rolebroker.ProbeNextExternalID); {
		case b.temporary():
			return p.assumedButUnclear(b), false
		case !b.ok():
			return p.found(rolebroker.ValidNextExternalID, b), true
		}
	}
	for _, earlier := range p.earlier() {
		switch b := p.try(ctx, withExternalID(call, earlier)).as(rolebroker.ProbeEarlierExternalID); {
		case b.temporary():
			return p.assumedButUnclear(b), false
		case b.ok():
			f := p.found(rolebroker.ValidExternalIDPrevious, b)
			f.ExternalID = earlier
			return f, true
		}
	}
	return p.found(rolebroker.ValidAssumable, a), true
}

// earlier are the earlier external IDs that are tried, the newest first.
func (p *probe) earlier() []string { return p.Earlier[:min(len(p.Earlier), MaxEarlier)] }

// assumedButUnclear is the finding for a role that was assumed while STS did not answer b.
func (p *probe) assumedButUnclear(b answer) rolebroker.Finding {
	f := p.unanswered(b)
	f.Unclear = true
	return f
}

// unanswered is the finding when STS cannot be asked now.
func (p *probe) unanswered(a answer) rolebroker.Finding {
	switch {
	case a.is(rolebroker.RefusedThrottled):
		return p.found(rolebroker.ValidThrottled, a)
	case a.is(rolebroker.RefusedIssuer):
		return p.found(rolebroker.ValidIssuerUnreachable, a)
	}
	return p.found(rolebroker.ValidUnreachable, a)
}

// refused is the finding for a role that STS refused: why.
func (p *probe) refused(ctx context.Context, a answer, more extra) rolebroker.Finding {
	switch a.refusal.Kind {
	case rolebroker.RefusedDenied:
		return p.denied(ctx, a, more)
	case rolebroker.RefusedDuration:
		return p.tooLong(ctx, a)
	case rolebroker.RefusedRegion:
		return p.found(rolebroker.ValidRegionDisabled, a)
	case rolebroker.RefusedNoIdentity, rolebroker.RefusedIdentityExpired, rolebroker.RefusedIdentity:
		return p.wrongIdentity(a)
	}
	if a.isTooLarge() {
		return p.tooLarge(ctx, a)
	}
	return p.found(rolebroker.ValidRejected, a)
}

// tooLarge is the finding for a role whose session tags leave no space for the session policy of a validation. A loan
// has no such policy.
func (p *probe) tooLarge(ctx context.Context, a answer) rolebroker.Finding {
	f := p.found(rolebroker.ValidPackedPolicy, a)
	if p.Integration.SessionTags {
		switch b := p.search(ctx, withoutTags(p.assumption())); {
		case b.temporary():
			return p.unanswered(b)
		case b.ok():
			f.Unclear = true
		case !b.isTooLarge():
			return p.refused(ctx, b, extra{without: b, wrong: b}) // something else is wrong too, and comes first
		}
	}
	return f
}

// wrongIdentity is the finding when our own AWS identity is missing or not accepted.
func (p *probe) wrongIdentity(a answer) rolebroker.Finding {
	switch {
	case p.identity.ARN != "" && a.is(rolebroker.RefusedIdentity):
		return p.found(rolebroker.ValidIdentityRegion, a)
	case a.is(rolebroker.RefusedNoIdentity):
		return p.found(rolebroker.ValidNoIdentity, a)
	case a.is(rolebroker.RefusedIdentityExpired):
		return p.found(rolebroker.ValidIdentityExpired, a)
	}
	return p.found(rolebroker.ValidIdentityInvalid, a)
}

// tooLong tells the role's maximum from the hour of role chaining, by asking for an hour.
func (p *probe) tooLong(ctx context.Context, a answer) rolebroker.Finding {
	switch b := p.search(ctx, withDuration(p.assumption(), time.Hour)); {
	case b.temporary():
		return p.unanswered(b)
	case !b.ok() && !b.is(rolebroker.RefusedDuration):
		return p.refused(ctx, b, extra{without: b, wrong: b}) // something else is wrong too, and comes first
	}
	if p.identity.IsRoleSession() || a.refusal.Chained {
		return p.found(rolebroker.ValidDurationChaining, a)
	}
	return p.found(rolebroker.ValidDurationMaximum, a)
}

// denied finds out which part of the trust policy or of the integration causes a denial, as far as calls can tell.
func (p *probe) denied(ctx context.Context, a answer, more extra) rolebroker.Finding {
	call := p.assumption()
	switch {
	case more.without.temporary():
		return p.unanswered(more.without)
	case more.without.ok():
		return p.found(rolebroker.ValidExternalIDRefused, more.without)
	}
	if f, found := p.attribution(ctx, a, call); found {
		return f
	}
	if next := p.Integration.NextExternalID; next != "" && p.search(ctx, withExternalID(call, next)).ok() {
		return p.found(rolebroker.ValidExternalIDAhead, a)
	}
	for _, earlier := range p.earlier() {
		if p.search(ctx, withExternalID(withoutTags(withoutSourceIdentity(call)), earlier)).ok() {
			f := p.found(rolebroker.ValidExternalIDOutdated, a)
			f.ExternalID = earlier
			return f
		}
	}
	if p.unclear != nil {
		return p.unanswered(*p.unclear)
	}
	return p.deniedBy(ctx, a)
}

// attribution finds out whether the session tags or the source identity are denied: those of the integration's calls,
// or those that our own session passes on.
func (p *probe) attribution(
	ctx context.Context, a answer, call rolebroker.Assumption,
) (f rolebroker.Finding, found bool) {
	if !p.Integration.SessionTags && !p.Integration.SourceIdentity {
		return p.inherited(ctx, a)
	}
	if plain := p.search(ctx, withoutTags(withoutSourceIdentity(call))); !plain.ok() {
		return p.inherited(ctx, plain)
	}
	tagged, named := answer{}, answer{}
	if p.Integration.SessionTags {
		tagged = p.search(ctx, withoutSourceIdentity(call))
	}
	if p.Integration.SourceIdentity {
		named = p.search(ctx, withoutTags(call))
	}
	noTags, noName := tagged.is(rolebroker.RefusedDenied), named.is(rolebroker.RefusedDenied)
	switch {
	case noTags:
		f = p.lacks(ctx, rolebroker.ValidTagSessionDenied, tagged, noTags, noName)
	case noName:
		f = p.lacks(ctx, rolebroker.ValidSourceIdentityDenied, named, noTags, noName)
	}
	return f, noTags || noName
}

// inherited is the finding for a call without tags and source identity that AWS denies because of them: a session
// passes its transitive tags, as those of EKS Pod Identity are, and its source identity on to every role that it
// assumes.
func (p *probe) inherited(ctx context.Context, a answer) (f rolebroker.Finding, found bool) {
	if a.refusal == nil {
		return f, false
	}
	switch a.refusal.Action {
	case rolebroker.ActionTagSession:
		f = p.lacks(ctx, rolebroker.ValidTagSessionDenied, a, true, false)
	case rolebroker.ActionSetSourceIdentity:
		f = p.lacks(ctx, rolebroker.ValidSourceIdentityDenied, a, false, true)
	default:
		return f, false
	}
	f.Inherited = true
	return f, true
}

// lacks is the finding for a role that would be assumed without tags or source identity. If our own policies are known
// to lack what they need, the code says so.
func (p *probe) lacks(
	ctx context.Context, code rolebroker.ValidationCode, a answer, noTags, noSourceIdentity bool,
) rolebroker.Finding {
	side := p.ownSide(ctx, a.refusal, needed(noTags, noSourceIdentity)...)
	if side == rolebroker.OwnSideDenies {
		code = rolebroker.ValidPlatformDenied
	}
	f := p.found(code, a)
	f.NoTags, f.NoSourceIdentity, f.OwnSide = noTags, noSourceIdentity, side
	return f
}

// deniedBy goes by the clause in which AWS says which policy denied, if there is one, or by what IAM says of our own
// policies.
func (p *probe) deniedBy(ctx context.Context, a answer) rolebroker.Finding {
	switch a.refusal.DeniedBy {
	case rolebroker.DeniedByIdentity:
		return p.found(rolebroker.ValidPlatformDenied, a)
	case rolebroker.DeniedByTrust:
		return p.found(rolebroker.ValidTrustDenied, a)
	case rolebroker.DeniedByOrganization:
		return p.found(rolebroker.ValidPolicyDenied, a)
	}
	f := p.found(rolebroker.ValidDenied, a)
	if f.OwnSide = p.ownSide(ctx, nil, "sts:AssumeRole"); f.OwnSide == rolebroker.OwnSideDenies {
		f.Code = rolebroker.ValidPlatformDenied
	}
	return f
}
