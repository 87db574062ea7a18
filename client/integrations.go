package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker/api"
)

const (
	integrationsPath = "/api/v1/integrations"
	externalIDsPath  = "/api/v1/external-ids"
)

func integrationAt(nameOrID string) place {
	return at(integrationsPath).member("integration", nameOrID)
}

// Integrations lists a page of integrations, by name.
func (c *Client) Integrations(ctx context.Context, l List) (api.List[api.Integration], error) {
	return list[api.Integration](ctx, c, at(integrationsPath), l)
}

// AllIntegrations lists the integrations that [List].Search selects, sorted by name.
func (c *Client) AllIntegrations(ctx context.Context, search string) iter.Seq2[api.Integration, error] {
	return all[api.Integration](ctx, c, at(integrationsPath), List{Search: search})
}

// Integration reads an integration by name or ID; its ETag guards an update.
func (c *Client) Integration(ctx context.Context, nameOrID string) (api.Integration, error) {
	return get[api.Integration](ctx, c, integrationAt(nameOrID))
}

// SaveOption changes how an integration is saved.
type SaveOption func(*request)

// Wait has the server try a role that AWS denies again for d, 5 minutes at most: IAM
// takes some seconds to spread a new role or a change. The request takes that much
// longer, and a proxy may close it; [Client.ValidateDraft] and
// [Client.ValidateIntegration] keep their connection alive.
func Wait(d time.Duration) SaveOption {
	return func(r *request) {
		r.query.Set("wait", d.String())
		r.patience = d
	}
}

// saving is a request that saves an integration.
func saving(r request, validate string, options []SaveOption) request {
	r.query = query{"validate": validate}.values()
	for _, option := range options {
		option(&r)
	}
	return r
}

// CreateIntegration makes an integration. validate is [api.ValidateRequire],
// [api.ValidateWarn] or [api.ValidateSkip]; empty leaves it to the server.
func (c *Client) CreateIntegration(ctx context.Context, in api.IntegrationRequest, validate string,
	options ...SaveOption) (api.Integration, error) {
	return send[api.Integration](ctx, c, saving(request{method: http.MethodPost, place: at(integrationsPath), body: in},
		validate, options))
}

// UpdateIntegration replaces an integration. ifMatch is the ETag of the version
// that the change was made from (CodeStale if someone else changed it since);
// empty overwrites any version. validate is as for CreateIntegration.
func (c *Client) UpdateIntegration(ctx context.Context, nameOrID string, in api.IntegrationRequest, ifMatch,
	validate string, options ...SaveOption) (api.Integration, error) {
	return send[api.Integration](ctx, c, saving(request{method: http.MethodPut, place: integrationAt(nameOrID),
		ifMatch: ifMatch, body: in}, validate, options))
}

// DeleteIntegration removes an integration, its roles and its connections.
// ifMatch is as for UpdateIntegration.
func (c *Client) DeleteIntegration(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, integrationAt(nameOrID), ifMatch)
}

// DeleteIntegrationButExternalID is DeleteIntegration, except that the external ID
// is reserved again: one more integration can be created with it.
func (c *Client) DeleteIntegrationButExternalID(ctx context.Context, nameOrID, ifMatch string) error {
	return c.do(ctx, request{method: http.MethodDelete, place: integrationAt(nameOrID),
		query: query{"keep_external_id": "true"}.values(), ifMatch: ifMatch}, nil)
}

// RotateExternalID takes one step of changing an integration's external ID.
func (c *Client) RotateExternalID(ctx context.Context, nameOrID string, step api.Rotation) (api.Integration, error) {
	return post[api.Integration](ctx, c, integrationAt(nameOrID).under("rotate-external-id"), step)
}

// ReserveExternalID reserves an external ID for an integration that will be
// created with it, so that a role's trust policy can require it before.
func (c *Client) ReserveExternalID(ctx context.Context) (api.ExternalID, error) {
	return post[api.ExternalID](ctx, c, at(externalIDsPath), nil)
}

// ExternalID reads a reserved external ID. id is its ID, as in ext_…; the
// external ID itself is in no URL.
func (c *Client) ExternalID(ctx context.Context, id string) (api.ExternalID, error) {
	return get[api.ExternalID](ctx, c, at(externalIDsPath).member("external ID", id))
}

// ReleaseExternalID gives back a reserved external ID that no integration has
// used. Codes: not_found, conflict (an integration has it).
func (c *Client) ReleaseExternalID(ctx context.Context, id string) error {
	return c.remove(ctx, at(externalIDsPath).member("external ID", id), "")
}
