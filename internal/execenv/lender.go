package execenv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/forward"
)

// lender serves the command: it forwards every request to the server, and fills
// in the role and the task of this exec.
type lender struct {
	server  Server
	forward *forward.Lender

	mu    sync.Mutex
	own   rolebroker.Request // stands for what a request does not name
	inUse rolebroker.Offer   // the role of own, once it was lent
}

func newLender(o Options) *lender {
	return &lender{
		server:  o.Server,
		forward: forward.New(forward.Options{Server: agent{o.Server}, Log: o.Log, Now: o.Now}),
		own:     rolebroker.Request{Role: o.Role, Task: o.Task},
	}
}

// Lend forwards the request. There is one caller: the command.
func (l *lender) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	req = l.complete(req)
	return l.forward.Lend(ctx, keyOf(req), rolebroker.Caller{}, req)
}

// keyOf tells requests apart.
func keyOf(req rolebroker.Request) string { return fmt.Sprintf("%q %q", req.Role, req.Task) }

// complete fills in this exec's own role and task.
func (l *lender) complete(req rolebroker.Request) rolebroker.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rolebroker.Request{Role: cmp.Or(req.Role, l.own.Role), Task: cmp.Or(req.Task, l.own.Task)}
}

// use makes the role that was lent the default for every later request,
// whatever role becomes the agent's default or gets its name.
func (l *lender) use(offer rolebroker.Offer, loan *rolebroker.Loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inUse = offer
	l.own.Role = qualified(offer)
	l.forward.Remember(keyOf(l.own), loan)
}

// Offers forwards to the server. The default, which comes first, is the role
// that this exec uses.
func (l *lender) Offers(ctx context.Context, _ rolebroker.Caller) ([]rolebroker.Offer, error) {
	offers, err := l.server.Roles(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	inUse := l.inUse
	l.mu.Unlock()
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

func (l *lender) close() { l.forward.Close() }

// agent borrows from the server with the agent's token.
type agent struct{ server Server }

func (a agent) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	c, err := a.server.Credentials(ctx, req.Role, req.Task)
	if err != nil {
		return nil, err
	}
	return forward.NewLoan(c.RoleARN, c.AccessKeyID, c.SecretAccessKey, c.Token, c.Expiration)
}
