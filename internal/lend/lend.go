package lend

import (
	"context"
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
			return nil, l.refused(ctx, who, req, grant, err)
		}
		// Does it get AWS keys?
		if grant.Connection.Keys != rolebroker.KeysLent && !req.Signing {
			return l.withhold(ctx, who, req, key, grant)
		}
		// Does its lease have fresh credentials?
		lease, err := l.lease(who, key, grant)
		if err != nil {
			return nil, l.refused(ctx, who, req, grant, err)
		}
		now := l.now()
		if loan := lease.fresh(who, now); loan != nil {
			return l.handOut(who, loan, now), nil
		}
		// If not, the lease records a session and asks STS.
		loan, err := lease.wait(ctx, who)
		if err == errDropped {
			continue
		}
		if err != nil {
			return nil, l.refused(ctx, who, req, grant, l.explain(err, grant))
		}
		// May the agent still have the role after the wait?
		keyNow, grant, err := l.decide(ctx, who, req)
		if err != nil {
			return nil, l.refused(ctx, who, req, grant, err)
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
func (l *Lender) decide(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request,
) (leaseKey, rolebroker.Grant, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return leaseKey{}, rolebroker.Grant{}, err
	}
	return l.choose(grants, req)
}

// choose is decide for a caller whose token is good.
func (l *Lender) choose(grants *rolebroker.Grants, req rolebroker.Request) (leaseKey, rolebroker.Grant, error) {
	grant, err := grants.Resolve(req.Role)
	if err != nil {
		return leaseKey{}, grant, err
	}
	if err := l.servesTo(req, grant); err != nil {
		return leaseKey{}, grant, err
	}
	if err := checkKey(req, grant); err != nil {
		return leaseKey{}, grant, err
	}
	grant, approval, err := grants.Approved(grant, req.Task, l.now())
	if err != nil {
		return leaseKey{}, grant, err
	}
	key, err := newLeaseKey(grants.Agent, grant, req)
	return key.under(approval), grant, err
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
