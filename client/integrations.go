package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

const (
	integrationsPath = "/api/v1/integrations"
	externalIDsPath  = "/api/v1/external-ids"
)

// Integrations lists by name.
func (c *Client) Integrations(ctx context.Context, l List) (api.List[api.Integration], error) {
	return list[api.Integration](ctx, c, integrationsPath, l.query())
}

// AllIntegrations is every integration whose name contains search, by name.
func (c *Client) AllIntegrations(ctx context.Context, search string) iter.Seq2[api.Integration, error] {
	return all(func(l List) (api.List[api.Integration], error) { return c.Integrations(ctx, l) }, List{Search: search})
}

// Integration finds one by name or ID; its ETag guards an update.
func (c *Client) Integration(ctx context.Context, nameOrID string) (api.Integration, error) {
	return get[api.Integration](ctx, c, integrationsPath, "integration", nameOrID)
}

// CreateIntegration makes one. validate is [api.ValidateRequire], [api.ValidateWarn]
// or [api.ValidateSkip]; empty leaves it to the server.
func (c *Client) CreateIntegration(ctx context.Context, in api.IntegrationRequest, validate string) (api.Integration, error) {
	return send[api.Integration](ctx, c, request{method: http.MethodPost, path: integrationsPath, query: validating(validate), body: in})
}

// UpdateIntegration replaces one. ifMatch is the ETag of what it was made from
// (CodeStale if someone else changed it since); empty wins over whatever is
// there. validate is as for CreateIntegration.
func (c *Client) UpdateIntegration(ctx context.Context, nameOrID string, in api.IntegrationRequest, ifMatch, validate string) (api.Integration, error) {
	path, err := member(integrationsPath, "integration", nameOrID)
	if err != nil {
		return api.Integration{}, err
	}
	return send[api.Integration](ctx, c, request{method: http.MethodPut, path: path, query: validating(validate), ifMatch: ifMatch, body: in})
}

func validating(validate string) url.Values {
	if validate == "" {
		return nil
	}
	return url.Values{"validate": {validate}}
}

// DeleteIntegration removes one, its roles and its connections. ifMatch is as
// for UpdateIntegration.
func (c *Client) DeleteIntegration(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, integrationsPath, "integration", nameOrID, ifMatch)
}

// ReserveExternalID makes an external ID for an integration that will be
// created with it, so that a role's trust policy can require it before.
func (c *Client) ReserveExternalID(ctx context.Context) (api.ExternalID, error) {
	return send[api.ExternalID](ctx, c, request{method: http.MethodPost, path: externalIDsPath})
}

// ExternalID is what became of one that was reserved. id is its ID, as in ext_…;
// the external ID itself is in no URL.
func (c *Client) ExternalID(ctx context.Context, id string) (api.ExternalID, error) {
	return get[api.ExternalID](ctx, c, externalIDsPath, "external ID", id)
}

// ReleaseExternalID gives back one that no integration has used. Codes:
// not_found, conflict (an integration has it).
func (c *Client) ReleaseExternalID(ctx context.Context, id string) error {
	return c.remove(ctx, externalIDsPath, "external ID", id, "")
}

// send asks and answers with what came back.
func send[T any](ctx context.Context, c *Client, r request) (T, error) {
	var answer T
	err := c.do(ctx, r, &answer)
	return answer, err
}

// get reads the one thing of a kind that has the name or ID.
func get[T any](ctx context.Context, c *Client, collection, kind, nameOrID string) (answer T, err error) {
	path, err := member(collection, kind, nameOrID)
	if err != nil {
		return answer, err
	}
	return send[T](ctx, c, request{method: http.MethodGet, path: path})
}

// put replaces it.
func put[T any](ctx context.Context, c *Client, collection, kind, nameOrID string, body any, ifMatch string) (answer T, err error) {
	path, err := member(collection, kind, nameOrID)
	if err != nil {
		return answer, err
	}
	return send[T](ctx, c, request{method: http.MethodPut, path: path, body: body, ifMatch: ifMatch})
}

// remove deletes it.
func (c *Client) remove(ctx context.Context, collection, kind, nameOrID, ifMatch string) error {
	path, err := member(collection, kind, nameOrID)
	if err != nil {
		return err
	}
	return c.do(ctx, request{method: http.MethodDelete, path: path, ifMatch: ifMatch}, nil)
}

// member is the path of one thing in a collection. An empty name would make it
// the path of the collection.
func member(collection, kind, nameOrID string) (string, error) {
	if nameOrID == "" {
		return "", rolebroker.Errorf(rolebroker.CodeInvalid, "the name or ID of the %s is empty", kind)
	}
	return collection + "/" + segment(nameOrID), nil
}
