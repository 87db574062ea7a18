package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Validating says how to validate.
type Validating struct {
	RequireExternalID bool                     // a role that can be assumed without it fails
	Tell              func(api.RoleValidation) // each outcome as soon as the server knows it; nil: nobody is told
}

// silence is how long the server may say nothing while a validation is told as
// it goes. It gives a sign of life every 15 seconds.
const silence = time.Minute

// ValidateIntegration has the server try to assume every role of one. Roles
// that fail are no error.
func (c *Client) ValidateIntegration(ctx context.Context, nameOrID string, how Validating) (api.Validations, error) {
	path, err := member(integrationsPath, "integration", nameOrID)
	if err != nil {
		return api.Validations{}, err
	}
	return c.validate(ctx, request{method: http.MethodPost, path: path + "/validate"}, how)
}

// ValidateDraft does the same for an integration that is not saved.
func (c *Client) ValidateDraft(ctx context.Context, draft api.IntegrationRequest, how Validating) (api.Validations, error) {
	return c.validate(ctx, request{method: http.MethodPost, path: "/api/v1/validate", body: draft}, how)
}

// validate asks, and tells each line of the answer.
func (c *Client) validate(ctx context.Context, r request, how Validating) (result api.Validations, err error) {
	r.accept = api.ValidationsType
	if how.RequireExternalID {
		r.query = url.Values{"require_external_id": {"true"}}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return result, err
	}
	patient := *c.http
	patient.Timeout = 0 // it may take long, as long as there is news
	resp, err := patient.Do(req)
	if err != nil {
		return result, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return result, c.refusal(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		quiet.Reset(silence)
		if len(lines.Bytes()) == 0 {
			continue // a sign of life
		}
		var line api.ValidationLine
		switch err := json.Unmarshal(lines.Bytes(), &line); {
		case err != nil:
			return result, c.stranger(resp)
		case line.Error != nil:
			return result, &rolebroker.Error{Code: rolebroker.Code(line.Error.Code), Message: line.Error.Detail, Hint: rolebroker.TextHint(line.Error.Hint)}
		case line.Result != nil:
			return *line.Result, nil
		case line.Role != nil && how.Tell != nil:
			how.Tell(*line.Role)
		}
	}
	err = lines.Err()
	if err == nil {
		return result, rolebroker.Errorf(rolebroker.CodeUnavailable, "rolebroker at %s broke the validation off", c.base).
			WithHint("validate again; what was found out is kept")
	}
	return result, c.unreachable(ctx, err)
}

// Setup is what has to be done in AWS so that the roles of an integration can
// be assumed.
func (c *Client) Setup(ctx context.Context, nameOrID string, req api.SetupRequest) (api.Setup, error) {
	path, err := member(integrationsPath, "integration", nameOrID)
	if err != nil {
		return api.Setup{}, err
	}
	if req.CurrentTrustPolicy != "" {
		return send[api.Setup](ctx, c, request{method: http.MethodPost, path: path + "/setup", body: req})
	}
	query := url.Values{}
	for name, value := range map[string]string{"role": req.Role, "principal": req.Principal, "variant": req.Variant,
		"issuer": req.Issuer, "namespace": req.Namespace, "service_account": req.ServiceAccount} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return send[api.Setup](ctx, c, request{method: http.MethodGet, path: path + "/setup", query: query})
}

// SetupDraft does the same for an integration that is not there yet.
func (c *Client) SetupDraft(ctx context.Context, draft api.SetupDraft) (api.Setup, error) {
	return send[api.Setup](ctx, c, request{method: http.MethodPost, path: "/api/v1/setup", body: draft})
}

// RotateExternalID makes one step of changing an integration's external ID.
func (c *Client) RotateExternalID(ctx context.Context, nameOrID string, step api.Rotation) (api.Integration, error) {
	path, err := member(integrationsPath, "integration", nameOrID)
	if err != nil {
		return api.Integration{}, err
	}
	return send[api.Integration](ctx, c, request{method: http.MethodPost, path: path + "/rotate-external-id", body: step})
}
