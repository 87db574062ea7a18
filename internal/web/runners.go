package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runners has the broker's methods for runners.
type runners interface {
	Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error)
	Runners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Runner, error)
	IntegrationsOf(ctx context.Context, who rolebroker.Caller, id rolebroker.RunnerID) ([]rolebroker.Integration, error)
	CreateRunner(ctx context.Context, who rolebroker.Caller, spec broker.RunnerSpec) (*rolebroker.Runner, error)
	UpdateRunner(
		ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.RunnerSpec, ifVersion int64,
	) (*rolebroker.Runner, error)
	DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	JoinToken(
		ctx context.Context, who rolebroker.Caller, nameOrID string, lasts time.Duration,
	) (*rolebroker.RunnerKey, rolebroker.Secret, error)
}

// runnersPage lists runners by name. It refreshes itself.
type runnersPage struct {
	base
	Search string
	Rows   []runnerRow
	Here   string // the address of this page
	Next   string // the address of the next page; empty on the last
	First  bool   // this is the first page
}

// runnerRow is one row of runnersPage.
type runnerRow struct {
	rolebroker.Runner
	State state
	How   string                   // how it assumes roles, in words; empty: it has not reported yet
	Who   string                   // its AWS identity; empty: unknown
	Names []rolebroker.Integration // the integrations that name it
}

func (s *server) listRunners(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	page := runnersPage{base: s.base(r, v, "Runners", "runners"), Search: query.Get("search"),
		First: query.Get("after") == ""}
	page.Here = "/runners?" + url.Values{"after": {query.Get("after")}, "search": {page.Search}}.Encode()
	found, err := s.Broker.Runners(r.Context(), v.who, rolebroker.Page{Limit: pageSize + 1, After: query.Get("after"),
		Search: page.Search})
	if err != nil {
		return err
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		page.Next = "/runners?" + url.Values{"after": {found[pageSize-1].Name}, "search": {page.Search}}.Encode()
	}
	for _, runner := range found {
		row := runnerRow{Runner: runner, State: stateOfRunner(&runner, page.Now), How: howItAssumes(&runner),
			Who: identityOf(&runner)}
		if row.Names, err = s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID); err != nil {
			return err
		}
		page.Rows = append(page.Rows, row)
	}
	return s.render(w, http.StatusOK, "runners", page)
}

// stateOfRunner says whether a runner is connected, and when its last heartbeat came.
func stateOfRunner(r *rolebroker.Runner, now time.Time) state {
	switch {
	case r.JoinedAt.IsZero():
		return state{Tone: "off", Word: "waiting"}
	case r.Connected(now):
		return state{"good", "connected", when(r.SeenAt, now)}
	}
	return state{"warn", "away", when(r.SeenAt, now)}
}

// howItAssumes says in words how a runner assumes roles; "" if it has not reported yet.
func howItAssumes(r *rolebroker.Runner) string {
	switch r.Report.Method {
	case rolebroker.MethodWebIdentity:
		return "as its service account"
	case rolebroker.MethodAssumeRole:
		return "from its AWS identity"
	}
	return ""
}

// identityOf returns a runner's AWS identity: the account, and the end of the ARN.
func identityOf(r *rolebroker.Runner) string {
	arn := r.Report.Identity.ARN
	if arn == "" {
		return ""
	}
	return accountOf(arn) + " · " + arn[strings.LastIndexByte(arn, ':')+1:]
}

// newRunnerPage is the form of a new runner. It keeps the input.
type newRunnerPage struct {
	base
	NewName string
	About   string // its description
	Issuer  string
	Errors  map[string]string // by field
}

func (s *server) newRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.render(w, http.StatusOK, "new-runner", newRunnerPage{base: s.base(r, v, "New Runner", "runners")})
}

func (s *server) createRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	spec := readRunner(r)
	runner, err := s.Broker.CreateRunner(r.Context(), v.who, spec)
	if wrong := runnerErrors(err, spec); wrong != nil {
		page := newRunnerPage{base: s.base(r, v, "New Runner", "runners"), NewName: spec.Name,
			About: spec.Description, Issuer: spec.Issuer, Errors: wrong}
		return s.render(w, statusOf(err), "new-runner", page)
	}
	if err != nil {
		return err
	}
	return to(w, r, "/runners/"+string(runner.ID)+"?done=created")
}

// readRunner returns the runner in a form.
func readRunner(r *http.Request) broker.RunnerSpec {
	return broker.RunnerSpec{Name: formValue(r, "name"), Description: formValue(r, "description"),
		Issuer: formValue(r, "issuer")}
}

// runnerErrors returns the messages of an error about the input, as faults does. A conflict can be about the name
// or the issuer, and the message says which; so it is about the whole form.
func runnerErrors(err error, spec broker.RunnerSpec) map[string]string {
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict && spec.Issuer != "" {
		return map[string]string{"form": "Nothing was saved. " + sentence(rolebroker.AsError(err).Message)}
	}
	return faults(err)
}

// deleteRunnerPage asks before a runner is deleted, or says why it cannot be deleted.
type deleteRunnerPage struct {
	base
	Runner rolebroker.Runner
	State  state
	Names  []rolebroker.Integration // the integrations that name it, and so prevent the deletion
}

func (s *server) confirmDeleteRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.askToDeleteRunner(w, r, v, http.StatusOK)
}

func (s *server) askToDeleteRunner(w http.ResponseWriter, r *http.Request, v *visit, status int) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page := deleteRunnerPage{base: s.base(r, v, "Delete "+runner.Name, "runners"), Runner: *runner}
	page.State = stateOfRunner(runner, page.Now)
	if page.Names, err = s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID); err != nil {
		return err
	}
	return s.render(w, status, "delete-runner", page)
}

func (s *server) deleteRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.DeleteRunner(r.Context(), v.who, r.PathValue("runner"), 0)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict { // an integration has named it since
		return s.askToDeleteRunner(w, r, v, http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return to(w, r, "/runners?done=deleted")
}

// runnersOf returns the runners that integrations name, by ID, without those that were deleted meanwhile.
func (s *server) runnersOf(
	ctx context.Context, v *visit, integrations []rolebroker.Integration,
) (map[rolebroker.RunnerID]*rolebroker.Runner, error) {
	found := map[rolebroker.RunnerID]*rolebroker.Runner{}
	for _, in := range integrations {
		if in.Runner == "" || found[in.Runner] != nil {
			continue
		}
		runner, err := s.Broker.Runner(ctx, v.who, string(in.Runner))
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[in.Runner] = runner
	}
	return found, nil
}
