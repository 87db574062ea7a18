package runner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/forward"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// lender lends what the runner assumes and forwards to the server what the
// platform assumes, so that an agent needs one endpoint.
type lender struct {
	cluster  *lend.Lender
	platform *forward.Lender
	record   *record
	lent     *prometheus.Counter // loans of the platform
}

// Lend lends the role that the agent names: from the cluster, or from the platform.
func (l *lender) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	grant, err := again(l.record, func() (rolebroker.Grant, error) { return l.cluster.Resolve(ctx, who, req.Role) })
	if err != nil || !l.isFromServer(grant) {
		return l.cluster.Lend(ctx, who, req) // it also counts and logs the refusal
	}
	if grant.Integration.AssumptionMode != rolebroker.ModePlatform {
		req.Runner = grant.Integration.Runner
	}
	req.Role = grant.Reference()
	approval, err := again(l.record, func() (rolebroker.OpenRequest, error) {
		return l.cluster.Approval(ctx, who, grant, req.Task)
	})
	if err != nil {
		return nil, l.cluster.Refuse(ctx, rolebroker.AgentRefusal{Who: who, Action: rolebroker.ActionSessionBegin, Task: req.Task,
			Subject: rolebroker.Named(rolebroker.KindRole, req.Role)}, err)
	}
	key := fmt.Sprintf("%q %q %q %s %d %q %q %q %q", who.Token, grant.Integration.ID, grant.Role.ID, grant.Role.ARN,
		grant.Role.Generation, req.Task, approval.ID, req.Access, req.Runner)
	loan, err := l.platform.Lend(ctx, key, who, req)
	var rejected *rejectedRunner
	switch {
	case errors.As(err, &rejected):
		return nil, l.record.explain(rejected.reason)
	case rolebroker.IsOutage(err):
		return nil, l.record.explain(err)
	case err == nil && req.Runner == "":
		l.lent.Inc()
	}
	return loan, err
}

// isFromServer reports whether the server lends the role: it assumes it, or the agent gets a key for the runner's
// gateway, which only the server can make.
func (l *lender) isFromServer(grant rolebroker.Grant) bool {
	if grant.Integration.AssumptionMode == rolebroker.ModePlatform {
		return true
	}
	return grant.Connection.Keys == rolebroker.KeysWithheld && l.record.link.serves(grant.Integration) == nil
}

// forgetEnded forgets what a change ended: loans of the platform, and what the server
// authorised.
func (l *lender) forgetEnded(change rolebroker.Change) {
	if !change.Ended {
		return
	}
	l.record.withdrawEnded(change)
	isOf := func(key, id string) bool { return id == "" || strings.Contains(key, strconv.Quote(id)) }
	l.platform.Forget(func(who rolebroker.Caller, key string) bool {
		return (change.Agent == "" || change.Agent == who.Agent) &&
			isOf(key, string(change.Integration)) && isOf(key, string(change.Role))
	})
}

// Offers lists what the agent may borrow now, the default first.
func (l *lender) Offers(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Offer, error) {
	return again(l.record, func() ([]rolebroker.Offer, error) { return l.cluster.Offers(ctx, who) })
}

// Close ends lending as lend.Lender.Close does.
func (l *lender) Close(ctx context.Context) error {
	l.platform.Close()
	err := l.cluster.Close(ctx)
	return errors.Join(err, l.record.sendRefusals(ctx))
}

// sendUse sends the server how often credentials were handed out, and what agents were refused.
func (l *lender) sendUse(ctx context.Context) error {
	err := l.cluster.RecordUse(ctx)
	return errors.Join(err, l.record.sendRefusals(ctx))
}

// again asks a second time if the first time found out that the server cannot be
// reached: from then on remembered answers may be used.
func again[T any](r *record, ask func() (T, error)) (T, error) {
	before := r.Watching()
	answer, err := ask()
	if rolebroker.IsOutage(err) && !before && r.Watching() {
		return ask()
	}
	return answer, err
}

// serves is nil for the integrations that name this runner, and for others the
// refusal.
func (l *link) serves(in *rolebroker.Integration) error {
	id, name := l.identity()
	switch {
	case in.Runner == id:
		return nil
	case in.Runner == "":
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"no runner assumes the roles of integration %s: it names none", in.Name).
			WithHint("an administrator can name one: rolebroker integration update %s --runner %s", in.Name, name)
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "the roles of integration %s are assumed by another runner than %s",
		in.Name, name).
		WithHint("ask that one, or have an administrator name this one: rolebroker integration update %s --runner %s",
			in.Name, name)
}

// platform borrows from the server: with the agent's own token, or, for a
// service account, with the runner's credential.
type platform struct {
	link       *link
	identifier *identifier
}

// Lend borrows once.
func (p platform) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	if err := p.link.down(); err != nil {
		return nil, err
	}
	if req.Runner != "" {
		return p.gatewayKey(ctx, who, req)
	}
	if isBound(who) {
		return p.lendThrough(ctx, who, req)
	}
	c, err := p.as(who)
	if err != nil {
		return nil, err
	}
	lent, err := c.Borrow(ctx, req)
	if err != nil {
		return nil, err
	}
	return forward.NewLoan(lent.RoleARN, lent.AccessKeyID, lent.SecretAccessKey, lent.Token, lent.Expiration, lent.Access, lent.Keys)
}

// isBound reports whether the runner knows the agent by its service account.
func isBound(who rolebroker.Caller) bool { return strings.HasPrefix(string(who.Token), "bnd_") }

// as makes a client with the agent's own token.
func (p platform) as(who rolebroker.Caller) (*client.Client, error) {
	shown, err := p.tokenOf(who)
	if err != nil {
		return nil, err
	}
	options := p.link.options
	options.Token = shown
	return client.New(options)
}

// tokenOf is the agent's own token. Codes: unavailable.
func (p platform) tokenOf(who rolebroker.Caller) (rolebroker.Secret, error) {
	shown := p.identifier.tokenOf(who.Token)
	if shown.IsZero() {
		return shown, rolebroker.Errorf(rolebroker.CodeUnavailable, "too many agents ask at once").WithHint("try again")
	}
	return shown, nil
}

// lendThrough borrows for the agent that is bound to a service account.
func (p platform) lendThrough(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (
	*rolebroker.Loan, error) {
	lent, err := attempt(ctx, p.link, func(ctx context.Context, c *client.Client) (api.LoanAnswer, error) {
		return c.Lend(ctx, api.LoanRequest{Token: string(who.Token), Role: req.Role, Task: req.Task,
			Access: string(req.Access), Workload: api.Workload(who.Workload), Address: who.Address})
	})
	return loanOf(req, lent, err)
}

// gatewayKey borrows a key for the gateway of the runner: with the agent's own token, or for the agent that is bound to
// a service account.
func (p platform) gatewayKey(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (
	*rolebroker.Loan, error) {
	wanted := api.GatewayKeyRequest{Role: req.Role, Task: req.Task, Access: string(req.Access), Address: who.Address}
	if isBound(who) {
		wanted.Token, wanted.Workload = string(who.Token), api.Workload(who.Workload)
	} else {
		shown, err := p.tokenOf(who)
		if err != nil {
			return nil, err
		}
		wanted.AgentToken = api.Secret(shown.Reveal())
	}
	lent, err := attempt(ctx, p.link, func(ctx context.Context, c *client.Client) (api.LoanAnswer, error) {
		return c.MakeGatewayKey(ctx, wanted)
	})
	if err == nil && lent.Refusal == nil && lent.Keys != string(rolebroker.KeysWithheld) {
		return nil, refusalOf(nil)
	}
	return loanOf(req, lent, tooOld(err))
}

// loanOf is the loan of an answer to what was asked for.
func loanOf(req rolebroker.Request, lent api.LoanAnswer, err error) (*rolebroker.Loan, error) {
	switch {
	case rejectsRunner(err):
		return nil, &rejectedRunner{err}
	case err != nil:
		return nil, err
	case lent.Refusal != nil:
		return nil, refusalOf(lent.Refusal)
	}
	if err := rolebroker.CheckNarrowed(req, rolebroker.Access(lent.Access)); err != nil {
		return nil, err
	}
	return forward.NewLoan(lent.RoleARN, lent.AccessKeyID, rolebroker.NewSecret(lent.SecretAccessKey.Reveal()),
		rolebroker.NewSecret(lent.Token.Reveal()), lent.Expiration, rolebroker.Access(lent.Access),
		rolebroker.Keys(lent.Keys))
}

// rejectedRunner is an error: the server refused the runner and not the agent.
type rejectedRunner struct{ reason error }

func (e *rejectedRunner) Error() string { return e.reason.Error() }
func (e *rejectedRunner) Unwrap() error { return e.reason }
