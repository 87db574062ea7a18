package rest

import (
	"context"
	"encoding/json"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// Broker does what the API offers; *broker.Broker is one.
type Broker interface {
	permissions
	integrations
	externalIDs
	validations
	setups
	agents
	tokens
	bindings
	runners
	apiKeys
	people
	sessions
	calls
	cutOffs
	auditEvents
	accessRequests
	approvalRules
	platform
}

// Auth identifies the caller by the Authorization header and the RemoteAddr of a request. Codes: unauthenticated,
// denied, expired.
type Auth interface {
	APIKey(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	// MayTry returns an error if too many requests from an address failed.
	MayTry(address string) error
	// Attempt counts a request that makes the server ask the identity provider. It returns an error if there were too
	// many from an address.
	Attempt(address string) error
	// Refused records that a person was not identified through the identity provider, and returns why.
	Refused(ctx context.Context, address string, err error) error
}

// Options configure New. Broker and Auth are required.
type Options struct {
	Broker   Broker
	Auth     Auth
	Log      *slog.Logger     // gets causes, which callers do not see; nil discards them
	Version  string           // of the server, for GET /platform
	Features []string         // optional features that this server has, for GET /platform
	Now      func() time.Time // nil: time.Now
	Closing  <-chan struct{}  // ends the requests that wait when it is closed; nil: never
	Provider Provider         // through which people sign in; nil: there is none
	URL      string           // of the server, for its OpenAPI document; empty: that of each request
}

// server is the API. Its operations are in one file per noun.
type server struct {
	Options
	mux     *http.ServeMux
	openAPI []byte
}

// New is the handler of /api/v1 and of /openapi.json. It answers every other path
// with a problem document.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	useProblems()
	s := &server{Options: o, mux: http.NewServeMux()}
	described := humago.New(s.mux, newConfig(o.URL))
	s.routes(described)
	s.openAPI = describe(described.OpenAPI())
	return s
}

// routes lists the operations of the management API.
func (s *server) routes(api huma.API) {
	in := collection{s, api, "Integrations"}
	get(in, "/integrations", "list-integrations", s.listIntegrations)
	post(in, "/integrations", "create-integration", s.createIntegration)
	get(in, "/integrations/{integration}", "get-integration", s.getIntegration)
	put(in, "/integrations/{integration}", "update-integration", s.updateIntegration)
	remove(in, "/integrations/{integration}", "delete-integration", s.deleteIntegration)
	stream(in, "/integrations/{integration}/validate", "validate-integration", s.validateIntegration)
	stream(in, "/validate", "validate-draft", s.validateDraft)
	get(in, "/integrations/{integration}/setup", "get-setup", s.getSetup)
	act(in, "/integrations/{integration}/setup", "merge-setup", s.mergeSetup)
	act(in, "/setup", "draft-setup", s.draftSetup)
	act(in, "/integrations/{integration}/rotate-external-id", "rotate-external-id", s.rotateExternalID)
	post(in, "/external-ids", "reserve-external-id", s.reserveExternalID)
	get(in, "/external-ids/{id}", "get-external-id", s.getExternalID)
	remove(in, "/external-ids/{id}", "release-external-id", s.releaseExternalID)

	ag := collection{s, api, "Agents"}
	get(ag, "/agents", "list-agents", s.listAgents)
	post(ag, "/agents", "create-agent", s.createAgent)
	get(ag, "/agents/{agent}", "get-agent", s.getAgent)
	put(ag, "/agents/{agent}", "update-agent", s.updateAgent)
	remove(ag, "/agents/{agent}", "delete-agent", s.deleteAgent)
	put(ag, "/agents/{agent}/connections/{integration}", "connect-agent", s.connect)
	remove(ag, "/agents/{agent}/connections/{integration}", "disconnect-agent", s.disconnect)
	act(ag, "/agents/{agent}/cut-off", "cut-off-agent", s.cutOff)
	get(ag, "/agents/{agent}/cut-off", "get-cut-off", s.getCutOff)
	get(ag, "/agents/{agent}/policy", "get-learned-policy", s.getLearnedPolicy)
	act(ag, "/agents/{agent}/enable", "enable-agent", s.enableAgent)
	get(ag, "/agents/{agent}/tokens", "list-tokens", s.listTokens)
	post(ag, "/agents/{agent}/tokens", "create-token", s.createToken)
	get(ag, "/agents/{agent}/tokens/{id}", "get-token", s.getToken)
	put(ag, "/agents/{agent}/tokens/{id}", "update-token", s.updateToken)
	remove(ag, "/agents/{agent}/tokens/{id}", "revoke-token", s.revokeToken)

	get(ag, "/agents/{agent}/bindings", "list-bindings", s.listBindings)
	post(ag, "/agents/{agent}/bindings", "create-binding", s.createBinding)
	remove(ag, "/agents/{agent}/bindings/{id}", "delete-binding", s.deleteBinding)

	ru := collection{s, api, "Runners"}
	get(ru, "/runners", "list-runners", s.listRunners)
	post(ru, "/runners", "create-runner", s.createRunner)
	get(ru, "/runners/{runner}", "get-runner", s.getRunner)
	put(ru, "/runners/{runner}", "update-runner", s.updateRunner)
	remove(ru, "/runners/{runner}", "delete-runner", s.deleteRunner)
	post(ru, "/runners/{runner}/join-tokens", "create-join-token", s.createJoinToken)

	se := collection{s, api, "Sessions"}
	get(se, "/sessions", "list-sessions", s.listSessions)
	act(se, "/sessions/end", "end-sessions", s.endSessions)
	act(se, "/sessions/{session}/end", "end-session", s.endSession)
	get(se, "/sessions/{session}", "get-session", s.getSession)
	get(se, "/sessions/{session}/cut-off", "get-ended-session", s.getEndedSession)

	ca := collection{s, api, "Calls"}
	get(ca, "/calls", "list-calls", s.listCalls)
	getLines(ca, "/calls/export", "export-calls", s.exportCalls)
	get(ca, "/calls/{call}", "get-call", s.getCall)

	re := collection{s, api, "Access requests"}
	get(re, "/access-requests", "list-access-requests", s.listAccessRequests)
	get(re, "/access-requests/{access_request}", "get-access-request", s.getAccessRequest)
	act(re, "/access-requests/{access_request}/approve", "approve-access-request", s.approveRequest)
	act(re, "/access-requests/{access_request}/deny", "deny-access-request", s.denyRequest)
	act(re, "/access-requests/{access_request}/end", "end-access-request", s.endRequest)
	get(re, "/approval-rules", "list-approval-rules", s.listApprovalRules)
	post(re, "/approval-rules", "create-approval-rule", s.createApprovalRule)
	get(re, "/approval-rules/{approval_rule}", "get-approval-rule", s.getApprovalRule)
	put(re, "/approval-rules/{approval_rule}", "update-approval-rule", s.updateApprovalRule)
	remove(re, "/approval-rules/{approval_rule}", "delete-approval-rule", s.deleteApprovalRule)

	au := collection{s, api, "Audit"}
	get(au, "/audit-events", "list-audit-events", s.listAuditEvents)
	get(au, "/audit-trail", "get-audit-trail", s.getAuditTrail)
	get(au, "/audit-trail/events", "follow-audit-trail", s.followAuditTrail)
	getLines(au, "/audit-trail/export", "export-audit-trail", s.exportAuditTrail)

	pl := collection{s, api, "Platform"}
	get(pl, "/platform", "get-platform", s.getPlatform)
	get(pl, "/api-keys", "list-api-keys", s.listAPIKeys)
	post(pl, "/api-keys", "create-api-key", s.createAPIKey)
	remove(pl, "/api-keys/{id}", "delete-api-key", s.deleteAPIKey)

	pe := collection{s, api, "People"}
	get(pe, "/users", "list-users", s.listUsers)
	signIn(pe, "/sign-ins/url", "get-sign-in-url", http.StatusOK, s.signInURL)
	signIn(pe, "/sign-ins", "create-sign-in", http.StatusCreated, s.createSignIn)
	signIn(pe, "/sign-ins/device", "begin-device-sign-in", http.StatusCreated, s.beginDevice)
	signIn(pe, "/sign-ins/device/wait", "await-device-sign-in", http.StatusOK, s.awaitDevice)
	remove(pe, "/sign-ins/current", "end-sign-in", s.endSignIn)
}

// ServeHTTP lets a request through to its handler once the caller is identified and the request can be read. Before
// the handler reads the body, permit asks the broker whether the caller may do it.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.URL.Path == "/openapi.json" {
		s.serveOpenAPI(w, r)
		return
	}
	who, err := s.caller(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	for _, check := range []func(*http.Request) *Problem{s.notRouted, checkQuery, checkContentType} {
		if p := check(r); p != nil {
			p.write(w)
			return
		}
	}
	s.mux.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
}

// caller identifies the caller of a request. A person who is about to sign in is nobody yet.
func (s *server) caller(r *http.Request) (rolebroker.Caller, error) {
	if r.Method == http.MethodPost && signInPaths[r.URL.Path] {
		return rolebroker.Caller{Address: auth.IP(r.RemoteAddr), Request: rolebroker.RequestIDOf(r.Context())}, nil
	}
	return s.Auth.APIKey(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr)
}

// notRouted is the refusal of a path or method that no route has; nil if one has it.
func (s *server) notRouted(r *http.Request) *Problem {
	escaped := r.URL.EscapedPath()
	if path.Clean(escaped) != escaped || !isText(r.URL.Path) {
		return noSuchPath(r)
	}
	handler, pattern := s.mux.Handler(r)
	if pattern != "" {
		return nil
	}
	answer := headersOnly{}
	handler.ServeHTTP(answer, r)
	if allow := http.Header(answer).Get("Allow"); allow != "" {
		return wrongMethod(r, allow)
	}
	return noSuchPath(r)
}

// headersOnly receives the Allow header that the mux sets for a wrong method.
type headersOnly http.Header

func (h headersOnly) Header() http.Header         { return http.Header(h) }
func (h headersOnly) Write(p []byte) (int, error) { return len(p), nil }
func (h headersOnly) WriteHeader(int)             {}

// checkContentType refuses a body whose type is not JSON. It removes parameters
// from the header, since huma compares the whole value.
func checkContentType(r *http.Request) *Problem {
	given := r.Header.Get("Content-Type")
	if given == "" || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(given); err == nil && kind == "application/json" {
		r.Header.Set("Content-Type", kind)
		return nil
	}
	return wrongContentType(given)
}

func (s *server) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		wrongMethod(r, "GET, HEAD").write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(s.openAPI)
}

// describe encodes the document, indented. Only requests refuse additional fields:
// later versions may add fields to answers.
func describe(document *huma.OpenAPI) []byte {
	for name, schema := range document.Components.Schemas.Map() {
		if !strings.HasSuffix(name, "Request") {
			schema.AdditionalProperties = nil
		}
	}
	encoded, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic("rest: the OpenAPI document cannot be encoded: " + err.Error()) // it is made of constants
	}
	return append(encoded, '\n')
}
