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
//	GET /v1/calls                     what the agent asked AWS through the gateway
//	POST /v1/tokens                   a token for EKS, RDS or CodeCommit, or a URL of S3, signed for the agent
//
// It serves anything that lends: a server's lender, a runner, or in exec a lender
// that forwards to a server. It refuses every request without a token, and, apart
// from access requests and AWS tokens, every method but GET and HEAD. It answers 200
// or an error, since SDKs accept no other status. A permanent error is a 4xx, because
// some SDKs repeat a request after a 5xx.
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
	Calls    Calls            // nil: calls are not listed here
	Tokens   Tokens           // nil: AWS tokens are not made here
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
		if (e.Requests != nil || !strings.HasPrefix(r.path, requestsPath)) && (e.Calls != nil || r.path != callsPath) &&
			(e.Tokens != nil || r.path != tokensPath) {
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

// routes lists the routes. Those of access requests, calls and AWS tokens are served only where there
// are any.
func routes() []route {
	return []route{
		{http.MethodGet, credentialsPath, (*endpoint).lend},
		{http.MethodGet, credentialsPath + "/", (*endpoint).lend},
		{http.MethodGet, rolesPath, (*endpoint).roles},
		{http.MethodGet, callsPath, (*endpoint).ownCalls},
		{http.MethodGet, requestsPath, (*endpoint).ownRequests},
		{http.MethodPost, requestsPath, (*endpoint).newRequest},
		{http.MethodGet, requestsPath + "/", (*endpoint).oneRequest},
		{http.MethodPost, tokensPath, (*endpoint).newToken},
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
		e.strangers.InfoContext(r.Context(), "refused a caller", "from", r.RemoteAddr, "reason", err)
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
	if err := readQuery(r.URL.RawQuery, &req); err != nil {
		e.error(w, err)
		return
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

// readQuery reads what the query asks for. It refuses what it does not know: a word that is mistyped in access=read-only
// would lend more than was meant.
func readQuery(raw string, req *rolebroker.Request) error {
	if raw == "" {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the query is not valid")
	}
	for name, values := range query {
		switch {
		case len(values) > 1:
			return rolebroker.Errorf(rolebroker.CodeInvalid, "the query has %s twice", rolebroker.Quote(name))
		case name == "task":
			req.Task = values[0]
		case name == "access":
			req.Access = rolebroker.Access(values[0])
		default:
			return rolebroker.Errorf(rolebroker.CodeInvalid, "the query has %s; it may have task and access",
				rolebroker.Quote(name)).
				WithHint("name the role in the path, as in %s/ROLE", credentialsPath)
		}
	}
	return nil
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
	refusal := problem.Refusal(err)
	refusal.RequestID = w.Header().Get(api.RequestIDHeader)
	answer(w, status, encode(refusal))
}

// counted is the length in bytes up to which net/http itself writes the length of an answer, without allocating.
//
// Source: net/http, bufferBeforeChunkingSize.
const counted = 2048

// answer writes JSON. The type has no charset: the Go SDK reads an error's code
// only when it is exactly this.
func answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	if len(body) > counted {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
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
