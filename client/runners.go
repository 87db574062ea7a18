package client

import (
	"context"
	"iter"

	"github.com/rolebroker/rolebroker/api"
)

const runnersPath = "/api/v1/runners"

func runnerAt(nameOrID string) place { return at(runnersPath).member("runner", nameOrID) }

// Runners lists a page of runners, by name.
func (c *Client) Runners(ctx context.Context, l List) (api.List[api.Runner], error) {
	return list[api.Runner](ctx, c, at(runnersPath), l)
}

// AllRunners lists the runners that [List].Search selects, sorted by name.
func (c *Client) AllRunners(ctx context.Context, search string) iter.Seq2[api.Runner, error] {
	return all[api.Runner](ctx, c, at(runnersPath), List{Search: search})
}

// Runner reads a runner by name or ID; its ETag guards an update.
func (c *Client) Runner(ctx context.Context, nameOrID string) (api.Runner, error) {
	return get[api.Runner](ctx, c, runnerAt(nameOrID))
}

// CreateRunner makes a runner, which has yet to join.
func (c *Client) CreateRunner(ctx context.Context, r api.RunnerRequest) (api.Runner, error) {
	return post[api.Runner](ctx, c, at(runnersPath), r)
}

// UpdateRunner replaces what people say of a runner. ifMatch is as for
// UpdateIntegration.
func (c *Client) UpdateRunner(ctx context.Context, nameOrID string, r api.RunnerRequest, ifMatch string) (
	api.Runner, error) {
	return put[api.Runner](ctx, c, runnerAt(nameOrID), r, ifMatch)
}

// DeleteRunner removes a runner and ends its credential. ifMatch is as for
// UpdateIntegration. Codes: also conflict (an integration names it).
func (c *Client) DeleteRunner(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, runnerAt(nameOrID), ifMatch)
}

// CreateJoinToken makes a token with which the runner joins, once; the answer is
// the only one that has it. An unused token that was made before stops working.
func (c *Client) CreateJoinToken(ctx context.Context, runner string, t api.JoinTokenRequest) (api.JoinToken, error) {
	return post[api.JoinToken](ctx, c, runnerAt(runner).under("join-tokens"), t)
}
