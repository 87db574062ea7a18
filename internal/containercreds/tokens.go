package containercreds

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// Tokens signs requests to AWS that others send for agents. Its errors are *rolebroker.Error.
type Tokens interface {
	// AWSToken signs one, records it, and hands it out. Where a person has to approve it, that may take half a minute.
	AWSToken(ctx context.Context, who rolebroker.Caller, ask api.AWSTokenRequest) (api.AWSToken, error)
}

// tokensPath is where agents ask for AWS tokens.
const tokensPath = "/v1/tokens"

// newToken answers with an AWS token.
func (e *endpoint) newToken(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, _ string) {
	ask, err := readBody[api.AWSTokenRequest](w, r, "a request for an AWS token",
		`{"kind": "eks", "cluster_name": "production"}, with role, task, access and region if you like`)
	if err != nil {
		e.error(w, err)
		return
	}
	guard.Patient(r.Context())
	made, err := e.Tokens.AWSToken(r.Context(), who, ask)
	e.show(w, http.StatusCreated, made, err)
}
