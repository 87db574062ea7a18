package execenv

import (
	"context"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
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
func (l *lender) concerns(r api.MyAccessRequest) bool { return l.mayUse(r.Role, r.Task) }

// mayUse reports whether the command may use a role for a task.
func (l *lender) mayUse(role, task string) bool {
	_, err := l.furnished().find(role)
	return err == nil && (!l.noTasks || task == l.first.Task)
}

// MyCalls lists a page of the agent's calls that a command of the room could have made. A page may have fewer than
// asked for, and none, and others follow all the same.
func (l *lender) MyCalls(ctx context.Context, _ rolebroker.Caller, filter rolebroker.CallFilter, limit int,
	after rolebroker.CallID) (api.List[api.Call], error) {
	found, err := l.server.Calls(ctx, api.CallFilter{Session: string(filter.Session), Request: string(filter.Request),
		Service: filter.Service, Operation: filter.Operation, Level: string(filter.Level),
		Decision: string(filter.Decision), Since: filter.Since, Until: filter.Until},
		client.List{Limit: limit, Cursor: string(after)})
	found.Items = slices.DeleteFunc(found.Items, func(c api.Call) bool {
		return c.Role == "" || !l.mayUse(c.Integration+"/"+c.Role, c.Task)
	})
	return found, err
}
