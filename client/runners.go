package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rolebroker/rolebroker/api"
)

const runnersPath = "/api/v1/runners"

// Runners lists by name.
func (c *Client) Runners(ctx context.Context, l List) (api.List[api.Runner], error) {
	return list[api.Runner](ctx, c, runnersPath, l.query())
}

// AllRunners is every runner whose name contains search, by name.
func (c *Client) AllRunners(ctx context.Context, search string) iter.Seq2[api.Runner, error] {
	return all(func(l List) (api.List[api.Runner], error) { return c.Runners(ctx, l) }, List{Search: search})
}

// Runner finds one by name or ID; its ETag guards an update.
func (c *Client) Runner(ctx context.Context, nameOrID string) (api.Runner, error) {
	return get[api.Runner](ctx, c, runnersPath, "runner", nameOrID)
}

// CreateRunner makes one, which has yet to join.
func (c *Client) CreateRunner(ctx context.Context, r api.RunnerRequest) (api.Runner, error) {
	return send[api.Runner](ctx, c, request{method: http.MethodPost, path: runnersPath, body: r})
}

// UpdateRunner replaces what people say of one. ifMatch is as for
// UpdateIntegration.
func (c *Client) UpdateRunner(ctx context.Context, nameOrID string, r api.RunnerRequest, ifMatch string) (api.Runner, error) {
	return put[api.Runner](ctx, c, runnersPath, "runner", nameOrID, r, ifMatch)
}

// DeleteRunner removes one and ends its credential. ifMatch is as for
// UpdateIntegration. Codes: also conflict (an integration names it).
func (c *Client) DeleteRunner(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, runnersPath, "runner", nameOrID, ifMatch)
}

// CreateJoinToken makes a token with which the runner joins, once; the answer is
// the only one that has it. One that was made before and not used is good no more.
func (c *Client) CreateJoinToken(ctx context.Context, runner string, t api.JoinTokenRequest) (api.JoinToken, error) {
	path, err := member(runnersPath, "runner", runner)
	if err != nil {
		return api.JoinToken{}, err
	}
	return send[api.JoinToken](ctx, c, request{method: http.MethodPost, path: path + "/join-tokens", body: t})
}

// Bindings lists the service accounts that are the agent, by ID.
func (c *Client) Bindings(ctx context.Context, agent string, l List) (api.List[api.Binding], error) {
	collection, err := under(agent, "bindings")
	if err != nil {
		return api.List[api.Binding]{}, err
	}
	return list[api.Binding](ctx, c, collection, l.query())
}

// AllBindings is every service account that is the agent, by ID.
func (c *Client) AllBindings(ctx context.Context, agent string) iter.Seq2[api.Binding, error] {
	return all(func(l List) (api.List[api.Binding], error) { return c.Bindings(ctx, agent, l) }, List{})
}

// Bind says that whoever runs as a service account is the agent. Codes: also
// conflict (it is an agent already).
func (c *Client) Bind(ctx context.Context, agent string, b api.BindingRequest) (api.Binding, error) {
	collection, err := under(agent, "bindings")
	if err != nil {
		return api.Binding{}, err
	}
	return send[api.Binding](ctx, c, request{method: http.MethodPost, path: collection, body: b})
}

// Unbind has a service account be the agent no longer. What the agent has already
// lives until it expires.
func (c *Client) Unbind(ctx context.Context, agent, id string) error {
	collection, err := under(agent, "bindings")
	if err != nil {
		return err
	}
	return c.remove(ctx, collection, "binding", id, "")
}
