package gateway

import (
	"context"
	"math"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// token is an AWS token that an agent asks for.
type token struct {
	*Gateway
	who   rolebroker.Caller
	ask   rolebroker.AWSTokenRequest
	grant rolebroker.Grant // the zero value: the role was not found
	what  unsigned
	about rolebroker.Call // its record

	waited bool // people may have been asked
}

// Token signs one request to AWS for an agent, by the same decisions as a call of the agent's, and hands it out. It
// takes one way:
//
//	what is asked, and is it a request that is signed        the fields of ask
//	may the agent have the role now                          the function that lends
//	does the access of its connection allow it
//	has a person approved it, where one has to
//	record it, and only then hand it out
//
// The token ends with the session and the approval that it is under. Codes: invalid, as Lend's, approval_required.
func (g *Gateway) Token(
	ctx context.Context, who rolebroker.Caller, ask rolebroker.AWSTokenRequest,
) (*rolebroker.AWSToken, error) {
	if err := ask.Check(g.URLLifetime); err != nil {
		return nil, err
	}
	t := &token{Gateway: g, who: who, ask: ask}
	if err := t.describe(ctx); err != nil {
		return nil, err
	}
	loan, err := t.lend(ctx)
	if err != nil {
		return nil, err
	}
	until, err := t.approve(ctx)
	if err != nil {
		return nil, t.refused(err)
	}
	if t.waited { // people may have taken a while
		if loan, err = t.lend(ctx); err != nil {
			return nil, err
		}
	}
	return t.handOut(ctx, loan, until)
}

// lend borrows the role, if it is the one that was described and its connection lets the agent have the token. Codes:
// as Lend's, conflict.
func (t *token) lend(ctx context.Context) (*rolebroker.Loan, error) {
	loan, err := t.Lender.Lend(ctx, t.who, t.request())
	if err != nil {
		return nil, t.refused(err)
	}
	isDescribed := t.grant.Role != nil && loan.Role.ID == t.about.Role && loan.Role.ARN == t.about.ARN
	if !isDescribed || loan.Access != t.access() {
		return nil, t.refused(rolebroker.Errorf(rolebroker.CodeConflict, "what the agent may borrow changed just now").
			WithHint("try again"))
	}
	if err := t.grant.Connection.MayHaveAWSToken(t.ask, loan.Access, t.about.Level); err != nil {
		return nil, t.refused(err)
	}
	return loan, nil
}

// request is for the role of the token. The agent signs with no key.
func (t *token) request() rolebroker.Request {
	return rolebroker.Request{Role: t.ask.Role, Task: t.ask.Task, Access: t.ask.Access, Signing: true,
		KeyGeneration: math.MaxInt64}
}

// refused records that the token is refused, and returns err.
func (t *token) refused(err error) error { return t.Gateway.refused(t.about, err) }

// describe finds the role, and says what is to be signed. A role that the agent may not have is left to the function
// that lends to refuse. Codes: invalid.
func (t *token) describe(ctx context.Context) error {
	now := t.Now()
	t.about = rolebroker.Call{ID: rolebroker.NewCallID(now), EndedAt: now.UTC(), Agent: t.who.Agent, Token: t.who.Token,
		Address: t.who.Address, Task: t.ask.Task, Service: service[t.ask.Kind], Level: rolebroker.CallPermissions,
		Times: 1}
	grants, err := t.Lender.Grants(ctx, t.who.Agent)
	if err != nil {
		return nil
	}
	if t.grant, err = grants.Resolve(t.ask.Role); err != nil {
		name(&t.about, grants)
		return nil
	}
	t.about.Integration, t.about.Role = t.grant.Integration.ID, t.grant.Role.ID
	name(&t.about, grants)
	if t.what, err = t.compose(); err != nil {
		return err
	}
	t.about.Region, t.about.Operation = t.what.region, t.what.operation
	t.about.Actions, t.about.Level = t.what.actions, t.what.level
	if !t.RedactResources {
		t.about.Resources = rolebroker.BoundResources(t.what.resources)
	}
	return nil
}

// access is what the agent may do with the role; empty: nothing that is known.
func (t *token) access() rolebroker.Access {
	narrowed, _, err := t.grant.Connection.Narrow(t.ask.Access)
	if err != nil {
		return ""
	}
	return narrowed.Access
}

// approve finds the approval of a token, where the call that it is needs one, and returns when that ends;
// zero: it needs none. Codes: approval_required, denied.
func (t *token) approve(ctx context.Context) (until time.Time, err error) {
	asked := t.about.Asked()
	asked.Token = true
	asked.Resources = rolebroker.BoundResources(t.what.resources) // also if the record has none
	if needs, err := t.needApproval(ctx, t.who.Agent, t.ask.Role, asked); err != nil || !needs {
		return until, err
	}
	guard.Patient(ctx)
	t.waited = true
	t.about.AccessRequest, err = t.Approver.MayCall(ctx, t.who, t.request(), asked, approvalWait)
	if err != nil {
		return until, err
	}
	grants, err := t.Lender.Grants(ctx, t.who.Agent)
	if err != nil {
		return until, err
	}
	t.grant, err = grants.Resolve(t.ask.Role) // its connection may be another one after the wait
	if err != nil || t.about.AccessRequest == "" {
		return until, err
	}
	for _, r := range grants.Requests {
		if r.ID == t.about.AccessRequest && r.Approved {
			return r.Until, nil
		}
	}
	return until, rolebroker.Errorf(rolebroker.CodeApproval, "access request %s ended just now", t.about.AccessRequest)
}

// handOut signs the token, records it, and returns it. until is the end of an approval; zero: it is under none. Codes:
// unavailable.
func (t *token) handOut(ctx context.Context, loan *rolebroker.Loan, until time.Time) (*rolebroker.AWSToken, error) {
	now, end := t.Now(), loan.Credentials.Expires
	if !until.IsZero() && until.Before(end) {
		end = until
	}
	left := end.Sub(now).Truncate(time.Second)
	if left < time.Second {
		return nil, t.refused(rolebroker.Errorf(rolebroker.CodeUnavailable, "what the token would be under ends now").
			WithHint("try again"))
	}
	life := min(t.what.lifetime, left)
	by := signature{loan.Credentials, now.UTC(), life}
	if t.what.isFixed { // one that was signed earlier ends earlier
		by.at, by.life = by.at.Add(life-t.what.lifetime), t.what.lifetime
	}
	made := &rolebroker.AWSToken{Expires: now.UTC().Truncate(time.Second).Add(life), RoleARN: loan.Role.ARN,
		Region: t.what.region, Call: t.about.ID}
	if err := t.what.sign(ctx, made, by); err != nil {
		return nil, err
	}
	t.about.Decision, t.about.Session, t.about.ValidUntil = rolebroker.CallAllowed, loan.Session, made.Expires
	if t.about.AccessRequest == "" {
		t.about.AccessRequest = loan.AccessRequest
	}
	if err := t.recorder.handOut(ctx, t.about); err != nil {
		return nil, err
	}
	t.metrics.calls.Inc(t.about.Service, string(rolebroker.CallAllowed))
	return made, nil
}
