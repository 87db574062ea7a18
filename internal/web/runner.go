package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runnerPage is one runner: whether it is connected, its report, and the integrations whose roles it assumes.
type runnerPage struct {
	base
	Runner rolebroker.Runner
	State  state
	How    string // how it assumes roles, in words; empty: it has not reported yet
	Joined moment
	Rows   []integrationRow // the integrations that name it

	NewName string // the name in the form
	About   string // the description in the form
	Issuer  string // the issuer in the form
	Version int64  // the version that the form shows
	Stale   bool   // another person has saved the runner since
	Errors  map[string]string
}

// Editing reports whether the form is open.
func (p *runnerPage) Editing() bool { return p.Stale || p.Errors != nil }

// Unbelieved returns the issuer that the runner reports, if the server does not believe the runner about that issuer;
// else "".
func (p *runnerPage) Unbelieved() string {
	if p.Runner.Report.Issuer == p.Runner.Issuer {
		return ""
	}
	return p.Runner.Report.Issuer
}

func (s *server) showRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderRunner(w, r, v, http.StatusOK, &runnerPage{})
}

// renderRunner fills in the current runner, and renders the page.
func (s *server) renderRunner(w http.ResponseWriter, r *http.Request, v *visit, status int, page *runnerPage) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page.base, page.Runner = s.base(r, v, runner.Name, "runners"), *runner
	page.State, page.How, page.Joined = stateOfRunner(runner, page.Now), howItAssumes(runner), when(runner.JoinedAt,
		page.Now)
	if page.Version == 0 {
		page.NewName, page.About, page.Issuer = runner.Name, runner.Description, runner.Issuer
		page.Version = runner.Version
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
	spec := readRunner(r)
	page := &runnerPage{NewName: spec.Name, About: spec.Description, Issuer: spec.Issuer}
	page.Version, _ = strconv.ParseInt(formValue(r, "version"), 10, 64) // 0 is none
	return s.saveRunner(w, r, v, spec, page, "updated")
}

// believeRunner sets the runner's issuer to the reported one that the page showed, if the runner has not changed since.
func (s *server) believeRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page := &runnerPage{NewName: runner.Name, About: runner.Description, Issuer: formValue(r, "issuer")}
	page.Version, _ = strconv.ParseInt(formValue(r, "version"), 10, 64)
	return s.saveRunner(w, r, v, broker.RunnerSpec{Name: runner.Name, Description: runner.Description,
		Issuer: page.Issuer}, page, "believed")
}

// saveRunner saves the runner, or shows the page with the errors.
func (s *server) saveRunner(
	w http.ResponseWriter, r *http.Request, v *visit, spec broker.RunnerSpec, page *runnerPage, done string,
) error {
	_, err := s.Broker.UpdateRunner(r.Context(), v.who, r.PathValue("runner"), spec, max(page.Version, 1))
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		now, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
		if err != nil {
			return err
		}
		page.Stale, page.Version = true, now.Version
		return s.renderRunner(w, r, v, http.StatusConflict, page)
	}
	if page.Errors = runnerErrors(err, spec); page.Errors != nil {
		return s.renderRunner(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return to(w, r, "/runners/"+r.PathValue("runner")+"?done="+done)
}

// joinPage shows a new join token, once.
type joinPage struct {
	base
	Runner  rolebroker.Runner
	Shown   string // the token itself
	Expires moment
	Use     joining
}

// createJoinToken answers with the token and not with a redirect, because nothing may store the token for a second
// request.
func (s *server) createJoinToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	key, secret, err := s.Broker.JoinToken(r.Context(), v.who, string(runner.ID), 0)
	if err != nil {
		return err
	}
	page := joinPage{base: s.base(r, v, "Join token of "+runner.Name, "runners"), Runner: *runner,
		Shown: secret.Reveal()}
	page.Expires = when(key.ExpiresAt, page.Now)
	page.Use.URL, page.Use.Local = s.address(r)
	page.Use.Plain = !page.Use.Local && strings.HasPrefix(page.Use.URL, "http:")
	return s.render(w, http.StatusCreated, "join-token", page)
}

// joining has the commands that start a runner. They read the token from a file.
type joining struct {
	URL   string // of this server, as the browser reached it
	Local bool   // the URL works on this machine only
	Plain bool   // the URL is plain HTTP over a network
}

// Keep returns the command that writes the token to the file join-token, which only its owner can read.
func (j joining) Keep(token string) string {
	return "(umask 077; printf %s \\\n'" + token + "' \\\n  > join-token)"
}

// Process returns the command that starts the runner as a process.
func (j joining) Process() string {
	return "rolebroker runner --server " + j.URL + " \\\n  --join-token-file join-token"
}

// Secret returns the commands that put the token into the cluster, as in docs/kubernetes.md.
func (j joining) Secret() string {
	return "kubectl create namespace rolebroker\n" +
		"kubectl -n rolebroker create secret generic rolebroker-join \\\n  --from-file=token=join-token"
}

// Chart returns the command that starts the runner in the cluster, as in docs/kubernetes.md.
func (j joining) Chart() string {
	return strings.Join([]string{
		"helm install rolebroker-runner deploy/charts/rolebroker-runner --namespace rolebroker",
		"--set image.repository=registry.example.com/rolebroker",
		"--set server=" + j.URL,
		"--set joinToken.existingSecret=rolebroker-join",
		"--set tls.secretName=rolebroker-tls"}, " \\\n  ")
}
