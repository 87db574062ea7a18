package lend

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// OnRefusal has tell called with what agents are refused: with the first of a kind before the agent gets its answer, and
// with those of the same kind that follow once a minute, as one. What STS refuses is in the record of a session instead,
// and an outage is no refusal. OnRefusal is called before the first Lend.
func (l *Lender) OnRefusal(tell func(context.Context, rolebroker.AgentRefusal)) { l.tellRefused = tell }

// Refuse tells that an agent was refused, if err is a refusal, and returns err. It adds the agent's name.
func (l *Lender) Refuse(ctx context.Context, r rolebroker.AgentRefusal, err error) error {
	if l.tellRefused == nil || r.Who.Agent == "" || !isRefusal(err) {
		return err
	}
	r.Refusal, r.Times = rolebroker.AsError(err), 1
	if !l.repeats.add(r, l.now()) {
		return err
	}
	r.Who.Name = l.knownName(ctx, r.Who.Agent)
	l.tellRefused(ctx, r)
	return err
}

// isRefusal reports whether an error is our refusal of an agent: no outage, no mistake in what it sent, and not STS's.
func isRefusal(err error) bool {
	var bySTS *rolebroker.Refusal
	if err == nil || errors.As(err, &bySTS) {
		return false
	}
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeInvalid, rolebroker.CodeUnavailable, rolebroker.CodeInternal:
		return false
	}
	return true
}

// tellRepeats tells the refusals that were only counted: those of a minute; all of them if the lender closes.
func (l *Lender) tellRepeats(ctx context.Context, all bool) {
	if l.tellRefused == nil {
		return
	}
	for _, r := range l.repeats.due(l.now(), all) {
		r.Who.Name = l.knownName(ctx, r.Who.Agent)
		l.tellRefused(ctx, r)
	}
}

// knownName returns the name of an agent; empty if nobody can tell.
func (l *Lender) knownName(ctx context.Context, id rolebroker.AgentID) string {
	if grants, err := l.cache.Grants(ctx, id); err == nil {
		return grants.Agent.Name
	}
	return ""
}

// roleOf is the role of a request: of the grant that was found, or what the agent wrote.
func roleOf(req rolebroker.Request, grant rolebroker.Grant) rolebroker.Subject {
	switch {
	case grant.Role != nil:
		return rolebroker.Subject{Kind: rolebroker.KindRole, ID: string(grant.Role.ID), Name: grant.Reference()}
	case req.Role == "":
		return rolebroker.Subject{}
	}
	return rolebroker.Named(rolebroker.KindRole, req.Role)
}

// How many refusals of one agent are told: one of a kind in a time, and so many kinds. All others are one kind, so that
// an agent that invents names cannot fill the database.
const (
	repeatEvery = time.Minute
	maxKinds    = 5
)

// repeats counts refusals that repeat. The zero value has none.
type repeats struct {
	mu     sync.Mutex
	agents map[rolebroker.AgentID]map[refusalKind]*repeated
}

// refusalKind is what repeated refusals have in common. The zero value is all kinds that are too many.
type refusalKind struct {
	action  rolebroker.Action
	subject rolebroker.Subject
	code    rolebroker.Code
}

// repeated is the last refusal of a kind. Its Times are those that were not told.
type repeated struct {
	rolebroker.AgentRefusal
	toldAt time.Time
}

// add counts a refusal, and reports whether it is to be told now.
func (r *repeats) add(x rolebroker.AgentRefusal, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := r.agents[x.Who.Agent]
	if kinds == nil {
		kinds = map[refusalKind]*repeated{}
		if r.agents == nil {
			r.agents = map[rolebroker.AgentID]map[refusalKind]*repeated{}
		}
		r.agents[x.Who.Agent] = kinds
	}
	kind := refusalKind{x.Action, x.Subject, x.Refusal.Code}
	if kinds[kind] == nil && len(kinds) >= maxKinds {
		kind = refusalKind{}
	}
	known := kinds[kind]
	if known == nil {
		x.Times = 0
		kinds[kind] = &repeated{x, now}
		return true
	}
	x.Times = known.Times + 1
	known.AgentRefusal = x
	return false
}

// due takes what was counted for long enough, or all of it, and forgets the kinds that did not repeat.
func (r *repeats) due(now time.Time, all bool) (due []rolebroker.AgentRefusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for agent, kinds := range r.agents {
		for kind, known := range kinds {
			switch {
			case !all && now.Sub(known.toldAt) < repeatEvery:
			case known.Times == 0:
				delete(kinds, kind)
			default:
				due = append(due, known.AgentRefusal)
				known.Times, known.toldAt = 0, now
			}
		}
		if len(kinds) == 0 {
			delete(r.agents, agent)
		}
	}
	return due
}
