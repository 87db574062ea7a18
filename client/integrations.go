package client

import (
	"context"
	"iter"
	"net/http"

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

// AllIntegrations lists the integrations whose name contains search, by name.
func (c *Client) AllIntegrations(ctx context.Context, search string) iter.Seq2[api.Integration, error] {
	return all[api.Integration](ctx, c, at(integrationsPath), List{Search: search})
}

// Integration reads an integration by name or ID; its ETag guards an update.
func (c *Client) Integration(ctx context.Context, nameOrID string) (api.Integration, error) {
	return get[api.Integration](ctx, c, integrationAt(nameOrID))
}

// CreateIntegration makes an integration. validate is [api.ValidateRequire],
// [api.ValidateWarn] or [api.ValidateSkip]; empty leaves it to the server.
func (c *Client) CreateIntegration(ctx context.Context, in api.IntegrationRequest, validate string) (
	api.Integration, error) {
	return send[api.Integration](ctx, c, request{method: http.MethodPost, place: at(integrationsPath),
		query: query{"validate": validate}.values(), body: in})
}

// UpdateIntegration replaces an integration. ifMatch is the ETag of the version
// that the change was made from (CodeStale if someone else changed it since);
// empty overwrites any version. validate is as for CreateIntegration.
func (c *Client) UpdateIntegration(ctx context.Context, nameOrID string, in api.IntegrationRequest, ifMatch,
	validate string) (api.Integration, error) {
	return send[api.Integration](ctx, c, request{method: http.MethodPut, place: integrationAt(nameOrID),
		query: query{"validate": validate}.values(), ifMatch: ifMatch, body: in})
}

// DeleteIntegration removes an integration, its roles and its connections.
// ifMatch is as for UpdateIntegration.
func (c *Client) DeleteIntegration(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, integrationAt(nameOrID), ifMatch)
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
