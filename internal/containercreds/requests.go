package containercreds

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
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

// maxRequestBody bounds the body of an access request, in bytes.
const maxRequestBody = 16 << 10

// isRequest reports whether a request is about access requests, which this endpoint may take.
func (e *endpoint) isRequest(r *http.Request) bool {
	path := r.URL.EscapedPath()
	return e.Requests != nil && (path == requestsPath || strings.HasPrefix(path, requestsPath+"/"))
}

// accessRequest takes an access request, or answers what became of one, or of the agent's newest ones.
func (e *endpoint) accessRequest(w http.ResponseWriter, r *http.Request, who rolebroker.Caller) {
	var answered any
	var err error
	status := http.StatusOK
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	id, one := strings.CutPrefix(r.URL.EscapedPath(), requestsPath+"/")
	switch {
	case one && reads:
		answered, err = e.oneRequest(r, who, id)
	case reads:
		answered, err = e.ownRequests(r, who)
	case !one && r.Method == http.MethodPost:
		answered, err = e.newRequest(w, r, who)
		status = http.StatusCreated
	default:
		allow := "GET, HEAD"
		if !one {
			allow += ", POST"
		}
		e.wrongMethod(w, allow)
		return
	}
	if err != nil {
		e.error(w, err)
		return
	}
	answer(w, status, encode(answered))
}

func (e *endpoint) oneRequest(r *http.Request, who rolebroker.Caller, id string) (api.MyAccessRequest, error) {
	var wait time.Duration
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return api.MyAccessRequest{}, rolebroker.Errorf(rolebroker.CodeInvalid,
				"wait is not a duration; expected one as in 25s")
		}
	}
	return e.Requests.MyAccessRequest(r.Context(), who, id, wait)
}

func (e *endpoint) ownRequests(r *http.Request, who rolebroker.Caller) (api.List[api.MyAccessRequest], error) {
	found, err := e.Requests.MyAccessRequests(r.Context(), who, r.URL.Query().Get("state"))
	return api.List[api.MyAccessRequest]{Items: append([]api.MyAccessRequest{}, found...)}, err
}

func (e *endpoint) newRequest(w http.ResponseWriter, r *http.Request, who rolebroker.Caller) (
	made api.MyAccessRequest, err error) {
	var ask api.AccessRequestRequest
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		return made, rolebroker.Errorf(rolebroker.CodeInvalid, "the body cannot be read, or has more than %d bytes",
			maxRequestBody)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&ask) != nil || decoder.More() {
		return made, rolebroker.Errorf(rolebroker.CodeInvalid,
			`the body is not an access request; expected JSON as in {"role": "deployer", "reason": "release 17"}, `+
				"with task and duration if you like")
	}
	return e.Requests.RequestAccess(r.Context(), who, ask)
}
