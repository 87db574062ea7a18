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

// lender serves the command: it forwards the requests for what the room has to the
// server, and refuses all others.
type lender struct {
	server  Server
	forward *forward.Lender
	first   rolebroker.Request // what exec borrows before the command starts
	noTasks bool               // the command may name no task, unless it is first.Task

	keys keys

	mu    sync.Mutex
	roles roles // none before furnish
}

func newLender(o Options) *lender {
	l := &lender{server: o.Server, first: rolebroker.Request{Role: o.Role, Task: o.Task, Access: o.Access},
		noTasks: o.NoTasks || o.Task != ""}
	from := upstream{o.Server, l.furnished, o.needsWithheld()}
	l.forward = forward.New(forward.Options{Server: from, Log: o.Log, Now: o.Now})
	return l
}

// Lend forwards a request of the command.
func (l *lender) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	role, err := l.furnished().find(req.Role)
	if err != nil {
		return nil, err
	}
	task, err := l.task(req.Task)
	if err != nil {
		return nil, err
	}
	access := cmp.Or(l.first.Access, req.Access)
	return l.ask(ctx, rolebroker.Request{Role: qualified(role), Task: task, Access: access})
}

// lendFirst borrows what exec was told to borrow.
func (l *lender) lendFirst(ctx context.Context) (*rolebroker.Loan, error) { return l.ask(ctx, l.first) }

func (l *lender) ask(ctx context.Context, req rolebroker.Request) (*rolebroker.Loan, error) {
	loan, err := l.forward.Lend(ctx, keyOf(req), rolebroker.Caller{Request: rolebroker.RequestIDOf(ctx)}, req)
	if err == nil {
		l.keys.note(req, loan)
	}
	return loan, err
}

// keyOf tells requests apart.
func keyOf(req rolebroker.Request) string {
	return fmt.Sprintf("%q %q %q", req.Role, req.Task, req.Access)
}

// task is the task of a request that names this one, or none. Codes: denied.
func (l *lender) task(named string) (string, error) {
	switch {
	case named == "" || named == l.first.Task || !l.noTasks:
		return cmp.Or(named, l.first.Task), nil
	case l.first.Task == "":
		return "", rolebroker.Errorf(rolebroker.CodeDenied,
			"this rolebroker exec is bound to no task; it does not lend for %s", quote(named)).WithHint(hintTask)
	}
	return "", rolebroker.Errorf(rolebroker.CodeDenied, "this rolebroker exec is bound to task %s; it does not lend "+
		"for %s", l.first.Task, quote(named)).WithHint(hintTask)
}

const hintTask = "leave the task out; a command for another task needs a rolebroker exec of its own, started outside " +
	"of this one"

// quote makes a part of a request fit for a message.
func quote(s string) string { return fmt.Sprintf("%+q", rolebroker.ShowReference(s)) }

// use makes the roles those of the room, and the loan the one of the role in use.
func (l *lender) use(roles roles, loan *rolebroker.Loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.roles = roles
	asked := rolebroker.Request{Role: qualified(roles.inUse()), Task: l.first.Task, Access: l.first.Access}
	l.forward.Remember(keyOf(asked), loan)
	l.keys.note(asked, loan)
}

// furnished are the roles of the room; none before the command starts.
func (l *lender) furnished() roles {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.roles
}

// Offers lists the roles of the room that the server still offers, by their names
// in the room. The default, which comes first, is the role in use.
func (l *lender) Offers(ctx context.Context, _ rolebroker.Caller) ([]rolebroker.Offer, error) {
	now, err := l.server.Roles(ctx)
	if err != nil {
		return nil, err
	}
	offers := slices.Clone(l.furnished().offers)
	for i := range offers {
		if l.first.Access != "" && offers[i].Access == rolebroker.AccessFull {
			offers[i].Access = l.first.Access
		}
	}
	return slices.DeleteFunc(offers, func(o rolebroker.Offer) bool {
		return !slices.ContainsFunc(now, func(n rolebroker.Offer) bool {
			return qualified(n) == qualified(o) && n.ARN == o.ARN
		})
	}), nil
}

func (l *lender) close() { l.forward.Close() }

// upstream borrows from the server with the agent's token, for the roles of a room.
type upstream struct {
	server   Server
	roles    func() roles
	withheld needsWithheld
}

func (u upstream) Lend(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	c, err := u.server.Borrow(ctx, req)
	if err != nil {
		return nil, err
	}
	if u.withheld != "" && c.Keys != rolebroker.KeysWithheld {
		return nil, u.withheld.lentError(string(c.RoleARN)).WithHint("an administrator withholds them with " +
			"rolebroker agent connect AGENT INTEGRATION --keys withheld")
	}
	loan, err := forward.NewLoan(c.RoleARN, c.AccessKeyID, c.SecretAccessKey, c.Token, c.Expiration, c.Access, c.Keys)
	if err == nil {
		err = u.roles().check(req.Role, loan)
	}
	if err != nil {
		return nil, err
	}
	return loan, nil
}
