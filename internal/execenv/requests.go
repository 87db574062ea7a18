package execenv

import (
	"context"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// RequestAccess asks the server for a role of the room. The task that binds the command binds the question, too.
func (l *lender) RequestAccess(ctx context.Context, _ rolebroker.Caller, ask api.AccessRequestRequest) (
	api.MyAccessRequest, error) {
	role, err := l.furnished().find(ask.Role)
	if err != nil {
		return api.MyAccessRequest{}, err
	}
	if ask.Task, err = l.task(ask.Task); err != nil {
		return api.MyAccessRequest{}, err
	}
	ask.Role = qualified(role)
	return l.server.RequestAccess(ctx, ask)
}

// MyAccessRequest asks the server what became of a request of the agent. A request that the room could not have made is
// not found.
func (l *lender) MyAccessRequest(ctx context.Context, _ rolebroker.Caller, id string, wait time.Duration) (
	api.MyAccessRequest, error) {
	found, err := l.server.MyAccessRequest(ctx, id, wait)
	if err == nil && !l.concerns(found) {
		return api.MyAccessRequest{}, rolebroker.NoAccessRequest(id)
	}
	return found, err
}

// MyAccessRequests lists the agent's newest requests that the room could have made.
func (l *lender) MyAccessRequests(ctx context.Context, _ rolebroker.Caller, state string) (
	[]api.MyAccessRequest, error) {
	found, err := l.server.MyAccessRequests(ctx, state)
	return slices.DeleteFunc(found, func(r api.MyAccessRequest) bool { return !l.concerns(r) }), err
}

// concerns reports whether a request is for a role and a task that the command may use.
func (l *lender) concerns(r api.MyAccessRequest) bool {
	_, err := l.furnished().find(r.Role)
	return err == nil && (!l.noTasks || r.Task == l.first.Task)
}
