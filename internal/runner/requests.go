package runner

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// asking passes what agents ask people on to the server. It is the containercreds.Requests of a runner.
type asking struct{ platform }

// RequestAccess stores a request, or finds the open one for the same.
func (a asking) RequestAccess(ctx context.Context, who rolebroker.Caller, ask api.AccessRequestRequest) (
	api.MyAccessRequest, error) {
	return a.pass(ctx, who, api.AccessQuestion{AccessRequestRequest: ask},
		func(c *client.Client) (api.MyAccessRequest, error) { return c.RequestAccess(ctx, ask) })
}

// MyAccessRequest finds a request of the caller, and waits at most so long while it is pending.
func (a asking) MyAccessRequest(ctx context.Context, who rolebroker.Caller, id string, wait time.Duration) (
	api.MyAccessRequest, error) {
	return a.pass(ctx, who, api.AccessQuestion{ID: id, WaitSeconds: int64(wait / time.Second)},
		func(c *client.Client) (api.MyAccessRequest, error) { return c.MyAccessRequest(ctx, id, wait) })
}

// pass asks the server with the agent's own token, or, for a service account, with the runner's credential.
func (a asking) pass(ctx context.Context, who rolebroker.Caller, q api.AccessQuestion,
	ask func(*client.Client) (api.MyAccessRequest, error)) (api.MyAccessRequest, error) {
	if err := a.link.down(); err != nil {
		return api.MyAccessRequest{}, err
	}
	if !isBound(who) {
		c, err := a.as(who)
		if err != nil {
			return api.MyAccessRequest{}, err
		}
		return ask(c)
	}
	q.Token, q.Workload = string(who.Token), api.Workload(who.Workload)
	answer, err := attempt(ctx, a.link, func(ctx context.Context, c *client.Client) (api.AccessAnswer, error) {
		return c.AskAccess(ctx, q)
	})
	switch {
	case rejectsRunner(err):
		return api.MyAccessRequest{}, a.identifier.record.explain(err)
	case err != nil:
		return api.MyAccessRequest{}, err
	case answer.Request == nil:
		return api.MyAccessRequest{}, refusalOf(answer.Refusal)
	}
	return *answer.Request, nil
}
