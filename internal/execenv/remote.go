package execenv

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

const (
	// askTimeout bounds one question to the server, which may have to ask STS.
	askTimeout = 30 * time.Second
	// patience is how long somebody who could be given a remembered loan waits
	// for the server's answer. The SDKs give up after one or two seconds.
	patience = time.Second
)

// remote lends what the server lends: every request is forwarded, so that a
// refusal takes effect at the next one. The last loan is remembered for when
// the server cannot be reached.
type remote struct {
	server  Server
	now     func() time.Time
	log     *slog.Logger
	life    context.Context // until close
	close   context.CancelFunc
	flights singleflight.Group

	mu    sync.Mutex
	own   rolebroker.Request                      // what is asked for when a request names nothing
	loans map[rolebroker.Request]*rolebroker.Loan // the last good one of each
	inUse rolebroker.Offer
	down  bool // the log says that the server does not answer
}

func newRemote(o Options) *remote {
	life, cancel := context.WithCancel(context.Background())
	return &remote{server: o.Server, now: o.Now, log: o.Log, life: life, close: cancel,
		own: rolebroker.Request{Role: o.Role, Task: o.Task}, loans: map[rolebroker.Request]*rolebroker.Loan{}}
}

// Lend forwards the request to the server. All who ask alike at the same time
// share one question; when one of them goes away the others still get the
// answer. If the server cannot answer, the last loan is good until it expires.
func (r *remote) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	req = r.complete(req)
	answer := r.flights.DoChan(fmt.Sprintf("%q %q", req.Role, req.Task), func() (any, error) { return r.ask(req) })
	var late <-chan time.Time
	if r.remembered(req) != nil {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case a := <-answer:
		return r.settle(req, a)
	case <-late:
		if loan := r.remembered(req); loan != nil {
			return loan, nil
		}
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "rolebroker did not answer in time, and what it lent before has expired")
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "asking rolebroker was interrupted: %w", ctx.Err())
	}
}

// complete fills in this exec's own role and task.
func (r *remote) complete(req rolebroker.Request) rolebroker.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return rolebroker.Request{Role: cmp.Or(req.Role, r.own.Role), Task: cmp.Or(req.Task, r.own.Task)}
}

// settle is what comes of an answer: the loan, what is remembered while the
// server cannot answer, or its refusal.
func (r *remote) settle(req rolebroker.Request, answer singleflight.Result) (*rolebroker.Loan, error) {
	if answer.Err == nil {
		return answer.Val.(*rolebroker.Loan), nil
	}
	if loan := r.remembered(req); loan != nil && rolebroker.IsOutage(answer.Err) {
		return loan, nil
	}
	return nil, answer.Err
}

// ask asks the server, and remembers or forgets.
func (r *remote) ask(req rolebroker.Request) (*rolebroker.Loan, error) {
	ctx, cancel := context.WithTimeout(r.life, askTimeout)
	defer cancel()
	credentials, err := r.server.Credentials(ctx, req.Role, req.Task)
	if err != nil {
		return nil, r.failed(req, err)
	}
	loan, err := loanOf(credentials, r.now())
	if err != nil {
		return nil, r.failed(req, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loans[req] = loan
	r.heard(nil)
	return loan, nil
}

// failed forgets what was lent before when the server refuses to lend it now.
func (r *remote) failed(req rolebroker.Request, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rolebroker.IsOutage(err) {
		r.heard(err)
		return err
	}
	delete(r.loans, req)
	r.heard(nil)
	return err
}

// heard logs that the server went away, if anything it lent is left, and that
// it came back; r.mu is held.
func (r *remote) heard(err error) {
	r.forgetExpired()
	switch {
	case err == nil && r.down:
		r.down = false
		r.log.Info("rolebroker lends again")
	case err != nil && !r.down && len(r.loans) > 0 && r.life.Err() == nil:
		r.down = true
		r.log.Warn("rolebroker cannot lend now; what is still valid is handed out", "error", err)
	}
}

// remembered is the last good loan while it is valid, else nil.
func (r *remote) remembered(req rolebroker.Request) *rolebroker.Loan {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetExpired()
	return r.loans[req]
}

func (r *remote) forgetExpired() {
	now := r.now()
	for req, loan := range r.loans {
		if !now.Before(loan.Credentials.Expires) {
			delete(r.loans, req)
		}
	}
}

// loanOf is a loan as the server would have it, without what it keeps to itself.
func loanOf(c *client.Credentials, now time.Time) (*rolebroker.Loan, error) {
	if !now.Before(c.Expiration) {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "rolebroker lent credentials that have expired by this machine's clock").
			WithHint("the clock says %s and the credentials ended at %s; set the clock of whichever machine is wrong",
				now.UTC().Format(time.RFC3339), c.Expiration.UTC().Format(time.RFC3339))
	}
	arn, err := rolebroker.ParseRoleARN(c.RoleARN)
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker lent a role that this version does not understand: %w", err).
			WithHint("use the same version on both sides: rolebroker version")
	}
	return &rolebroker.Loan{
		Role: rolebroker.Role{ARN: arn},
		Credentials: rolebroker.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey,
			SessionToken: c.Token, Expires: c.Expiration},
	}, nil
}

// using says which role is in use, and was lent: the default to whoever asks
// here from now on, whatever becomes the default or gets that name elsewhere.
func (r *remote) using(offer rolebroker.Offer, loan *rolebroker.Loan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inUse = offer
	r.own.Role = qualified(offer)
	r.loans[r.own] = loan
}

// Offers forwards to the server. The default, which comes first, is the role
// that this exec uses.
func (r *remote) Offers(ctx context.Context, _ rolebroker.Caller) ([]rolebroker.Offer, error) {
	offers, err := r.server.Roles(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	inUse := r.inUse
	r.mu.Unlock()
	for i := range offers {
		offers[i].Default = offers[i].Integration == inUse.Integration && offers[i].Name == inUse.Name
	}
	slices.SortStableFunc(offers, func(a, b rolebroker.Offer) int {
		switch {
		case a.Default == b.Default:
			return 0
		case a.Default:
			return -1
		}
		return 1
	})
	return offers, nil
}
