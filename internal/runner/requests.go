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

// MyAccessRequests lists the newest requests of the caller in a state; empty: in any.
func (a asking) MyAccessRequests(ctx context.Context, who rolebroker.Caller, state string) (
	found []api.MyAccessRequest, err error) {
	answer, err := a.answer(ctx, who, api.AccessQuestion{List: true, State: state}, func(c *client.Client) (err error) {
		found, err = c.MyAccessRequests(ctx, state)
		return err
	})
	return append(found, answer.Requests...), err
}

// pass asks about one request.
func (a asking) pass(ctx context.Context, who rolebroker.Caller, q api.AccessQuestion,
	ask func(*client.Client) (api.MyAccessRequest, error)) (found api.MyAccessRequest, err error) {
	answer, err := a.answer(ctx, who, q, func(c *client.Client) (err error) {
		found, err = ask(c)
		return err
	})
	if err == nil && answer.Request != nil {
		found = *answer.Request
	}
	return found, err
}

// answer asks the server with the agent's own token by calling ask, or, for a service account, with the runner's
// credential: then it returns the answer.
func (a asking) answer(ctx context.Context, who rolebroker.Caller, q api.AccessQuestion,
	ask func(*client.Client) error) (none api.AccessAnswer, err error) {
	if err := a.link.down(); err != nil {
		return none, err
	}
	if !isBound(who) {
		c, err := a.as(who)
		if err != nil {
			return none, err
		}
		return none, ask(c)
	}
	q.Token, q.Workload, q.Address = string(who.Token), api.Workload(who.Workload), who.Address
	answer, err := attempt(ctx, a.link, func(ctx context.Context, c *client.Client) (api.AccessAnswer, error) {
		return c.AskAccess(ctx, q)
	})
	switch {
	case rejectsRunner(err):
		return none, a.identifier.record.explain(err)
	case err != nil:
		return none, err
	case answer.Refusal != nil || answer.Request == nil && !q.List:
		return none, refusalOf(answer.Refusal)
	}
	return answer, nil
}
