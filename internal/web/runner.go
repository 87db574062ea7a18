package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runnerPage is one runner: whether it is there, what it says of itself, and
// whose roles it assumes.
type runnerPage struct {
	base
	Runner rolebroker.Runner
	State  state
	How    string // how it assumes roles, in words; empty: it has not said
	Joined moment
	Rows   []integrationRow // that name it

	NewName string // as it was typed
	About   string // its description, likewise
	Issuer  string // likewise
	Version int64  // that the form was made from
	Stale   bool   // someone else has saved it since
	Errors  map[string]string
}

// Editing says whether the form stands open.
func (p *runnerPage) Editing() bool { return p.Stale || p.Errors != nil }

// Unbelieved is the issuer whose service accounts it verifies without being
// believed; empty: there is none.
func (p *runnerPage) Unbelieved() string {
	if p.Runner.Report.Issuer == p.Runner.Issuer {
		return ""
	}
	return p.Runner.Report.Issuer
}

func (s *server) showRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderRunner(w, r, v, http.StatusOK, &runnerPage{})
}

// renderRunner completes a page with the runner as it is now, and shows it.
func (s *server) renderRunner(w http.ResponseWriter, r *http.Request, v *visit, status int, page *runnerPage) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page.base, page.Runner = s.base(r, v, runner.Name, "runners"), *runner
	page.State, page.How, page.Joined = stateOfRunner(runner, page.Now), howItAssumes(runner), when(runner.JoinedAt, page.Now)
	if page.Version == 0 {
		page.NewName, page.About, page.Issuer, page.Version = runner.Name, runner.Description, runner.Issuer, runner.Version
	}
	named, err := s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID)
	if err != nil {
		return err
	}
	for _, in := range named {
		page.Rows = append(page.Rows, rowOf(in, 0, runner, page.base))
	}
	return s.render(w, status, "runner", page)
}

// updateRunner saves the name, the description and the issuer.
func (s *server) updateRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	spec := typedRunner(r)
	page := &runnerPage{NewName: spec.Name, About: spec.Description, Issuer: spec.Issuer}
	page.Version, _ = strconv.ParseInt(typed(r, "version"), 10, 64) // 0 is none
	return s.saveRunner(w, r, v, spec, page, "updated")
}

// believeRunner sets the issuer to the one that somebody saw the runner report,
// if nobody has changed it since.
func (s *server) believeRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page := &runnerPage{NewName: runner.Name, About: runner.Description, Issuer: typed(r, "issuer")}
	page.Version, _ = strconv.ParseInt(typed(r, "version"), 10, 64)
	return s.saveRunner(w, r, v, broker.RunnerSpec{Name: runner.Name, Description: runner.Description, Issuer: page.Issuer}, page, "believed")
}

// saveRunner saves, or shows the page with what is in the way.
func (s *server) saveRunner(w http.ResponseWriter, r *http.Request, v *visit, spec broker.RunnerSpec, page *runnerPage, done string) error {
	_, err := s.Broker.UpdateRunner(r.Context(), v.who, r.PathValue("runner"), spec, max(page.Version, 1))
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		now, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
		if err != nil {
			return err
		}
		page.Stale, page.Version = true, now.Version
		return s.renderRunner(w, r, v, http.StatusConflict, page)
	}
	if page.Errors = faultsOfRunner(err, spec); page.Errors != nil {
		return s.renderRunner(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return to(w, r, "/runners/"+r.PathValue("runner")+"?done="+done)
}

// joinPage shows a new join token, this once.
type joinPage struct {
	base
	Runner  rolebroker.Runner
	Shown   string // the token itself
	Expires moment
	Use     joining
}

// createJoinToken answers with the token, and not with a redirect: it must not
// be kept anywhere for a next request to find.
func (s *server) createJoinToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	key, secret, err := s.Broker.JoinToken(r.Context(), v.who, string(runner.ID), 0)
	if err != nil {
		return err
	}
	page := joinPage{base: s.base(r, v, "Join token of "+runner.Name, "runners"), Runner: *runner, Shown: secret.Reveal()}
	page.Expires = when(key.ExpiresAt, page.Now)
	page.Use.URL, page.Use.Local = s.address(r)
	page.Use.Plain = !page.Use.Local && strings.HasPrefix(page.Use.URL, "http:")
	return s.render(w, http.StatusCreated, "join-token", page)
}

// joining is how a runner is started, to be copied. The token itself is in a
// file, which one command writes.
type joining struct {
	URL   string // of this server, as the browser reached it
	Local bool   // nothing but this machine reaches it there
	Plain bool   // what is sent there could be read on the way
}

// Keep writes a token to the file join-token, for its owner's eyes.
func (j joining) Keep(token string) string {
	return "(umask 077; printf %s \\\n'" + token + "' \\\n  > join-token)"
}

// Process starts the runner by itself.
func (j joining) Process() string {
	return "rolebroker runner --server " + j.URL + " \\\n  --join-token-file join-token"
}

// Secret puts the token into the cluster, as docs/kubernetes.md does.
func (j joining) Secret() string {
	return "kubectl create namespace rolebroker\nkubectl -n rolebroker create secret generic rolebroker-join \\\n  --from-file=token=join-token"
}

// Chart starts the runner in the cluster, as docs/kubernetes.md does.
func (j joining) Chart() string {
	return strings.Join([]string{"helm install rolebroker-runner deploy/charts/rolebroker-runner --namespace rolebroker",
		"--set image.repository=registry.example.com/rolebroker",
		"--set server=" + j.URL,
		"--set joinToken.existingSecret=rolebroker-join",
		"--set tls.secretName=rolebroker-tls"}, " \\\n  ")
}
