package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// lending lends what the runner assumes, and passes on what the platform does,
// so that an agent needs one endpoint.
type lending struct {
	*lend.Lender
	link       *link
	identifier *identifier
	now        func() time.Time
	flights    singleflight.Group

	mu    sync.Mutex
	loans map[string]*rolebroker.Loan // of the platform: the last good one of each, for when it cannot be reached
}

// Lend gives the agent what it asks for, from whoever assumes that role.
func (l *lending) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	grant, err := l.Resolve(ctx, who, req.Role)
	if err != nil || grant.Integration.AssumptionMode != rolebroker.ModePlatform {
		loan, err := l.Lender.Lend(ctx, who, req) // which says so, too, and keeps count
		return loan, saidOfRunner(err)
	}
	req.Role = grant.Reference()
	key := fmt.Sprintf("%q %q %s %q", who.Token, grant.Role.ID, grant.Role.ARN, req.Task)
	answer := l.flights.DoChan(key, func() (any, error) { return l.pass(context.WithoutCancel(ctx), key, who, req) })
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*rolebroker.Loan), nil
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server did not answer in time: %w", ctx.Err())
	}
}

// saidOfRunner is what STS refused, said of a runner instead of a server.
func saidOfRunner(err error) error {
	var refusal *rolebroker.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	e := *rolebroker.AsError(err)
	e.Message, e.Hint = ofRunner.Replace(e.Message), hintOfRunner(e.Hint)
	return &e
}

// pass asks the platform. While it cannot be reached, what it lent before is
// good until that expires.
func (l *lending) pass(ctx context.Context, key string, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	loan, err := l.platform(ctx, who, req)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for key, old := range l.loans {
		if !now.Before(old.Credentials.Expires) {
			delete(l.loans, key)
		}
	}
	switch old := l.loans[key]; {
	case err == nil:
		l.loans[key] = loan
		return loan, nil
	case rolebroker.IsOutage(err) && old != nil:
		return old, nil
	}
	delete(l.loans, key)
	if rolebroker.IsOutage(err) {
		err = l.identifier.record.away(err)
	}
	return nil, err
}

// platform borrows with the agent's own token, or says which service account
// the agent is.
func (l *lending) platform(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*askTimeout) // it may have to ask STS
	defer cancel()
	token := l.identifier.tokenOf(who.Token)
	if token.IsZero() && !strings.HasPrefix(string(who.Token), "bnd_") {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "too many agents ask at once").WithHint("try again")
	}
	if token.IsZero() {
		lent, err := l.link.server.Load().Lend(ctx, api.Loan{Token: string(who.Token), Role: req.Role, Task: req.Task})
		if err != nil {
			return nil, l.identifier.record.away(err)
		}
		if lent.Refusal != nil {
			return nil, refusalOf(lent.Refusal)
		}
		return loanOf(lent.RoleARN, lent.AccessKeyID, lent.SecretAccessKey.Reveal(), lent.Token.Reveal(), lent.Expiration)
	}
	options := l.link.options
	options.Token = token
	c, err := client.New(options)
	if err != nil {
		return nil, err
	}
	lent, err := c.Credentials(ctx, req.Role, req.Task)
	if err != nil {
		return nil, err
	}
	return loanOf(lent.RoleARN, lent.AccessKeyID, lent.SecretAccessKey.Reveal(), lent.Token.Reveal(), lent.Expiration)
}

func loanOf(role, id, secret, token string, expires time.Time) (*rolebroker.Loan, error) {
	arn, err := rolebroker.ParseRoleARN(role)
	if err != nil || id == "" || secret == "" {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal, "the server lent something that this version does not understand").
			WithHint("use the same version on both sides: rolebroker version")
	}
	return &rolebroker.Loan{Role: rolebroker.Role{ARN: arn}, Credentials: rolebroker.Credentials{AccessKeyID: id,
		SecretAccessKey: rolebroker.NewSecret(secret), SessionToken: rolebroker.NewSecret(token), Expires: expires.UTC()}}, nil
}

// serves is nil for the integrations that name this runner.
func (l *link) serves(in *rolebroker.Integration) error {
	id, name := l.me()
	switch {
	case in.Runner == id:
		return nil
	case in.Runner == "":
		return rolebroker.Errorf(rolebroker.CodeDenied, "nobody assumes the roles of integration %s: it names no runner", in.Name).
			WithHint("an administrator can name one: rolebroker integration update %s --runner %s", in.Name, name)
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "the roles of integration %s are assumed by another runner than %s", in.Name, name).
		WithHint("ask that one, or have an administrator name this one: rolebroker integration update %s --runner %s", in.Name, name)
}
