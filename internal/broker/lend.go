package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Lend gives the agent who asks credentials of the role it names. This is the
// path of every credential that leaves the program.
//
// Its errors are *rolebroker.Error: denied, not_found or invalid when the
// agent may not have that role, expired when its token is no longer good,
// throttled when it starts too much, unavailable or denied when STS gave
// nothing.
func (b *Lender) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	for {
		key, grant, err := b.decide(ctx, who, req)
		if err != nil {
			return nil, b.refused(ctx, who, req, err)
		}
		lease, err := b.lease(key, grant)
		if err != nil {
			return nil, b.refused(ctx, who, req, err)
		}
		now := b.now()
		if held := lease.fresh(who, now); held != nil {
			return b.handOut(who, held, now), nil
		}
		held, err := lease.wait(ctx)
		if err == errForgotten {
			continue
		}
		if err != nil {
			return nil, b.refused(ctx, who, req, explain(err, grant))
		}
		// What was so before the wait may not be so after it.
		still, _, err := b.decide(ctx, who, req)
		if err != nil {
			return nil, b.refused(ctx, who, req, err)
		}
		if now := b.now(); still == key && held.isValid(now) {
			return b.handOut(who, held, now), nil
		}
	}
}

// handOut keeps count of what is handed out.
func (b *Lender) handOut(who rolebroker.Caller, held *held, now time.Time) *rolebroker.Loan {
	held.used(now)
	b.authority.noteUse(who.Token, now)
	b.metrics.lent.Inc()
	return held.loan
}

// decide is the one place that says who may borrow what. Every hand-out and
// every renewal goes through it, with what the store says now.
func (b *Lender) decide(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (leaseKey, rolebroker.Grant, error) {
	if err := b.usable(ctx, who.Token); err != nil {
		return leaseKey{}, rolebroker.Grant{}, err
	}
	grants, err := b.grants(ctx, who)
	if err != nil {
		return leaseKey{}, rolebroker.Grant{}, err
	}
	grant, err := grants.Resolve(req.Role)
	if err != nil {
		return leaseKey{}, grant, err
	}
	if err := b.serves(grant.Integration); err != nil {
		return leaseKey{}, grant, err
	}
	name, err := rolebroker.SessionName(grants.Agent.Name, req.Task)
	if err != nil {
		return leaseKey{}, grant, err
	}
	return newLeaseKey(grants.Agent, grant, req.Task, name), grant, nil
}

// usable is nil while a token is good.
func (b *Lender) usable(ctx context.Context, id rolebroker.TokenID) error {
	if id == "" {
		return rolebroker.Errorf(rolebroker.CodeDenied, "roles are lent to agents only").
			WithHint("use an agent token: rolebroker agent token create AGENT")
	}
	token, err := b.authority.Token(ctx, id)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeExpired, "the agent token %s is no longer known", id)
	}
	if err != nil {
		return err
	}
	return token.Usable(b.now())
}

// grants is what the caller may borrow from now.
func (b *Lender) grants(ctx context.Context, who rolebroker.Caller) (*rolebroker.Grants, error) {
	grants, err := b.authority.Grants(ctx, who.Agent)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, rolebroker.Errorf(rolebroker.CodeExpired, "the agent of this token was deleted")
	}
	return grants, err
}

// Offers lists what the agent may borrow now, the default first.
func (b *Lender) Offers(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Offer, error) {
	if err := b.usable(ctx, who.Token); err != nil {
		return nil, err
	}
	grants, err := b.grants(ctx, who)
	if err != nil {
		return nil, err
	}
	return grants.Offers(), nil
}

// refused keeps count of a refusal, logs it with its cause, and returns it.
func (b *Lender) refused(ctx context.Context, who rolebroker.Caller, req rolebroker.Request, err error) error {
	e := rolebroker.AsError(err)
	b.metrics.refused.WithLabelValues(string(e.Code)).Inc()
	level := slog.LevelInfo
	if e.Code == rolebroker.CodeInternal || e.Code == rolebroker.CodeUnavailable {
		level = slog.LevelWarn
	}
	b.log.Log(ctx, level, "refused to lend", "agent", who.Agent, "token", who.Token, "role", rolebroker.ShowReference(req.Role), "task", rolebroker.ShowReference(req.Task),
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
		e.Hint = "an administrator finds out what to change with rolebroker integration validate " + grant.Integration.Name
	case rolebroker.RefusedDuration:
		e.Code = rolebroker.CodeDenied
		e.Message = "AWS does not give sessions of " + rolebroker.ShortDuration(grant.Role.Duration()) + " for role " + role + ": " + r.Error()
		e.Hint = "an administrator can shorten the role's sessions, or raise its maximum session duration in IAM: rolebroker integration validate " + grant.Integration.Name
	case rolebroker.RefusedRegion:
		e.Code = rolebroker.CodeDenied
		e.Message = "STS is not activated in " + string(grant.Role.Region) + " for the account of role " + role + ": " + r.Error()
		e.Hint = "activate the region in that account, or give the role another region"
	case rolebroker.RefusedOther:
		e.Code = rolebroker.CodeDenied
		e.Message = "STS refuses role " + role + ": " + r.Error()
		e.Hint = "an administrator finds out what to change with rolebroker integration validate " + grant.Integration.Name
	case rolebroker.RefusedThrottled:
		e.Message = "STS is throttling this server's calls; role " + role + " was not assumed"
		e.Hint = "try again in a few seconds"
	case rolebroker.RefusedUnreachable:
		e.Message = "STS in " + string(grant.Role.Region) + " cannot be reached; role " + role + " was not assumed"
		e.Hint = "try again; the server's log has the cause"
	default:
		e.Message = "this server's own AWS identity does not work (" + string(r.Kind) + "); role " + role + " was not assumed"
		e.Hint = "the operator of the server finds the cause in its log"
	}
	return e
}
