package lend

import (
	"context"
	"errors"

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
	kind := refusalKind{r.Action, r.Subject, r.Refusal.Code}
	if !l.repeats.Add(r.Who.Agent, kind, r, l.now()) {
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
	for _, repeat := range l.repeats.Due(l.now(), all) {
		r := repeat.What
		r.Who.Name, r.Times = l.knownName(ctx, r.Who.Agent), repeat.Times
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

// refusalKind is what repeated refusals have in common. The zero value is all kinds that are too many.
type refusalKind struct {
	action  rolebroker.Action
	subject rolebroker.Subject
	code    rolebroker.Code
}
