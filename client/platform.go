package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rolebroker/rolebroker/api"
)

const (
	apiKeysPath  = "/api/v1/api-keys"
	sessionsPath = "/api/v1/sessions"
)

// Platform is who the deployment is in AWS, and what it can do.
func (c *Client) Platform(ctx context.Context) (api.Platform, error) {
	return send[api.Platform](ctx, c, request{method: http.MethodGet, path: "/api/v1/platform"})
}

// Sessions lists the newest first.
func (c *Client) Sessions(ctx context.Context, filter api.SessionFilter, l List) (api.List[api.Session], error) {
	q := l.query()
	set(q, "agent", filter.Agent)
	set(q, "integration", filter.Integration)
	set(q, "role", filter.Role)
	if filter.Live {
		q.Set("live", "true")
	}
	return list[api.Session](ctx, c, sessionsPath, q)
}

// AllSessions is every session that the filter picks, the newest first.
func (c *Client) AllSessions(ctx context.Context, filter api.SessionFilter) iter.Seq2[api.Session, error] {
	return all(func(l List) (api.List[api.Session], error) { return c.Sessions(ctx, filter, l) }, List{})
}

// APIKeys lists the keys to the management API, by ID.
func (c *Client) APIKeys(ctx context.Context, l List) (api.List[api.APIKey], error) {
	return list[api.APIKey](ctx, c, apiKeysPath, l.query())
}

// AllAPIKeys is every key to the management API, by ID.
func (c *Client) AllAPIKeys(ctx context.Context) iter.Seq2[api.APIKey, error] {
	return all(func(l List) (api.List[api.APIKey], error) { return c.APIKeys(ctx, l) }, List{})
}

// CreateAPIKey makes a key; the answer is the only one that has it.
func (c *Client) CreateAPIKey(ctx context.Context, k api.APIKeyRequest) (api.NewAPIKey, error) {
	return send[api.NewAPIKey](ctx, c, request{method: http.MethodPost, path: apiKeysPath, body: k})
}

// DeleteAPIKey removes a key. The last admin key that never expires stays (CodeConflict).
func (c *Client) DeleteAPIKey(ctx context.Context, id string) error {
	return c.remove(ctx, apiKeysPath, "API key", id, "")
}
