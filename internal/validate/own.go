package validate

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

// OwnPolicies says which actions on a role the policies of our own AWS identity allow, as
// far as that is certain. It fails if our identity may not ask.
type OwnPolicies interface {
	Permits(ctx context.Context, who rolebroker.Identity, role rolebroker.RoleARN, actions ...string) (
		map[string]bool, error)
}

// ownSide says whether our own policies allow all of these actions on the role: across
// accounts AWS does not say which side denied. refusal is AWS's answer, which does say
// within an account.
func (p *probe) ownSide(ctx context.Context, refusal *rolebroker.Refusal, actions ...string) rolebroker.OwnSide {
	if refusal != nil {
		switch refusal.DeniedBy {
		case rolebroker.DeniedByIdentity:
			return rolebroker.OwnSideDenies
		case rolebroker.DeniedByTrust:
			return rolebroker.OwnSideAllows
		}
	}
	permitted, known := p.permitted(ctx, actions)
	if !known {
		return ""
	}
	side := rolebroker.OwnSideAllows
	for _, action := range actions {
		switch allowed, certain := permitted[action]; {
		case certain && !allowed:
			return rolebroker.OwnSideDenies
		case !certain:
			side = ""
		}
	}
	return side
}

// permitted asks IAM about our own policies, until it once refuses to say.
func (p *probe) permitted(ctx context.Context, actions []string) (permitted map[string]bool, known bool) {
	if p.own == nil || p.identity.ARN == "" || p.untold.Load() || p.limiter.Wait(ctx) != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	permitted, err := p.own.Permits(ctx, p.identity, p.role.ARN, actions...)
	if err != nil {
		p.untold.Store(true)
		p.log.DebugContext(ctx, "validation: IAM does not say what our own identity may do", "cause", err)
		return nil, false
	}
	return permitted, true
}

// needed are the actions beside sts:AssumeRole that the role or our own policies do not allow.
func needed(noTags, noSourceIdentity bool) (actions []string) {
	if noTags {
		actions = append(actions, string(rolebroker.ActionTagSession))
	}
	if noSourceIdentity {
		actions = append(actions, string(rolebroker.ActionSetSourceIdentity))
	}
	return actions
}
