package lend

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Lend gives the agent who asks the credentials of the role it names. Every
// credential that leaves the program takes this path.
//
// Its errors are *rolebroker.Error: denied, not_found or invalid when the
// agent may not have that role, expired when its token is no longer good,
// throttled when it starts too many sessions, unavailable or denied when STS
// gave no credentials.
func (l *Lender) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	for {
		// May this agent have that role now?
		key, grant, err := l.decide(ctx, who, req)
		if err != nil {
			return nil, l.refused(ctx, who, req, err)
		}
		// The lease holds the credentials, if there are any.
		lease, err := l.lease(key, grant)
		if err != nil {
			return nil, l.refused(ctx, who, req, err)
		}
		now := l.now()
		if loan := lease.fresh(who, now); loan != nil {
			return l.handOut(who, loan, now), nil
		}
		// The lease records a session and asks STS.
		loan, err := lease.wait(ctx)
		if err == errDropped {
			continue
		}
		if err != nil {
			return nil, l.refused(ctx, who, req, explain(err, grant))
		}
		// The answer may have changed during the wait.
		keyNow, _, err := l.decide(ctx, who, req)
		if err != nil {
			return nil, l.refused(ctx, who, req, err)
		}
		if now := l.now(); keyNow == key && loan.isValid(now) {
			return l.handOut(who, loan, now), nil
		}
	}
}

// handOut counts a hand-out of the loan.
func (l *Lender) handOut(who rolebroker.Caller, loan *cachedLoan, now time.Time) *rolebroker.Loan {
	loan.countUse(now)
	l.cache.noteUse(who.Token, now)
	l.metrics.lent.Inc()
	return loan.Loan
}

// decide is the one place that says who may borrow what. Every hand-out and
// every renewal goes through it. The key it returns holds everything that
// shapes the credentials.
func (l *Lender) decide(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (leaseKey, rolebroker.Grant, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return leaseKey{}, rolebroker.Grant{}, err
	}
	grant, err := grants.Resolve(req.Role)
	if err != nil {
		return leaseKey{}, grant, err
	}
	if err := l.serves(grant.Integration); err != nil {
		return leaseKey{}, grant, err
	}
	sessionName, err := rolebroker.SessionName(grants.Agent.Name, req.Task)
	if err != nil {
		return leaseKey{}, grant, err
	}
	return newLeaseKey(grants.Agent, grant, req.Task, sessionName), grant, nil
}

// grantsOf returns what the caller may borrow from now, if its token is good.
func (l *Lender) grantsOf(ctx context.Context, who rolebroker.Caller) (*rolebroker.Grants, error) {
	if err := l.checkToken(ctx, who.Token); err != nil {
		return nil, err
	}
	grants, err := l.cache.Grants(ctx, who.Agent)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, rolebroker.Errorf(rolebroker.CodeExpired, "the agent of this token was deleted")
	}
	return grants, err
}

// checkToken returns nil while a token is good.
func (l *Lender) checkToken(ctx context.Context, id rolebroker.TokenID) error {
	if id == "" {
		return rolebroker.Errorf(rolebroker.CodeDenied, "roles are lent to agents only").
			WithHint("use an agent token: rolebroker agent token create AGENT")
	}
	token, err := l.cache.Token(ctx, id)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeExpired, "the agent token %s is no longer known", id)
	}
	if err != nil {
		return err
	}
	return token.Usable(l.now())
}

// Offers lists the roles that the agent may borrow now, the default first.
func (l *Lender) Offers(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Offer, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return nil, err
	}
	return grants.Offers(), nil
}

// Resolve returns the role that the agent means, even one that is assumed
// elsewhere. Codes: as Lend's, without those of STS.
func (l *Lender) Resolve(ctx context.Context, who rolebroker.Caller, reference string) (rolebroker.Grant, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return rolebroker.Grant{}, err
	}
	return grants.Resolve(reference)
}

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
