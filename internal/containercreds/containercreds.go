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
	served    []route
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
	e := &endpoint{Options: opts, strangers: guard.Sampled(opts.Log)}
	for _, r := range routes() {
		if e.Requests != nil || !strings.HasPrefix(r.path, requestsPath) {
			e.served = append(e.served, r)
		}
	}
	return e
}

// route is a method and a path that the endpoint serves. GET serves HEAD too. A path that ends with a slash goes on with
// anything, which handle gets as it stands in the URL.
type route struct {
	method, path string
	handle       func(e *endpoint, w http.ResponseWriter, r *http.Request, who rolebroker.Caller, rest string)
}

// routes lists the routes. Those of access requests are served only where these are taken.
func routes() []route {
	return []route{
		{http.MethodGet, credentialsPath, (*endpoint).lend},
		{http.MethodGet, credentialsPath + "/", (*endpoint).lend},
		{http.MethodGet, rolesPath, (*endpoint).roles},
		{http.MethodGet, requestsPath, (*endpoint).ownRequests},
		{http.MethodPost, requestsPath, (*endpoint).newRequest},
		{http.MethodGet, requestsPath + "/", (*endpoint).oneRequest},
	}
}

// find returns the route of a request, with the rest of the path; or the methods that its path has.
func (e *endpoint) find(r *http.Request) (found *route, rest string, allowed []string) {
	path := r.URL.EscapedPath()
	for i := range e.served {
		known := &e.served[i]
		after, matches := strings.CutPrefix(path, known.path)
		if !matches || after != "" && !strings.HasSuffix(known.path, "/") {
			continue
		}
		if r.Method == known.method || r.Method == http.MethodHead && known.method == http.MethodGet {
			return known, after, nil
		}
		if allowed = append(allowed, known.method); known.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	return nil, "", allowed
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, rest, allowed := e.find(r)
	if allowed != nil {
		e.wrongMethod(w, strings.Join(allowed, ", "))
		return
	}
	if r.ContentLength != 0 && (found == nil || found.method != http.MethodPost) {
		w.Header().Set("Connection", "close") // so that net/http does not read the body
	}
	who, err := e.Identify(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		e.strangers.Info("refused a caller", "from", r.RemoteAddr, "reason", err)
		e.error(w, err)
		return
	}
	if found == nil {
		e.error(w, rolebroker.Errorf(rolebroker.CodeNotFound,
			"there is nothing at this path; credentials are at %s and %s/ROLE", credentialsPath, credentialsPath))
		return
	}
	found.handle(e, w, r, who, rest)
}

// wrongMethod answers that a path has other methods.
func (e *endpoint) wrongMethod(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	method, _, _ := strings.Cut(allow, ",")
	refusal := rolebroker.Errorf(rolebroker.CodeInvalid, "only %s is served here", method)
	answer(w, http.StatusMethodNotAllowed, encode(problem.Refusal(refusal)))
}

// lend lends the role whose reference the path ends with; without one, the default role.
func (e *endpoint) lend(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, escaped string) {
	reference, err := url.PathUnescape(escaped)
	if err != nil {
		e.error(w, rolebroker.Errorf(rolebroker.CodeInvalid, "the path is not valid"))
		return
	}
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

func (e *endpoint) roles(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, _ string) {
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
