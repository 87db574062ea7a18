// Package runnerapi is the door for runners, the part of rolebroker that runs in
// a customer's cluster.
//
//	POST /runner/v1/join                              exchange a join token for a credential
//	POST /runner/v1/credential                        get the next credential
//	GET  /runner/v1/events                            stream changes as they are made, and heartbeats
//	POST /runner/v1/report                            report what the runner is
//	POST /runner/v1/identify                          find the agent that a process is
//	GET  /runner/v1/tokens/{token}                    read the record of an agent's token
//	GET  /runner/v1/agents/{agent}/grants             read what an agent may borrow
//	POST /runner/v1/sessions                          have a session authorised and recorded
//	PUT  /runner/v1/sessions/{session}                record the outcome of a session
//	POST /runner/v1/use                               record how often sessions were handed out
//	POST /runner/v1/loans                             borrow a role that the platform assumes
//	POST /runner/v1/gateway-keys                      borrow a key for the runner's gateway, of a role that it assumes
//	POST /runner/v1/gateway-keys/open                 find for whom and what a key for the gateway is
//	POST /runner/v1/calls                             record calls through the runner's gateway
//	POST /runner/v1/calls/approve                     have a call approved that may change something
//	POST /runner/v1/access-requests                   ask people for access, or what they decided, for an agent
//	GET  /runner/v1/integrations                      list the integrations that name the runner
//	POST /runner/v1/integrations/{integration}/validations   record the outcomes of trying their roles
//	GET  /runner/v1/validations                       take the requests to try roles now
//	POST /runner/v1/validations/{request}             answer such a request
//
// The messages are the types in api/runner_*.go. The package refuses every caller
// but runners. It answers status 401 only about the runner itself: the refusal of
// an agent is part of an answer. No message that it accepts can hold credentials
// of a role that a runner assumed.
//
//	handler := runnerapi.New(runnerapi.Options{Broker: broker, Auth: authenticator})
package runnerapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Broker does what runners ask for; *broker.Broker is one.
type Broker interface {
	Join(ctx context.Context, who rolebroker.Caller, program string) (
		*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error)
	RenewCredential(ctx context.Context, who rolebroker.Caller) (
		*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error)
	NamedRunner(ctx context.Context, who rolebroker.Caller) (rolebroker.Caller, error)
	SeeRunner(ctx context.Context, who rolebroker.Caller) error
	SeeReplica(ctx context.Context, who rolebroker.Caller, replica string) error
	RecordReport(ctx context.Context, who rolebroker.Caller, report rolebroker.RunnerReport) error
	Watch(ctx context.Context, who rolebroker.Caller) (*broker.Changes, error)
	AgentOfAccount(ctx context.Context, who rolebroker.Caller, account rolebroker.ServiceAccount,
		labels rolebroker.Labels) (
		*rolebroker.Token, error)
	AgentOfToken(ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID) (*rolebroker.Token, error)
	RunnerToken(ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID) (*rolebroker.Token, error)
	RunnerGrants(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) (*rolebroker.Grants, error)
	BeginRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session, late bool) error
	FinishRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session) error
	RecordRunnerUse(ctx context.Context, who rolebroker.Caller, fetches []rolebroker.Fetch,
		usedAt map[rolebroker.TokenID]time.Time) error
	RecordRunnerRefusals(ctx context.Context, who rolebroker.Caller, refusals []rolebroker.AgentRefusal) error
	LendThrough(ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, of rolebroker.Workload, address string,
		req rolebroker.Request) (*rolebroker.Loan, error)
	AgentThrough(ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, of rolebroker.Workload, address string) (
		rolebroker.Caller, error)
	KeyThrough(ctx context.Context, who, agent rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error)
	IsKeyOf(ctx context.Context, who rolebroker.Caller, key rolebroker.GatewayKey) (bool, error)
	AgentOfCall(ctx context.Context, who rolebroker.Caller, call rolebroker.Call, access rolebroker.Access) (
		rolebroker.Caller, rolebroker.Request, *rolebroker.AskedCall, error)
	RecordRunnerCalls(ctx context.Context, who rolebroker.Caller, calls []rolebroker.Call) ([]broker.CallRefusal, error)
	RunnerIntegrations(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Integration, []rolebroker.Tried,
		error)
	RecordRunnerValidations(ctx context.Context, who rolebroker.Caller, nameOrID string, version int64,
		findings map[rolebroker.RoleID]rolebroker.Finding) error
	RunnerValidationRequests(ctx context.Context, who rolebroker.Caller) ([]rolebroker.ValidationRequest, error)
	AnswerValidationRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.ValidationRequestID,
		findings map[rolebroker.RoleID]rolebroker.Finding, finished bool) error
}

// Requests takes what agents ask people. Its errors are *rolebroker.Error.
type Requests interface {
	RequestAccess(ctx context.Context, who rolebroker.Caller, ask api.AccessRequestRequest) (api.MyAccessRequest, error)
	MyAccessRequest(ctx context.Context, who rolebroker.Caller, id string, wait time.Duration) (
		api.MyAccessRequest, error)
	MyAccessRequests(ctx context.Context, who rolebroker.Caller, state string) ([]api.MyAccessRequest, error)
}

// Auth identifies callers by Authorization headers or tokens, and the RemoteAddr of the request. It records refusals.
// Codes: unauthenticated, expired, denied.
type Auth interface {
	Runner(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	JoinToken(ctx context.Context, shown, address string) (rolebroker.Caller, error)
	AgentThrough(ctx context.Context, token string) (rolebroker.Caller, error)
}

// Gateway is the gateway of the server. Its errors are *rolebroker.Error.
type Gateway interface {
	// Open returns what a key for a gateway says and its secret. Codes: unauthenticated, expired.
	Open(ctx context.Context, id string, token rolebroker.Secret) (rolebroker.GatewayKey, rolebroker.Secret, error)
	// MayCall returns the approval under which an agent may make a call; empty if it needs none. Where it lacks one,
	// MayCall asks people, and waits at most so long.
	MayCall(ctx context.Context, who rolebroker.Caller, req rolebroker.Request, call *rolebroker.AskedCall,
		wait time.Duration) (rolebroker.AccessRequestID, error)
}

// Options configure New. Broker and Auth are required.
type Options struct {
	Broker    Broker
	Auth      Auth
	Gateway   Gateway         // nil: runners have no gateways
	Requests  Requests        // nil: access requests are not taken
	Log       *slog.Logger    // gets causes, which callers do not see; nil discards them
	Heartbeat time.Duration   // the longest time between two lines of the stream of events
	Closing   <-chan struct{} // ends all streams when it is closed; nil: never
}

// The bounds of request bodies, in bytes: of one session, report or question, and of
// many entries.
const (
	small = 64 << 10
	large = 1 << 20
	huge  = 8 << 20 // 500 calls, each of which may name 20 resources
)

type server struct {
	Options
	mux      *http.ServeMux
	patterns []string // of the mux
}

// New is the handler of everything below /runner/v1/.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{Options: o, mux: http.NewServeMux()}
	s.route(http.MethodPost, "join", s.join)
	s.route(http.MethodPost, "credential", reading(s, s.renewCredential))
	s.route(http.MethodGet, "events", s.events)
	s.route(http.MethodPost, "report", recording(s, small, s.report))
	s.route(http.MethodPost, "identify", taking(s, small, s.identify))
	s.route(http.MethodGet, "tokens/{token}", reading(s, s.token))
	s.route(http.MethodGet, "agents/{agent}/grants", reading(s, s.grants))
	s.route(http.MethodPost, "sessions", taking(s, small, s.beginSession))
	s.route(http.MethodPut, "sessions/{session}", taking(s, small, s.finishSession))
	s.route(http.MethodPost, "use", recording(s, large, s.recordUsage))
	s.route(http.MethodPost, "loans", taking(s, small, s.lend))
	if o.Gateway != nil {
		s.route(http.MethodPost, "gateway-keys", taking(s, small, s.makeGatewayKey))
		s.route(http.MethodPost, "gateway-keys/open", taking(s, small, s.openGatewayKey))
		s.route(http.MethodPost, "calls", taking(s, huge, s.recordCalls))
		s.route(http.MethodPost, "calls/approve", taking(s, small, s.approveCall))
	}
	if o.Requests != nil {
		s.route(http.MethodPost, "access-requests", taking(s, small, s.accessRequest))
	}
	s.route(http.MethodGet, "integrations", reading(s, s.integrations))
	s.route(http.MethodPost, "integrations/{integration}/validations",
		recording(s, large, s.recordValidations))
	s.route(http.MethodGet, "validations", reading(s, s.validationRequests))
	s.route(http.MethodPost, "validations/{request}", recording(s, large, s.answerValidationRequest))
	return s
}

// route registers a handler of a path below /runner/v1/.
func (s *server) route(method, path string, h http.HandlerFunc) {
	pattern := method + " /runner/v1/" + path
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, h)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.refuse(w, r, rolebroker.Errorf(rolebroker.CodeNotFound, "there is nothing at this path for a runner"))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// caller is the runner that calls, with its name.
func (s *server) caller(r *http.Request) (rolebroker.Caller, error) {
	who, err := s.Auth.Runner(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		return who, aboutTheRunner(err)
	}
	return s.Broker.NamedRunner(r.Context(), who)
}

// aboutTheRunner is a refusal of the runner's own credential. Its status is 401,
// even if what the runner showed is a token of another kind.
func aboutTheRunner(err error) error {
	e := *rolebroker.AsError(err)
	if e.Code == rolebroker.CodeDenied {
		e.Code = rolebroker.CodeUnauthenticated
	}
	return &e
}

// reading handles a request without a body.
func reading[A any](s *server, answer func(*http.Request, rolebroker.Caller) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.caller(r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		a, err := answer(r, who)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		write(w, http.StatusOK, a)
	}
}

// taking handles a request with a body.
func taking[B, A any](
	s *server, most int64, answer func(*http.Request, rolebroker.Caller, B) (A, error),
) http.HandlerFunc {
	return reading(s, func(r *http.Request, who rolebroker.Caller) (a A, err error) {
		b, err := read[B](r, most)
		if err != nil {
			return a, err
		}
		return answer(r, who, b)
	})
}

// recording handles a request with a body that is answered with an empty object.
func recording[B any](s *server, most int64, record func(*http.Request, rolebroker.Caller, B) error) http.HandlerFunc {
	return taking(s, most, func(r *http.Request, who rolebroker.Caller, b B) (struct{}, error) {
		return struct{}{}, record(r, who, b)
	})
}

// read decodes a body. It ignores unknown fields, since a runner may be newer
// than the server.
func read[B any](r *http.Request, most int64) (b B, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, most))
	if err != nil {
		return b, rolebroker.Errorf(rolebroker.CodeInvalid,
			"the request body could not be read to its end, or is larger than %d KiB", most>>10)
	}
	if json.Unmarshal(text, &b) != nil { // its error may quote a secret
		return b, rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is not what is expected here").
			WithHint("use the same version on both sides: rolebroker version")
	}
	return b, nil
}

// refuse answers err to the runner, and logs its cause.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := rolebroker.AsError(err)
	if e.Cause != nil && !errors.Is(r.Context().Err(), context.Canceled) {
		s.Log.Error("a runner: "+e.Message, "path", r.Pattern, "code", string(e.Code), "cause", e.Cause)
	}
	problem.Write(w, problem.Document(err))
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the runner may be gone
}
