package containercreds

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Requests takes what agents ask people. Its errors are *rolebroker.Error.
type Requests interface {
	// RequestAccess stores a request, or finds the open one for the same.
	RequestAccess(ctx context.Context, who rolebroker.Caller, ask api.AccessRequestRequest) (api.MyAccessRequest, error)
	// MyAccessRequest finds a request of the caller, and waits at most so long while it is pending.
	MyAccessRequest(ctx context.Context, who rolebroker.Caller, id string, wait time.Duration) (
		api.MyAccessRequest, error)
	// MyAccessRequests lists the newest requests of the caller in a state; empty: in any.
	MyAccessRequests(ctx context.Context, who rolebroker.Caller, state string) ([]api.MyAccessRequest, error)
}

// requestsPath is where agents ask for access.
const requestsPath = "/v1/access-requests"

// maxRequestBody bounds the body of a request, in bytes.
const maxRequestBody = 16 << 10

// oneRequest answers what became of an access request, and waits for the decision if the caller wants that.
func (e *endpoint) oneRequest(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, id string) {
	var wait time.Duration
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			e.error(w, rolebroker.Errorf(rolebroker.CodeInvalid, "wait is not a duration; expected one as in 25s"))
			return
		}
	}
	found, err := e.Requests.MyAccessRequest(r.Context(), who, id, wait)
	e.show(w, http.StatusOK, found, err)
}

// ownRequests lists the newest access requests of the caller.
func (e *endpoint) ownRequests(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, _ string) {
	found, err := e.Requests.MyAccessRequests(r.Context(), who, r.URL.Query().Get("state"))
	e.show(w, http.StatusOK, api.List[api.MyAccessRequest]{Items: append([]api.MyAccessRequest{}, found...)}, err)
}

// newRequest takes an access request.
func (e *endpoint) newRequest(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, _ string) {
	ask, err := readBody[api.AccessRequestRequest](w, r, "an access request",
		`{"role": "deployer", "reason": "release 17"}, with task and duration if you like`)
	if err != nil {
		e.error(w, err)
		return
	}
	made, err := e.Requests.RequestAccess(r.Context(), who, ask)
	e.show(w, http.StatusCreated, made, err)
}

// show answers JSON, or an error.
func (e *endpoint) show(w http.ResponseWriter, status int, what any, err error) {
	if err != nil {
		e.error(w, err)
		return
	}
	answer(w, status, encode(what))
}

// readBody reads the body of a request, which is called what, and looks like an example. Codes: invalid.
func readBody[T any](w http.ResponseWriter, r *http.Request, what, example string) (ask T, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		return ask, rolebroker.Errorf(rolebroker.CodeInvalid, "the body cannot be read, or has more than %d bytes",
			maxRequestBody)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&ask) != nil || decoder.More() {
		return ask, rolebroker.Errorf(rolebroker.CodeInvalid, "the body is not %s; expected JSON as in %s", what,
			example)
	}
	return ask, nil
}
