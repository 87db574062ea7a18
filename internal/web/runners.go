package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runners is the part of the broker that has runners.
type runners interface {
	Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error)
	Runners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Runner, error)
	SortedRunners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) (
		[]rolebroker.Runner, []string, error)
	IntegrationsOf(ctx context.Context, who rolebroker.Caller, id rolebroker.RunnerID) ([]rolebroker.Integration, error)
	CreateRunner(ctx context.Context, who rolebroker.Caller, spec broker.RunnerSpec) (*rolebroker.Runner, error)
	UpdateRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.RunnerSpec,
		ifVersion int64) (*rolebroker.Runner, error)
	DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	JoinToken(ctx context.Context, who rolebroker.Caller, nameOrID string,
		lasts time.Duration) (*rolebroker.RunnerKey, rolebroker.Secret, error)
}

// runnersPage lists runners by name. The page keeps itself up to date.
type runnersPage struct {
	list
	Rows []runnerRow
}

// runnerRow is one runner.
type runnerRow struct {
	rolebroker.Runner
	State        state
	Method       string // how it assumes roles, in words; empty: not known
	Identity     string // its AWS identity; empty: not known
	Created      moment
	Integrations []rolebroker.Integration
}

func (s *server) listRunners(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := runnersPage{list: list{
		base: s.base(r, v, "Runners", "runners"),
		Path: "/runners", Noun: "runner", Plural: "runners",
		States: []choice{{"", "Any state"}, {string(rolebroker.ListedAway), "Away"},
			{string(rolebroker.ListedWaiting), "Not joined"}, {string(rolebroker.ListedConnected), "Connected"}},
		Sorts: []sorting{byName,
			{"Last seen", rolebroker.SortBackward + rolebroker.SortSeen, false, [2]string{"newest", "oldest"}},
			{"Created", rolebroker.SortBackward + rolebroker.SortCreated, false, [2]string{"newest", "oldest"}}},
	}}
	found, err := readSorted(r, v, &page.list, s.Broker.SortedRunners)
	if err != nil {
		return err
	}
	for _, runner := range found {
		row := runnerRow{
			Runner:   runner,
			State:    stateOfRunner(&runner, page.Now),
			Method:   methodOf(&runner),
			Identity: identityOf(&runner),
			Created:  when(runner.CreatedAt, page.Now),
		}
		if row.Integrations, err = s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID); err != nil {
			return err
		}
		page.Rows = append(page.Rows, row)
	}
	return s.render(w, http.StatusOK, "runners", page)
}

// The states of runners.
const (
	runnerWaiting   = "waiting" // it has not joined yet
	runnerConnected = "connected"
	runnerAway      = "away"
)

func stateOfRunner(r *rolebroker.Runner, now time.Time) state {
	switch {
	case r.JoinedAt.IsZero():
		return state{Tone: "off", Word: runnerWaiting}
	case r.Connected(now):
		return state{"good", runnerConnected, when(r.SeenAt, now)}
	}
	return state{"warn", runnerAway, when(r.SeenAt, now)}
}

// absence says why a runner validates no roles now; empty: it does.
func absence(r *rolebroker.Runner, b base) string {
	switch stateOfRunner(r, b.Now).Word {
	case runnerWaiting:
		return "runner " + r.Name + " has not joined"
	case runnerAway:
		return "runner " + r.Name + " is away, last seen " + when(r.SeenAt, b.Now).Ago
	}
	return ""
}

// methodOf says in words how a runner assumes roles.
func methodOf(r *rolebroker.Runner) string {
	switch r.Report.Method {
	case rolebroker.MethodWebIdentity:
		return "as its service account"
	case rolebroker.MethodAssumeRole:
		return "from its AWS identity"
	}
	return ""
}

// identityOf is the AWS identity of a runner: the account, and the last part of the
// ARN.
func identityOf(r *rolebroker.Runner) string {
	arn := r.Report.Identity.ARN
	if arn == "" {
		return ""
	}
	return accountOf(arn) + " · " + arn[strings.LastIndexByte(arn, ':')+1:]
}

// newRunnerPage asks for a new runner, and keeps what was typed.
type newRunnerPage struct {
	base
	Form   broker.RunnerSpec // as it was typed
	Errors map[string]string // by field
}

func (s *server) newRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := newRunnerPage{base: s.base(r, v, "New Runner", "runners")}
	return s.render(w, http.StatusOK, "new-runner", page)
}

func (s *server) createRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	spec := typedRunner(r)
	runner, err := s.Broker.CreateRunner(r.Context(), v.who, spec)
	if wrong := runnerErrors(err, spec); wrong != nil {
		page := newRunnerPage{base: s.base(r, v, "New Runner", "runners"), Form: spec, Errors: wrong}
		return s.render(w, statusOf(err), "new-runner", page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindRunner, runner.ID), "created")
}

// typedRunner reads what was typed.
func typedRunner(r *http.Request) broker.RunnerSpec {
	return broker.RunnerSpec{
		Name:        formValue(r, "name"),
		Description: formValue(r, "description"),
		Issuer:      formValue(r, "issuer"),
	}
}

// runnerErrors are fieldErrors. If a conflict may be about the issuer, the message
// stands above the form, because it names the field itself.
func runnerErrors(err error, spec broker.RunnerSpec) map[string]string {
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict && spec.Issuer != "" {
		return map[string]string{"form": "Nothing was saved. " + sentence(rolebroker.AsError(err).Message)}
	}
	return fieldErrors(err)
}

// deleteRunnerPage asks whether to delete a runner, or says why it cannot be
// deleted.
type deleteRunnerPage struct {
	base
	Runner       rolebroker.Runner
	State        state
	Integrations []rolebroker.Integration // that name it, so that it cannot be deleted
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
	if page.Integrations, err = s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID); err != nil {
		return err
	}
	return s.render(w, status, "delete-runner", page)
}

func (s *server) deleteRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.DeleteRunner(r.Context(), v.who, r.PathValue("runner"), 0)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict { // an integration names it since
		return s.askToDeleteRunner(w, r, v, http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, "/runners", "deleted")
}

// runnersOf reads the runners that integrations name, by ID. Runners that were
// deleted since are missing.
func (s *server) runnersOf(ctx context.Context, v *visit,
	integrations []rolebroker.Integration) (map[rolebroker.RunnerID]*rolebroker.Runner, error) {
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
