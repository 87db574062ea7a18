// Package runnerapi is the door for runners: what the part of rolebroker that
// runs in a customer's cluster asks the server, and is told.
//
//	POST /runner/v1/join                              a join token for a credential
//	POST /runner/v1/credential                        the next credential
//	GET  /runner/v1/events                            changes, as they are made, and a heartbeat
//	POST /runner/v1/report                            what the runner is
//	POST /runner/v1/identify                          which agent a process is
//	GET  /runner/v1/tokens/{token}                    what is known of an agent's token
//	GET  /runner/v1/agents/{agent}/grants             what an agent may borrow from
//	POST /runner/v1/sessions                          a session is authorised and recorded
//	PUT  /runner/v1/sessions/{session}                what came of it
//	POST /runner/v1/use                               how often sessions were handed out
//	POST /runner/v1/loans                             a role that the platform assumes
//	GET  /runner/v1/integrations                      those that name the runner
//	POST /runner/v1/integrations/{integration}/validations   what came of trying their roles
//
// Its messages are the types of api/door.go. It refuses everybody but runners;
// that an agent is refused something is part of an answer, so that 401 is always
// about the runner itself. It has no message that could hold a credential of a
// role that a runner assumed.
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
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Broker is what runners ask; *broker.Broker is one.
type Broker interface {
	Join(ctx context.Context, who rolebroker.Caller, program string) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error)
	RenewCredential(ctx context.Context, who rolebroker.Caller) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error)
	NamedRunner(ctx context.Context, who rolebroker.Caller) (rolebroker.Caller, error)
	SeeRunner(ctx context.Context, who rolebroker.Caller) error
	RecordReport(ctx context.Context, who rolebroker.Caller, report rolebroker.RunnerReport) error
	Watch(ctx context.Context, who rolebroker.Caller) (*broker.Changes, error)
	AgentOfAccount(ctx context.Context, who rolebroker.Caller, account rolebroker.ServiceAccount) (*rolebroker.Token, error)
	RunnerToken(ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID) (*rolebroker.Token, error)
	RunnerGrants(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) (*rolebroker.Grants, error)
	BeginRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session, late bool) error
	FinishRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session) error
	RecordRunnerUse(ctx context.Context, who rolebroker.Caller, fetches []rolebroker.Fetch, usedAt map[rolebroker.TokenID]time.Time) error
	LendThrough(ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, req rolebroker.Request) (*rolebroker.Loan, error)
	RunnerIntegrations(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Integration, error)
	RecordRunnerValidations(ctx context.Context, who rolebroker.Caller, nameOrID string, version int64, outcomes map[rolebroker.RoleID]rolebroker.Validation) error
}

// Auth identifies callers by Authorization headers or tokens, and the RemoteAddr of the request. It records refusals.
// Codes: unauthenticated, expired, denied.
type Auth interface {
	Runner(ctx context.Context, authorization, address string) (rolebroker.Caller, error)
	JoinToken(ctx context.Context, shown, address string) (rolebroker.Caller, error)
	Agent(ctx context.Context, authorization string) (rolebroker.Caller, error)
}

// Options are what the door needs.
type Options struct {
	Broker    Broker
	Auth      Auth
	Log       *slog.Logger    // of what callers are not told; nil discards it
	Heartbeat time.Duration   // between two lines of the stream of events
	Closing   <-chan struct{} // streams end when it is closed; nil: never
}

// maxBody bounds a request body, in bytes.
const maxBody = 1 << 20

type door struct {
	Options
	mux *http.ServeMux
}

// New is the handler of everything below /runner/v1/.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &door{Options: o, mux: http.NewServeMux()}
	const at = " /runner/v1/"
	d.mux.HandleFunc(http.MethodPost+at+"join", d.join)
	d.mux.HandleFunc(http.MethodPost+at+"credential", asked(d, d.credential))
	d.mux.HandleFunc(http.MethodGet+at+"events", d.events)
	d.mux.HandleFunc(http.MethodPost+at+"report", told(d, d.report))
	d.mux.HandleFunc(http.MethodPost+at+"identify", answered(d, d.identify))
	d.mux.HandleFunc(http.MethodGet+at+"tokens/{token}", asked(d, d.token))
	d.mux.HandleFunc(http.MethodGet+at+"agents/{agent}/grants", asked(d, d.grants))
	d.mux.HandleFunc(http.MethodPost+at+"sessions", answered(d, d.begin))
	d.mux.HandleFunc(http.MethodPut+at+"sessions/{session}", answered(d, d.finish))
	d.mux.HandleFunc(http.MethodPost+at+"use", told(d, d.use))
	d.mux.HandleFunc(http.MethodPost+at+"loans", answered(d, d.lend))
	d.mux.HandleFunc(http.MethodGet+at+"integrations", asked(d, d.integrations))
	d.mux.HandleFunc(http.MethodPost+at+"integrations/{integration}/validations", told(d, d.validations))
	return d
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, pattern := d.mux.Handler(r); pattern == "" {
		d.refuse(w, r, rolebroker.Errorf(rolebroker.CodeNotFound, "there is nothing at this path for a runner"))
		return
	}
	d.mux.ServeHTTP(w, r)
}

// runner is who calls: a runner, with its name.
func (d *door) runner(r *http.Request) (rolebroker.Caller, error) {
	who, err := d.Auth.Runner(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr)
	if err != nil {
		return who, aboutTheRunner(err)
	}
	return d.Broker.NamedRunner(r.Context(), who)
}

// aboutTheRunner has whoever shows something else than a credential told so with
// the same status.
func aboutTheRunner(err error) error {
	e := *rolebroker.AsError(err)
	if e.Code == rolebroker.CodeDenied {
		e.Code = rolebroker.CodeUnauthenticated
	}
	return &e
}

// asked answers a request without a body.
func asked[A any](d *door, answer func(*http.Request, rolebroker.Caller) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := d.runner(r)
		if err == nil {
			var a A
			if a, err = answer(r, who); err == nil {
				write(w, http.StatusOK, a)
				return
			}
		}
		d.refuse(w, r, err)
	}
}

// answered answers a request with a body.
func answered[B, A any](d *door, answer func(*http.Request, rolebroker.Caller, B) (A, error)) http.HandlerFunc {
	return asked(d, func(r *http.Request, who rolebroker.Caller) (a A, err error) {
		b, err := read[B](r)
		if err != nil {
			return a, err
		}
		return answer(r, who, b)
	})
}

// told takes a request with a body that has no answer.
func told[B any](d *door, take func(*http.Request, rolebroker.Caller, B) error) http.HandlerFunc {
	return answered(d, func(r *http.Request, who rolebroker.Caller, b B) (struct{}, error) {
		return struct{}{}, take(r, who, b)
	})
}

// read decodes a body. A runner may be newer than the server: fields that are
// not known are left.
func read[B any](r *http.Request) (b B, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return b, rolebroker.Errorf(rolebroker.CodeInvalid, "the request body could not be read to its end, or is larger than %d MiB", maxBody>>20)
	}
	if json.Unmarshal(text, &b) != nil { // its error may quote a secret
		return b, rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is not what is expected here").
			WithHint("use the same version on both sides: rolebroker version")
	}
	return b, nil
}

// refuse answers err to the runner, and logs its cause.
func (d *door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := rolebroker.AsError(err)
	if e.Cause != nil && !errors.Is(r.Context().Err(), context.Canceled) {
		d.Log.Error("a runner: "+e.Message, "path", r.Pattern, "code", string(e.Code), "cause", e.Cause)
	}
	problem.Write(w, problem.Document(err))
}

func write(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the runner may be gone
}
