package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Validating says how to validate.
type Validating struct {
	RequireExternalID bool                     // a role that can be assumed without it fails
	Wait              *time.Duration           // how long a denied role is tried again; nil: the server's setting
	Tell              func(api.RoleValidation) // gets each outcome as soon as the server knows it; may be nil
	Again             func(api.RoleValidation) // gets each role that is denied so far and tried again; may be nil
}

// query is the query of a request that validates.
func (v Validating) query() url.Values {
	q := query{}
	if v.RequireExternalID {
		q["require_external_id"] = "true"
	}
	if v.Wait != nil {
		q["wait"] = v.Wait.String()
	}
	return q.values()
}

// silence is how long the server may send nothing during a validation. It sends
// an empty line every 15 seconds.
const silence = time.Minute

// Bounds of a validation. An integration has at most 10,000 roles.
const (
	validationTimeout = time.Hour
	maxTold           = 30_000 // outcomes, and roles that are tried again
)

// ValidateIntegration has the server try to assume every role of an integration.
// Roles that fail are no error.
func (c *Client) ValidateIntegration(ctx context.Context, nameOrID string, how Validating) (api.Validations, error) {
	return c.validate(ctx, request{method: http.MethodPost, place: integrationAt(nameOrID).under("validate")}, how)
}

// ValidateDraft does the same for an integration that is not saved.
func (c *Client) ValidateDraft(ctx context.Context, draft api.IntegrationRequest, how Validating) (
	api.Validations, error) {
	return c.validate(ctx, request{method: http.MethodPost, place: at("/api/v1/validate"), body: draft}, how)
}

func (c *Client) validate(ctx context.Context, r request, how Validating) (result api.Validations, err error) {
	r.accept = api.ValidationsType
	r.query = how.query()
	ctx, cancel := context.WithTimeout(ctx, validationTimeout)
	defer cancel()
	told := 0
	ended, err := stream(ctx, c, r, silence, func(line api.ValidationLine) error {
		switch {
		case line.Error != nil:
			return &rolebroker.Error{Code: rolebroker.Code(line.Error.Code), Message: line.Error.Detail,
				Hint: rolebroker.TextHint(line.Error.Hint)}
		case line.Result != nil:
			result = *line.Result
			return errDone
		case line.Role != nil, line.Again != nil:
			if told++; told > maxTold {
				return errForeign
			}
			how.tell(line)
		}
		return nil
	})
	if ended {
		err = rolebroker.Errorf(rolebroker.CodeUnavailable, "rolebroker at %s broke the validation off", c.base).
			WithHint("validate again; what was found out is kept")
	}
	return result, err
}

// tell passes on what a line says of a role.
func (v Validating) tell(line api.ValidationLine) {
	switch {
	case line.Role != nil && v.Tell != nil:
		v.Tell(*line.Role)
	case line.Again != nil && v.Again != nil:
		v.Again(*line.Again)
	}
}

// Setup lists the steps to take in AWS so that the roles of an integration can
// be assumed.
func (c *Client) Setup(ctx context.Context, nameOrID string, req api.SetupRequest) (api.Setup, error) {
	p := integrationAt(nameOrID).under("setup")
	if req.CurrentTrustPolicy != "" {
		return post[api.Setup](ctx, c, p, req)
	}
	q := query{"role": req.Role, "account": req.Account, "principal": req.Principal, "variant": req.Variant,
		"issuer": req.Issuer, "namespace": req.Namespace, "service_account": req.ServiceAccount}
	if req.CutOff {
		q["cut_off"] = "true"
	}
	return send[api.Setup](ctx, c, request{method: http.MethodGet, place: p, query: q.values()})
}

// SetupDraft does the same for an integration that does not exist yet.
func (c *Client) SetupDraft(ctx context.Context, draft api.SetupDraft) (api.Setup, error) {
	return post[api.Setup](ctx, c, at("/api/v1/setup"), draft)
}
