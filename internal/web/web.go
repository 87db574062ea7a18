package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Broker has the methods that the pages call; *broker.Broker implements it.
type Broker interface {
	signIns
	integrations
	agents
	sessions
	runners
	bindings
	settings
}

// Auth identifies the person who makes a request; *auth.Authenticator implements it.
type Auth interface {
	// APIKey takes the value of an Authorization header, and the RemoteAddr of the request. Codes: unauthenticated,
	// denied, expired.
	APIKey(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	// SignedIn takes a browser's cookie or the secret of a sign-in link, and the RemoteAddr of the request. Codes:
	// unauthenticated, expired.
	SignedIn(
		ctx context.Context, shown string, link bool, address string,
	) (rolebroker.Caller, rolebroker.SignInID, error)
}

// Options configure New. Broker and Auth are required.
type Options struct {
	Broker  Broker
	Auth    Auth
	Log     *slog.Logger     // gets the causes that pages do not show; nil: none
	Version string           // of the server
	Secure  bool             // browsers reach the app over HTTPS, from this server or from a proxy
	Now     func() time.Time // nil: time.Now
}

// server is the handler of the web app. Each page has its own file.
type server struct {
	Options
	mux     *http.ServeMux
	guarded http.Handler
	tries   *tries
}

// New returns the handler of the web app.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{Options: o, mux: http.NewServeMux(), tries: newTries(rate.Every(6*time.Second), 10)}
	s.routes()
	s.guarded = s.guard(s.mux)
	return s
}

// routes registers all pages and actions.
func (s *server) routes() {
	s.mux.Handle("GET /static/{file}", http.HandlerFunc(serveStatic))
	s.public("GET /sign-in", s.showSignIn)
	s.public("POST /sign-in", s.signIn)
	s.page("POST /sign-out", s.signOut)

	s.page("GET /{$}", s.home)
	s.page("GET /integrations", s.listIntegrations)
	s.page("GET /integrations/new", s.showCatalogue)
	s.page("POST /integrations/new", s.beginIntegration)
	s.page("GET /integrations/new/aws", s.newIntegration)
	s.page("POST /integrations/new/aws", s.createIntegration)
	s.page("POST /integrations/validate", s.validateForm)
	s.page("POST /integrations/setup", s.setupOfForm)
	s.page("GET /integrations/{integration}", s.editIntegration)
	s.page("POST /integrations/{integration}", s.updateIntegration)
	s.page("POST /integrations/{integration}/connect", s.connectIntegration)
	s.page("GET /integrations/{integration}/delete", s.confirmDeleteIntegration)
	s.page("POST /integrations/{integration}/delete", s.deleteIntegration)

	s.page("GET /agents", s.listAgents)
	s.page("GET /agents/new", s.newAgent)
	s.page("POST /agents/new", s.createAgent)
	s.page("GET /agents/{agent}", s.showAgent)
	s.page("POST /agents/{agent}", s.updateAgent)
	s.page("POST /agents/{agent}/disable", s.disableAgent)
	s.page("POST /agents/{agent}/enable", s.enableAgent)
	s.page("POST /agents/{agent}/connect", s.connectAgent)
	s.page("POST /agents/{agent}/disconnect", s.disconnectAgent)
	s.page("POST /agents/{agent}/default", s.chooseDefault)
	s.page("POST /agents/{agent}/tokens", s.createToken)
	s.page("POST /agents/{agent}/tokens/{token}/revoke", s.revokeToken)
	s.page("POST /agents/{agent}/bindings", s.bindAgent)
	s.page("POST /agents/{agent}/bindings/{binding}/delete", s.unbindAgent)
	s.page("GET /agents/{agent}/delete", s.confirmDeleteAgent)
	s.page("POST /agents/{agent}/delete", s.deleteAgent)

	s.page("GET /sessions", s.listSessions)

	s.page("GET /runners", s.listRunners)
	s.page("GET /runners/new", s.newRunner)
	s.page("POST /runners/new", s.createRunner)
	s.page("GET /runners/{runner}", s.showRunner)
	s.page("POST /runners/{runner}", s.updateRunner)
	s.page("POST /runners/{runner}/believe", s.believeRunner)
	s.page("POST /runners/{runner}/join-token", s.createJoinToken)
	s.page("GET /runners/{runner}/delete", s.confirmDeleteRunner)
	s.page("POST /runners/{runner}/delete", s.deleteRunner)

	s.page("GET /settings", s.showSettings)
	s.page("POST /settings/keys", s.createAPIKey)
	s.page("POST /settings/keys/{key}/delete", s.deleteAPIKey)

	s.public("/", func(http.ResponseWriter, *http.Request) error {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no such page")
	})
}

// ServeHTTP passes every request through guard.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.guarded.ServeHTTP(w, r) }

// home redirects to the first page.
func (s *server) home(w http.ResponseWriter, r *http.Request, _ *visit) error {
	http.Redirect(w, r, "/integrations", http.StatusSeeOther)
	return nil
}

// visit is one request of a person who is signed in.
type visit struct {
	who    rolebroker.Caller
	signIn rolebroker.SignInID
}

// page registers a handler for people who are signed in. It asks others to sign in.
func (s *server) page(pattern string, h func(http.ResponseWriter, *http.Request, *visit) error) {
	s.public(pattern, func(w http.ResponseWriter, r *http.Request) error {
		who, signIn, err := s.signedIn(r)
		if err != nil {
			return s.askToSignIn(w, r, err)
		}
		return h(w, r, &visit{who: who, signIn: signIn})
	})
}

// public registers a handler for everyone.
func (s *server) public(pattern string, h func(http.ResponseWriter, *http.Request) error) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.showError(w, r, err)
		}
	})
}

// to ends a change with a redirect, so that reloading the page does not repeat the change.
func to(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

// statusOf returns the HTTP status of a page that shows err. It differs from the API's for forms: an invalid form is
// 422, and one that another person changed meanwhile 409.
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
}

// showError renders an error page, and logs the cause.
func (s *server) showError(w http.ResponseWriter, r *http.Request, err error) {
	e := rolebroker.AsError(err)
	if e.Cause != nil && !errors.Is(r.Context().Err(), context.Canceled) {
		s.Log.ErrorContext(r.Context(), "web app: "+e.Message, "method", r.Method, "code", string(e.Code), "cause",
			e.Cause)
	}
	page := errorPage{Message: sentence(e.Error()), Hint: e.Hint}
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

// titleOf maps codes to the titles of error pages.
var titleOf = map[rolebroker.Code]string{
	rolebroker.CodeNotFound:    "Not found",
	rolebroker.CodeDenied:      "Not allowed",
	rolebroker.CodeThrottled:   "Too much at once",
	rolebroker.CodeUnavailable: "Not available now",
}
