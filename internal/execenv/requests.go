package execenv

import (
	"context"
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

// MyAccessRequest asks the server what became of a request of the agent.
func (l *lender) MyAccessRequest(ctx context.Context, _ rolebroker.Caller, id string, wait time.Duration) (
	api.MyAccessRequest, error) {
	return l.server.MyAccessRequest(ctx, id, wait)
}
