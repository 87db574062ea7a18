package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Broker has everything that the pages show and change; *broker.Broker implements it.
type Broker interface {
	signIns
	overviews
	integrations
	agents
	cutOffs
	learning
	sessions
	calls
	accessRequests
	approvalRules
	runners
	bindings
	settings
	auditEvents
	searches
}

// Auth authenticates people.
type Auth interface {
	// APIKey takes the value of an Authorization header, and the RemoteAddr of the request. Codes: unauthenticated,
	// denied, expired.
	APIKey(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	// SignedIn takes a browser's cookie or the secret of a sign-in link, and the RemoteAddr of the request. Codes:
	// unauthenticated, expired.
	SignedIn(ctx context.Context, shown string, link bool, address string) (rolebroker.Caller,
		rolebroker.SignInID, error)
	// MayTry returns an error if too many requests from an address failed.
	MayTry(address string) error
	// Refused records that a person was not identified through the identity provider, and returns why.
	Refused(ctx context.Context, address string, err error) error
}

// Options are the settings of the web app.
type Options struct {
	Broker  Broker
	Auth    Auth
	Log     *slog.Logger     // gets the causes of errors; nil: none
	Version string           // of the server
	Secure  bool             // browsers use HTTPS, whether this server or a proxy does the TLS
	Now     func() time.Time // nil: time.Now
	URL     string           // by which people and agents reach the server; empty: that of each request
	// Provider is the identity provider through which people sign in; nil: there is none. Callback is the URL to
	// which it sends them back, the path /sign-in/callback below URL.
	Provider Provider
	Callback string

	Path string // the path of URL, as in /rolebroker; handlers get paths without it
}

// server is the web app. Each page has a file with its handlers.
type server struct {
	Options
	mux      *http.ServeMux
	patterns []string // of the mux
	guarded  http.Handler
}

// New makes the handler of the web app.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{Options: o, mux: http.NewServeMux()}
	s.routes()
	s.guarded = s.guard(s.mux)
	return s
}

// routes lists all routes.
func (s *server) routes() {
	s.handle("GET /static/{file}", serveStatic)
	s.public("GET /sign-in", s.showSignIn)
	s.public("POST /sign-in", s.signIn)
	s.public("GET /sign-in/provider", s.beginSignIn)
	s.public("GET /sign-in/callback", s.finishSignIn)
	s.page("POST /sign-out", s.signOut)

	s.page("GET /{$}", s.showOverview)
	s.page("GET /search", s.search)
	s.page("POST /times", s.chooseTimes)

	s.page("GET /integrations", s.listIntegrations)
	s.page("GET /integrations/new", s.showCatalogue)
	s.page("POST /integrations/new", s.beginIntegration)
	s.page("GET /integrations/new/aws", s.newIntegration)
	s.page("POST /integrations/new/aws", s.createIntegration)
	s.page("POST /integrations/validate", s.validateForm)
	s.page("POST /integrations/setup", s.setupOfForm)
	s.page("GET /integrations/{integration}", s.showIntegration)
	s.page("POST /integrations/{integration}/roles", s.changeRoles)
	s.page("GET /integrations/{integration}/agents", s.showIntegrationAgents)
	s.page("GET /integrations/{integration}/setup", s.showIntegrationSetup)
	s.page("POST /integrations/{integration}/setup", s.mergeIntegrationSetup)
	s.page("GET /integrations/{integration}/setup/{file}", s.downloadSetup)
	s.page("GET /integrations/{integration}/activity", s.showIntegrationActivity)
	s.page("GET /integrations/{integration}/edit", s.editIntegration)
	s.page("POST /integrations/{integration}/edit", s.updateIntegration)
	s.page("POST /integrations/{integration}/connect", s.connectIntegration)
	s.page("POST /integrations/{integration}/disconnect", s.disconnectIntegration)
	s.page("POST /integrations/{integration}/disable", s.disableIntegration)
	s.page("POST /integrations/{integration}/enable", s.enableIntegration)
	s.page("GET /integrations/{integration}/delete", s.confirmDeleteIntegration)
	s.page("POST /integrations/{integration}/delete", s.deleteIntegration)

	s.page("GET /roles/{role}", s.showRole)
	s.page("GET /roles/{role}/activity", s.showRoleActivity)

	s.page("GET /agents", s.listAgents)
	s.page("GET /agents/new", s.newAgent)
	s.page("POST /agents/new", s.createAgent)
	s.page("GET /agents/{agent}", s.showAgent)
	s.page("GET /agents/{agent}/connections", s.showConnections)
	s.page("GET /agents/{agent}/tokens", s.showTokens)
	s.page("GET /agents/{agent}/activity", s.showAgentActivity)
	s.page("GET /agents/{agent}/edit", s.editAgent)
	s.page("POST /agents/{agent}", s.updateAgent)
	s.page("POST /agents/{agent}/disable", s.disableAgent)
	s.page("GET /agents/{agent}/cut-off", s.showCutOff)
	s.page("POST /agents/{agent}/cut-off", s.cutOffAgent)
	s.page("POST /agents/{agent}/enable", s.enableAgent)
	s.page("POST /agents/{agent}/connect", s.connectAgent)
	s.page("POST /agents/{agent}/disconnect", s.disconnectAgent)
	s.page("POST /agents/{agent}/default", s.chooseDefault)
	s.page("GET /agents/{agent}/limits/{integration}", s.showLimits)
	s.page("POST /agents/{agent}/limits/{integration}", s.saveLimits)
	s.page("POST /agents/{agent}/tokens", s.createToken)
	s.page("GET /agents/{agent}/tokens/{token}", s.showToken)
	s.page("POST /agents/{agent}/tokens/{token}/revoke", s.revokeToken)
	s.page("POST /agents/{agent}/bindings", s.bindAgent)
	s.page("POST /agents/{agent}/bindings/{binding}/delete", s.unbindAgent)
	s.page("GET /agents/{agent}/delete", s.confirmDeleteAgent)
	s.page("POST /agents/{agent}/delete", s.deleteAgent)

	s.page("GET /sessions", s.listSessions)
	s.page("GET /sessions/{session}", s.showSession)
	s.page("GET /sessions/{session}/calls", s.showSessionCalls)
	s.page("GET /sessions/{session}/activity", s.showSessionActivity)
	s.page("GET /sessions/{session}/cut-off", s.showEndedSession)
	s.page("POST /sessions/{session}/end", s.endSession)

	s.page("GET /calls", s.listCalls)

	s.page("GET /audit", s.listAudit)
	s.page("GET /audit/export", s.exportAudit)

	s.page("GET /access-requests", s.listRequests)
	s.page("GET /access-requests/{request}", s.showRequest)
	s.page("POST /access-requests/{request}/approve", s.approveRequest)
	s.page("POST /access-requests/{request}/deny", s.denyRequest)
	s.page("POST /access-requests/{request}/end", s.endRequest)
	s.page("GET /approval-rules", s.listRules)
	s.page("GET /approval-rules/new", s.newRule)
	s.page("POST /approval-rules/new", s.createRule)
	s.page("GET /approval-rules/{rule}", s.showRule)
	s.page("GET /approval-rules/{rule}/activity", s.showRuleActivity)
	s.page("GET /approval-rules/{rule}/edit", s.editRule)
	s.page("POST /approval-rules/{rule}/edit", s.updateRule)
	s.page("POST /approval-rules/{rule}/enable", s.enableRule)
	s.page("POST /approval-rules/{rule}/disable", s.disableRule)
	s.page("POST /approval-rules/{rule}/delete", s.deleteRule)

	s.page("GET /runners", s.listRunners)
	s.page("GET /runners/new", s.newRunner)
	s.page("POST /runners/new", s.createRunner)
	s.page("GET /runners/{runner}", s.showRunner)
	s.page("GET /runners/{runner}/accounts", s.showRunnerAccounts)
	s.page("GET /runners/{runner}/activity", s.showRunnerActivity)
	s.page("GET /runners/{runner}/edit", s.editRunner)
	s.page("POST /runners/{runner}", s.updateRunner)
	s.page("POST /runners/{runner}/believe", s.believeRunner)
	s.page("POST /runners/{runner}/join-token", s.createJoinToken)
	s.page("GET /runners/{runner}/join-token", s.showJoinToken)
	s.page("GET /runners/{runner}/delete", s.confirmDeleteRunner)
	s.page("POST /runners/{runner}/delete", s.deleteRunner)

	s.page("GET /settings", s.showSettings)
	s.page("POST /rows", s.chooseRows)
	s.page("POST /settings/keys", s.createAPIKey)
	s.page("POST /settings/keys/{key}/delete", s.deleteAPIKey)

	s.public("/", func(http.ResponseWriter, *http.Request) error {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no such page")
	})
}

// ServeHTTP answers a request, after guard has checked it.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.guarded.ServeHTTP(w, r) }

// visit is a request of a person who is signed in.
type visit struct {
	who    rolebroker.Caller
	signIn rolebroker.SignInID
}

// page registers a handler for people who are signed in.
func (s *server) page(pattern string, h func(http.ResponseWriter, *http.Request, *visit) error) {
	s.public(pattern, func(w http.ResponseWriter, r *http.Request) error {
		who, signIn, err := s.signedIn(r)
		if err != nil {
			return s.askToSignIn(w, r, err)
		}
		return h(w, r, &visit{who: who, signIn: signIn})
	})
}

// public registers a handler for everybody.
func (s *server) public(pattern string, h func(http.ResponseWriter, *http.Request) error) {
	s.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.showError(w, r, err)
		}
	})
}

// handle registers a handler.
func (s *server) handle(pattern string, h http.HandlerFunc) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, h)
}

// to redirects after a change, so that reloading the page does not repeat it.
func to(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// statusOf is the HTTP status of a page that shows err. Pages differ from the API in
// two codes, because a form always has valid syntax.
func statusOf(err error) int {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeInvalid:
		return http.StatusUnprocessableEntity
	case rolebroker.CodeStale:
		return http.StatusConflict
	}
	return problem.Status(err)
}

// errorPage shows an error.
type errorPage struct {
	base
	Message string
	Hint    rolebroker.Hint
	Request rolebroker.RequestID // by which the log and the audit trail are searched; empty: there is none
}

// showError shows an error, and logs its cause.
func (s *server) showError(w http.ResponseWriter, r *http.Request, err error) {
	e := rolebroker.AsError(err)
	if e.Cause != nil && !errors.Is(r.Context().Err(), context.Canceled) {
		s.Log.ErrorContext(r.Context(), "web app: "+e.Message,
			"method", r.Method, "code", string(e.Code), "cause", e.Cause)
	}
	page := errorPage{Message: sentence(e.Error()), Hint: e.Hint, Request: rolebroker.RequestIDOf(r.Context())}
	page.Title = titleOf[e.Code]
	if page.Title == "" {
		page.Title = "That did not work"
	}
	if who, _, err := s.signedIn(r); err == nil {
		page.base = s.base(r, &visit{who: who}, page.Title, "")
	}
	if err := s.render(w, statusOf(err), "error", page); err != nil {
		http.Error(w, "something went wrong on our side", http.StatusInternalServerError)
	}
}

// titleOf is the title of an error page.
var titleOf = map[rolebroker.Code]string{
	rolebroker.CodeNotFound:    "Not found",
	rolebroker.CodeDenied:      "Not allowed",
	rolebroker.CodeThrottled:   "Too much at once",
	rolebroker.CodeUnavailable: "Not available now",
}
