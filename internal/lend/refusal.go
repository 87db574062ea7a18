package lend

import (
	"context"
	"errors"
	"log/slog"

	"github.com/rolebroker/rolebroker"
)

// refused counts a refusal, logs it with its cause, and returns it.
func (l *Lender) refused(ctx context.Context, who rolebroker.Caller, req rolebroker.Request, err error) error {
	e := rolebroker.AsError(err)
	l.metrics.refused.Inc(string(e.Code))
	level := slog.LevelInfo
	if e.Code == rolebroker.CodeInternal || e.Code == rolebroker.CodeUnavailable {
		level = slog.LevelWarn
	}
	l.log.Log(ctx, level, "refused to lend", "agent", who.Agent, "token", who.Token,
		"role", rolebroker.ShowReference(req.Role), "task", rolebroker.ShowReference(req.Task),
		"code", e.Code, "reason", e.Message, "cause", e.Cause)
	return e
}

// explain says what a refusal by STS means for the agent that asked.
func explain(err error, grant rolebroker.Grant) error {
	var r *rolebroker.Refusal
	if !errors.As(err, &r) {
		return err
	}
	role := grant.Reference()
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err}
	switch r.Kind {
	case rolebroker.RefusedDenied:
		e.Code = rolebroker.CodeDenied
		e.Message = "AWS does not let this server assume role " + role + " (" + grant.Role.ARN.String() + "): " + r.Error()
		e.Hint = rolebroker.Hintf("an administrator finds out what to change with rolebroker integration validate %s", grant.Integration.Name)
	case rolebroker.RefusedDuration:
		e.Code = rolebroker.CodeDenied
		e.Message = "AWS does not give sessions of " + rolebroker.ShortDuration(grant.Role.Duration()) + " for role " + role + ": " + r.Error()
		e.Hint = rolebroker.Hintf("an administrator can shorten the role's sessions, or raise its maximum session duration in IAM: rolebroker integration validate %s", grant.Integration.Name)
	case rolebroker.RefusedRegion:
		e.Code = rolebroker.CodeDenied
		e.Message = "STS is not activated in " + string(grant.Role.Region) + " for the account of role " + role + ": " + r.Error()
		e.Hint = rolebroker.Hintf("activate the region in that account, or give the role another region")
	case rolebroker.RefusedOther:
		e.Code = rolebroker.CodeDenied
		e.Message = "STS refuses role " + role + ": " + r.Error()
		e.Hint = rolebroker.Hintf("an administrator finds out what to change with rolebroker integration validate %s", grant.Integration.Name)
	case rolebroker.RefusedThrottled:
		e.Message = "STS is throttling this server's calls; role " + role + " was not assumed"
		e.Hint = rolebroker.Hintf("try again in a few seconds")
	case rolebroker.RefusedUnreachable:
		e.Message = "STS in " + string(grant.Role.Region) + " cannot be reached; role " + role + " was not assumed"
		e.Hint = rolebroker.Hintf("try again; the server's log has the cause")
	default:
		e.Message = "this server's own AWS identity does not work (" + string(r.Kind) + "); role " + role + " was not assumed"
		e.Hint = rolebroker.Hintf("the operator of the server finds the cause in its log")
	}
	return e
}
