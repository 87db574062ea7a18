package lend

import (
	"context"
	"errors"
	"fmt"
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
	in, role, region := grant.Integration.Name, grant.Reference(), grant.Role.Region
	e := &rolebroker.Error{Code: rolebroker.CodeDenied, Cause: err}
	switch r.Kind {
	case rolebroker.RefusedDenied:
		e.Message = fmt.Sprintf("AWS does not let this server assume role %s (%s): %s", role, grant.Role.ARN, r)
		e.Hint = hintValidate(in)
	case rolebroker.RefusedDuration:
		duration := rolebroker.ShortDuration(grant.Role.Duration())
		e.Message = fmt.Sprintf("AWS does not give sessions of %s for role %s: %s", duration, role, r)
		e.Hint = rolebroker.Hintf("an administrator can shorten the role's sessions, "+
			"or raise its maximum session duration in IAM: rolebroker integration validate %s", in)
	case rolebroker.RefusedRegion:
		e.Message = fmt.Sprintf("STS is not activated in %s for the account of role %s: %s", region, role, r)
		e.Hint = rolebroker.Hintf("activate the region in that account, or give the role another region")
	case rolebroker.RefusedOther:
		e.Message = fmt.Sprintf("STS refuses role %s: %s", role, r)
		e.Hint = hintValidate(in)
	case rolebroker.RefusedThrottled:
		e.Code = rolebroker.CodeUnavailable
		e.Message = fmt.Sprintf("STS is throttling this server's calls; role %s was not assumed", role)
		e.Hint = rolebroker.Hintf("try again in a few seconds")
	case rolebroker.RefusedUnreachable:
		e.Code = rolebroker.CodeUnavailable
		e.Message = fmt.Sprintf("STS in %s cannot be reached; role %s was not assumed", region, role)
		e.Hint = rolebroker.Hintf("try again; the server's log has the cause")
	default:
		e.Code = rolebroker.CodeUnavailable
		e.Message = fmt.Sprintf(
			"this server's own AWS identity does not work (%s); role %s was not assumed", r.Kind, role)
		e.Hint = rolebroker.Hintf("the operator of the server finds the cause in its log")
	}
	return e
}

func hintValidate(integration string) rolebroker.Hint {
	return rolebroker.Hintf(
		"an administrator finds out what to change with rolebroker integration validate %s", integration)
}
