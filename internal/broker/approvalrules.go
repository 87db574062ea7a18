package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// ApprovalRuleSpec is what a person sets of an approval rule. Agent, Integration and Role are names or IDs; empty means
// any.
type ApprovalRuleSpec struct {
	Name        string
	Reason      string
	Disabled    bool
	Agent       string
	Integration string
	Role        string // of the integration
	// The IDs that the three must have; empty: any. A name may be that of something that was deleted and made again.
	AgentID       rolebroker.AgentID
	IntegrationID rolebroker.IntegrationID
	RoleID        rolebroker.RoleID
	Access        rolebroker.Access
	MaxDuration   time.Duration // 0: rolebroker.DefaultGrant
	Until         time.Time
}

// ApprovalRule finds a rule by name or ID. Codes: denied, not_found.
func (b *Broker) ApprovalRule(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.ApprovalRule, error) {
	return b.ruleFor(ctx, who, rolebroker.ActionApprovalRuleGet, nameOrID)
}

func (b *Broker) ruleFor(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string,
) (*rolebroker.ApprovalRule, error) {
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindApprovalRule, nameOrID)); err != nil {
		return nil, err
	}
	return b.store.ApprovalRule(ctx, nameOrID)
}

// ApprovalRules lists rules by name. Codes: denied.
func (b *Broker) ApprovalRules(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.ApprovalRule, error) {
	if err := b.May(ctx, who, rolebroker.ActionApprovalRuleList); err != nil {
		return nil, err
	}
	return b.store.ApprovalRules(ctx, page)
}

// CreateApprovalRule stores a new rule. Codes: denied, invalid, conflict.
func (b *Broker) CreateApprovalRule(
	ctx context.Context, who rolebroker.Caller, spec ApprovalRuleSpec,
) (*rolebroker.ApprovalRule, error) {
	const action = rolebroker.ActionApprovalRuleCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindApprovalRule, spec.Name)); err != nil {
		return nil, err
	}
	now := stored(b.now())
	fresh := rolebroker.ApprovalRule{ID: rolebroker.NewApprovalRuleID(), Version: 1, CreatedAt: now, UpdatedAt: now}
	rule, err := b.ruleOf(ctx, fresh, spec)
	if err != nil {
		return nil, err
	}
	event := b.event(who, action, nil, rule.Facts(), rule.Subject())
	if err := b.store.CreateApprovalRule(ctx, rule, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return rule, nil
}

// UpdateApprovalRule replaces what a person set of a rule. ifVersion is the version that the caller read; 0 replaces
// any version. Codes: denied, not_found, invalid, conflict, stale.
func (b *Broker) UpdateApprovalRule(
	ctx context.Context, who rolebroker.Caller, nameOrID string, spec ApprovalRuleSpec, ifVersion int64,
) (*rolebroker.ApprovalRule, error) {
	const action = rolebroker.ActionApprovalRuleUpdate
	var before, after *rolebroker.ApprovalRule
	var event rolebroker.AuditEvent
	err := retryStale(ifVersion, func() (err error) {
		if before, err = b.ruleFor(ctx, who, action, nameOrID); err != nil {
			return err
		}
		if after, err = b.ruleOf(ctx, *before, spec); err != nil {
			return err
		}
		after.Version, after.UpdatedAt = before.Version+1, stored(b.now())
		event = b.event(who, action, before.Facts(), after.Facts(), after.Subject())
		return b.store.UpdateApprovalRule(ctx, after, expected(ifVersion, before.Version), event)
	})
	if err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return after, nil
}

// DeleteApprovalRule removes a rule. What it approved stays approved. Codes: denied, not_found, stale.
func (b *Broker) DeleteApprovalRule(
	ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64,
) error {
	const action = rolebroker.ActionApprovalRuleDelete
	rule, err := b.ruleFor(ctx, who, action, nameOrID)
	if err != nil {
		return err
	}
	event := b.event(who, action, rule.Facts(), nil, rule.Subject())
	if err := b.store.DeleteApprovalRule(ctx, rule.ID, ifVersion, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

// ruleOf returns the rule as the spec describes it. What a rule names has to exist: a rule for a misspelt agent must
// not become one for every agent.
func (b *Broker) ruleOf(
	ctx context.Context, r rolebroker.ApprovalRule, spec ApprovalRuleSpec,
) (*rolebroker.ApprovalRule, error) {
	r.Name, r.Reason, r.Enabled = spec.Name, rolebroker.OneLine(spec.Reason), !spec.Disabled
	r.Access, r.MaxDuration, r.Until = spec.Access, spec.MaxDuration, stored(spec.Until)
	r.Agent, r.Integration, r.Role, r.AgentName, r.IntegrationName, r.RoleName = "", "", "", "", "", ""
	if r.MaxDuration == 0 {
		r.MaxDuration = rolebroker.DefaultGrant
	}
	if spec.Until.IsZero() {
		r.Until = time.Time{}
	}
	if spec.Agent != "" {
		agent, err := b.store.Agent(ctx, spec.Agent)
		if err != nil {
			return nil, unknownField(err, "agent", "there is no agent %s", spec.Agent)
		}
		r.Agent, r.AgentName = agent.ID, agent.Name
		if err := sameAs("agent", spec.Agent, string(agent.ID), string(spec.AgentID)); err != nil {
			return nil, err
		}
	}
	if spec.Integration != "" {
		in, err := b.store.Integration(ctx, spec.Integration)
		if err != nil {
			return nil, unknownField(err, "integration", "there is no integration %s", spec.Integration)
		}
		r.Integration, r.IntegrationName = in.ID, in.Name
		if err := sameAs("integration", spec.Integration, string(in.ID), string(spec.IntegrationID)); err != nil {
			return nil, err
		}
		if spec.Role != "" {
			role := in.Role(spec.Role)
			if role == nil {
				return nil, invalid("the approval rule", "role", "integration %s has no role %s", in.Name,
					rolebroker.Quote(spec.Role))
			}
			r.Role, r.RoleName = role.ID, role.Name
			if err := sameAs("role", spec.Role, string(role.ID), string(spec.RoleID)); err != nil {
				return nil, err
			}
		}
	} else if spec.Role != "" {
		return nil, invalid("the approval rule", "role", "needs the integration of the role")
	}
	return &r, r.Check()
}

// sameAs refuses a name whose bearer has another ID than the rule was about: it was deleted and made again, and must not
// inherit the rule.
func sameAs(kind, named, id, meant string) error {
	if meant == "" || meant == id {
		return nil
	}
	return invalid("the approval rule", kind+"_id", "is %s, but the %s %s has the ID %s; leave out %s_id to mean that one",
		rolebroker.Quote(meant), kind, rolebroker.Quote(named), id, kind)
}

// unknownField refuses a field that names what does not exist.
func unknownField(err error, field, format, named string) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	return invalid("the approval rule", field, format, rolebroker.Quote(named))
}
