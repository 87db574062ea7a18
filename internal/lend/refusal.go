package lend

import (
	"context"
	"errors"
	"log/slog"

	"github.com/rolebroker/rolebroker"
)

// refused counts a refusal, tells it, logs it with its cause, and returns it. The log has a sample of what one agent
// causes. grant has the role, if that was found.
func (l *Lender) refused(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, grant rolebroker.Grant, err error,
) error {
	e := rolebroker.AsError(err)
	l.metrics.refused.Inc(string(e.Code))
	_ = l.Refuse(ctx, rolebroker.AgentRefusal{Who: who, Action: rolebroker.ActionSessionBegin, Subject: roleOf(req, grant),
		Task: req.Task}, err)
	level := slog.LevelInfo
	if e.Code == rolebroker.CodeInternal || e.Code == rolebroker.CodeUnavailable {
		level = slog.LevelWarn
	}
	l.refusals.Log(ctx, level, "refused to lend", "agent", l.agentName(ctx, who.Agent, err), "agent_id", who.Agent,
		"token", who.Token,
		"role", rolebroker.ShowReference(req.Role), "task", rolebroker.ShowReference(req.Task),
		"code", e.Code, "reason", e.Message, "cause", e.Cause)
	return e
}

// agentName returns the name of an agent that was refused; its ID if the name is unknown, or if nobody can answer now.
func (l *Lender) agentName(ctx context.Context, id rolebroker.AgentID, refusal error) string {
	if id != "" && !rolebroker.IsOutage(refusal) {
		if grants, err := l.cache.Grants(ctx, id); err == nil {
			return grants.Agent.Name
		}
	}
	return string(id)
}

// explain returns the error that an agent gets for a refusal by STS.
func (l *Lender) explain(err error, grant rolebroker.Grant) error {
	var r *rolebroker.Refusal
	if !errors.As(err, &r) {
		return err
	}
	if r.IsTooLarge() {
		return tooLarge(r, grant)
	}
	role := "role " + grant.Reference()
	called := role
	if r.Kind == rolebroker.RefusedDenied {
		called += " (" + grant.Role.ARN.String() + ")"
	}
	e := &rolebroker.Error{Code: r.Kind.Code(), Message: r.Explain(l.by, *grant.Role, called), Cause: err}
	if e.Code == rolebroker.CodeDenied {
		e.Message += ": " + r.Error()
	} else {
		e.Message += "; " + role + " was not assumed"
	}
	return e.WithSteps(l.advise(r.Kind, grant)...)
}

// tooLarge is the error for session policies and session tags that are too large together.
func tooLarge(r *rolebroker.Refusal, grant rolebroker.Grant) error {
	in := grant.Integration
	e := rolebroker.Errorf(rolebroker.CodeDenied, "the session policy and the session tags of role %s are too large "+
		"together (access %s): %s", grant.Reference(), grant.Connection.Access, r.Error())
	e.Cause = r
	var steps rolebroker.Hint
	if grant.Connection.Access == rolebroker.AccessPolicy {
		steps = append(steps, rolebroker.Step{Text: "an administrator can write a shorter session policy: " +
			"rolebroker agent connect AGENT " + in.Name + " --session-policy FILE"})
	}
	if in.SessionTags {
		steps = append(steps, rolebroker.Step{Text: "an administrator can leave the session tags out: " +
			"rolebroker integration update " + in.Name + " --session-tags=false"})
	}
	return e.WithSteps(append(steps, rolebroker.Step{Text: "session tags that the platform's own AWS session passes on " +
		"count too; another identity of the server may have none"})...)
}

// advise says what an agent, or the administrator whom it tells, can do about a refusal by STS.
func (l *Lender) advise(kind rolebroker.RefusalKind, grant rolebroker.Grant) rolebroker.Hint {
	validate := "rolebroker integration validate " + grant.Integration.Name
	switch kind {
	case rolebroker.RefusedDenied, rolebroker.RefusedOther, rolebroker.RefusedNoProvider, rolebroker.RefusedAudience:
		return rolebroker.Hintf("an administrator finds out what to change with %s", validate)
	case rolebroker.RefusedDuration:
		return rolebroker.Hintf("an administrator can shorten the role's sessions, "+
			"or raise its maximum session duration in IAM: %s", validate)
	case rolebroker.RefusedRegion:
		return rolebroker.Hintf("activate the region in that account, or give the role another region")
	case rolebroker.RefusedThrottled:
		return rolebroker.Hintf("try again in a few seconds")
	case rolebroker.RefusedUnreachable, rolebroker.RefusedIssuer:
		return rolebroker.Hintf("try again; the %s's log has the cause", l.by.Program())
	}
	return rolebroker.Hintf("the operator of the %s finds the cause in its log", l.by.Program())
}
