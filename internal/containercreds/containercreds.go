// Package containercreds is the AWS container-credentials endpoint: the place
// where every AWS SDK looks for credentials when the environment names it in
// AWS_CONTAINER_CREDENTIALS_FULL_URI.
//
//	GET /v1/credentials               the default role
//	GET /v1/credentials/deployer      a role by its reference, or by its ARN
//	GET /v1/credentials?task=deploy   the same, for a task that CloudTrail will show
//	GET /v1/credentials?access=read-only   the same, narrowed to what only reads
//	GET /v1/roles                     what the agent may borrow now
//	POST /v1/access-requests          ask people for a role that needs their approval
//	GET /v1/access-requests           the newest ones of the agent; ?state=pending selects
//	GET /v1/access-requests/{id}      what they decided; ?wait=25s waits for it
//
// It serves anything that lends: a server's lender, a runner, or in exec a lender
// that forwards to a server. It refuses every request without a token, and, apart
// from access requests, every method but GET and HEAD. It answers 200 or an error, since SDKs accept no other
// status. A permanent error is a 4xx, because some SDKs repeat a request after a
// 5xx.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
//
//	handler := containercreds.New(containercreds.Options{Lender: lender, Identify: authenticator.Agent})
package containercreds

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Lender lends. Its errors are *rolebroker.Error.
type Lender interface {
	Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error)
	Offers(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Offer, error)
}

// Options configure New. Lender and Identify are required.
type Options struct {
	Lender Lender
	// Identify finds the caller by the Authorization header, with or without
	// "Bearer", and the request's RemoteAddr. Codes: unauthenticated, expired.
	Identify func(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	Requests Requests         // nil: access requests are not taken here
	Log      *slog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
}

// The paths. A role reference may contain anything, slashes too, so the rest of
// the path is never cleaned.
const (
	credentialsPath = "/v1/credentials"
	rolesPath       = "/v1/roles"
)

type endpoint struct {
	Options
	strangers *slog.Logger // for lines that callers without a token can cause
}

// New is the handler of everything below /v1/.
func New(opts Options) http.Handler {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &endpoint{opts, guard.Sampled(opts.Log)}
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	isRequest := e.isRequest(r)
	if r.Method != http.MethodGet && r.Method != http.MethodHead && !isRequest {
		e.wrongMethod(w, "GET, HEAD")
		return
	}
	if r.ContentLength != 0 && !isRequest {
		w.Header().Set("Connection", "close") // so that net/http does not read the body
	}
	who, err := e.Identify(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		e.strangers.Info("refused a caller", "from", r.RemoteAddr, "reason", err)
		e.error(w, err)
		return
	}
	switch path := r.URL.EscapedPath(); {
	case isRequest:
		e.accessRequest(w, r, who)
	case path == credentialsPath:
		e.credentials(w, r, who, "")
	case path == rolesPath:
		e.roles(w, r, who)
	case strings.HasPrefix(path, credentialsPath+"/"):
		reference, err := url.PathUnescape(path[len(credentialsPath)+1:])
		if err != nil {
			e.error(w, rolebroker.Errorf(rolebroker.CodeInvalid, "the path is not valid"))
			return
		}
		e.credentials(w, r, who, reference)
	default:
		e.error(w, rolebroker.Errorf(rolebroker.CodeNotFound,
			"there is nothing at this path; credentials are at %s and %s/ROLE", credentialsPath, credentialsPath))
	}
}

// wrongMethod answers that a path has other methods.
func (e *endpoint) wrongMethod(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	method, _, _ := strings.Cut(allow, ",")
	refusal := rolebroker.Errorf(rolebroker.CodeInvalid, "only %s is served here", method)
	answer(w, http.StatusMethodNotAllowed, encode(problem.Refusal(refusal)))
}

func (e *endpoint) credentials(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, reference string) {
	req := rolebroker.Request{Role: reference}
	if r.URL.RawQuery != "" {
		query := r.URL.Query()
		req.Task, req.Access = query.Get("task"), rolebroker.Access(query.Get("access"))
	}
	loan, err := e.Lender.Lend(r.Context(), who, req)
	if err == nil {
		err = rolebroker.CheckExpiry(loan.Credentials.Expires, e.Now())
	}
	if err != nil {
		e.error(w, err)
		return
	}
	answer(w, http.StatusOK, loan.Rendered(document))
}

// document is a loan as JSON.
func document(loan *rolebroker.Loan) []byte { return encode(convert.Credentials(loan)) }

func (e *endpoint) roles(w http.ResponseWriter, r *http.Request, who rolebroker.Caller) {
	offers, err := e.Lender.Offers(r.Context(), who)
	if err != nil {
		e.error(w, err)
		return
	}
	answer(w, http.StatusOK, encode(api.List[api.Offer]{Items: convert.All(offers, convert.Offer)}))
}

func (e *endpoint) error(w http.ResponseWriter, err error) {
	status := problem.Status(err)
	if status == http.StatusInternalServerError {
		e.Log.Error("serving credentials", "cause", rolebroker.AsError(err).Cause)
	}
	problem.SetHeader(w.Header(), status, problem.Wait(err))
	answer(w, status, encode(problem.Refusal(err)))
}

// answer writes JSON. The type has no charset: the Go SDK reads an error's code
// only when it is exactly this.
func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// Header values that never change are shared by all answers.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
)

func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic("encoding an answer of plain strings: " + err.Error())
	}
	return body
}
