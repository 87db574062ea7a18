package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// RolePolicies changes inline policies of roles as a session of another role. *sts.Client implements it. Codes of its
// errors: denied (AWS does not permit it), unavailable.
type RolePolicies interface {
	// PutRolePolicy puts a policy on a role, in the place of one of the same name, and reads it back.
	PutRolePolicy(ctx context.Context, as rolebroker.Assumption, role rolebroker.RoleARN, name, policy string) error

	// DeleteRolePolicy removes a policy, or finds that the role, or the policy, is not there.
	DeleteRolePolicy(ctx context.Context, as rolebroker.Assumption, role rolebroker.RoleARN, name string) error
}

const (
	applyTimeout = 20 * time.Second // for all policies of a cut-off together
	maxApplies   = 8                // how many are put at a time
)

// apply puts the deny policies of a cut-off on their roles, where AWS lets the server, and records how that went. That
// the server begins is recorded first, so that a crash leaves no policy unknown. It goes on when the caller hangs up.
func (b *Broker) apply(ctx context.Context, who rolebroker.Caller, cut *rolebroker.CutOff) {
	c := policyChange{broker: b, who: who, action: rolebroker.ActionDenyPolicyApply,
		subjects: []rolebroker.Subject{{Kind: rolebroker.KindAgent, ID: string(cut.Agent), Name: cut.AgentName}}}
	if cut.Session != "" {
		c.subjects = append(c.subjects, rolebroker.Subject{Kind: rolebroker.KindSession, ID: string(cut.Session)})
	}
	var roles []*rolebroker.DeniedRole
	var policies []rolebroker.DenyPolicy
	for role := range cut.Denials() {
		if b.now().Before(role.Until) {
			roles = append(roles, role)
			policies = append(policies, rolebroker.DenyPolicy{Role: role.ARN, Name: role.Name, Agent: cut.Agent,
				Session: cut.Session, Integrations: role.Integrations, Called: role.Called, Before: cut.At,
				Until: role.Until, State: rolebroker.PolicyUnknown, At: b.now(), By: who.Name})
		}
	}
	c.run(ctx, policies, func(ctx context.Context, p *rolebroker.DenyPolicy, i int) {
		settle(p, rolebroker.PolicyApplied, b.asCutOffRole(ctx, p, func(as rolebroker.Assumption) error {
			return b.policies.PutRolePolicy(ctx, as, p.Role, p.Name, roles[i].Policy)
		}))
	})
	for i := range policies {
		roles[i].State, roles[i].Problem = policies[i].State, policies[i].Problem
	}
}

// remove removes those of an agent's deny policies from their roles that deny nothing any more.
func (b *Broker) remove(ctx context.Context, who rolebroker.Caller, agent *rolebroker.Agent) error {
	known, err := b.store.DenyPolicies(ctx, agent.ID)
	if err != nil {
		return err
	}
	var due []rolebroker.DenyPolicy
	for _, p := range known {
		if p.MayRemain() && !b.now().Before(p.Until) {
			p.At, p.By = b.now(), who.Name
			due = append(due, p)
		}
	}
	c := policyChange{broker: b, who: who, action: rolebroker.ActionDenyPolicyRemove,
		subjects: []rolebroker.Subject{agent.Subject()}}
	c.run(ctx, due, func(ctx context.Context, p *rolebroker.DenyPolicy, _ int) {
		settle(p, rolebroker.PolicyRemoved, b.asCutOffRole(ctx, p, func(as rolebroker.Assumption) error {
			return b.policies.DeleteRolePolicy(ctx, as, p.Role, p.Name)
		}))
	})
	return nil
}

// settle notes the outcome of a change. A policy that could not be removed is where it was.
func settle(p *rolebroker.DenyPolicy, done rolebroker.PolicyState, err error) {
	if err == nil {
		p.State, p.Problem = done, ""
		return
	}
	p.Problem = rolebroker.AsError(err).Error()
	switch {
	case done == rolebroker.PolicyRemoved:
	case rolebroker.CodeOf(err) == rolebroker.CodeDenied:
		p.State = rolebroker.PolicyNotPermitted
	default:
		p.State = rolebroker.PolicyFailed
	}
}

// policyChange changes deny policies in AWS, and records that.
type policyChange struct {
	broker   *Broker
	who      rolebroker.Caller
	action   rolebroker.Action
	subjects []rolebroker.Subject
}

// run records the policies as they are, changes each, and records its outcome.
func (c *policyChange) run(
	ctx context.Context, policies []rolebroker.DenyPolicy, change func(context.Context, *rolebroker.DenyPolicy, int),
) {
	if len(policies) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	c.record(ctx, rolebroker.Facts{"roles": fmt.Sprint(len(policies))}, policies)
	turns := make(chan struct{}, maxApplies)
	var wait sync.WaitGroup
	for i := range policies {
		p := &policies[i]
		wait.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			change(ctx, p, i)
			c.record(ctx, p.Facts(), []rolebroker.DenyPolicy{*p})
		})
	}
	wait.Wait()
}

// record stores the records of policies with an event. AWS is not less in need of a policy because that fails.
func (c *policyChange) record(ctx context.Context, facts rolebroker.Facts, policies []rolebroker.DenyPolicy) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	event := c.broker.event(c.who, c.action, nil, facts, c.subjects...)
	if err := c.broker.store.PutDenyPolicies(ctx, policies, event); err != nil {
		c.broker.log.ErrorContext(ctx, "the state of deny policies could not be stored", "policy", policies[0].Name,
			"role", policies[0].Role.String(), "state", policies[0].State, "error", err)
	}
	c.broker.logEvent(ctx, &event)
}

// asCutOffRole calls AWS as the cut-off role of the first integration that has one in the account of a role. Codes:
// denied, unavailable.
func (b *Broker) asCutOffRole(
	ctx context.Context, p *rolebroker.DenyPolicy, call func(rolebroker.Assumption) error,
) error {
	if b.policies == nil {
		return rolebroker.Errorf(rolebroker.CodeDenied, "this server changes no policies")
	}
	err := error(rolebroker.Errorf(rolebroker.CodeDenied, "the integration that lent the role was deleted"))
	for _, id := range p.Integrations {
		in, found := b.store.Integration(ctx, string(id))
		switch {
		case rolebroker.CodeOf(found) == rolebroker.CodeNotFound:
			continue
		case found != nil:
			return found
		case in.AssumptionMode != rolebroker.ModePlatform:
			err = rolebroker.Errorf(rolebroker.CodeDenied,
				"a runner assumes the roles of integration %s, so the server has no permission there", in.Name)
			continue
		}
		as, unnamed := setup.CutOffAssumption(in, p.Role)
		if unnamed != nil {
			err = unnamed
			continue
		}
		if err = call(as); err == nil || rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			return err
		}
	}
	return err
}

// Lift enables an agent. If it was cut off, Lift also returns its last cut-off, whose policies may still be on the roles.
// They deny no keys that are lent from now on. With remove, the server removes those from their roles that it put there
// and that deny nothing any more, also of an agent that is enabled already. Codes: denied, not_found.
func (b *Broker) Lift(
	ctx context.Context, who rolebroker.Caller, nameOrID string, remove bool,
) (*rolebroker.Agent, *rolebroker.CutOff, error) {
	before, err := b.agentFor(ctx, who, rolebroker.ActionAgentEnable, nameOrID)
	if err != nil {
		return nil, nil, withList(err, "agent")
	}
	agent, err := b.EnableAgent(ctx, who, string(before.ID))
	if err != nil || !before.CutOff.IsSet() && !remove {
		return agent, nil, err
	}
	if remove {
		if err := b.remove(ctx, who, agent); err != nil {
			return nil, nil, err
		}
	}
	cut, err := b.lastCutOff(ctx, agent, "")
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return agent, nil, nil
	}
	return agent, cut, err
}
