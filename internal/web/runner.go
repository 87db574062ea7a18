package web

import (
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runnerPage is one runner: its state, what it reports about itself, and the
// integrations that name it.
type runnerPage struct {
	base
	Runner rolebroker.Runner
	State  state
	Method string // how it assumes roles, in words; empty: not known
	Joined moment
	Rows   []integrationRow // that name it

	Conflicts []conflict        // what somebody else changed too; empty: nobody did
	Form      broker.RunnerSpec // as it was typed
	Version   int64             // the version that the form was made from
	Was       fieldValues
	Errors    map[string]string // by field
}

// Editing returns whether the form is open.
func (p *runnerPage) Editing() bool { return len(p.Conflicts) > 0 || p.Errors != nil }

// Unbelieved is an issuer whose service accounts the runner verifies, but about
// which the server does not believe it; empty: there is none.
func (p *runnerPage) Unbelieved() string {
	if p.Runner.Report.Issuer == p.Runner.Issuer {
		return ""
	}
	return p.Runner.Report.Issuer
}

func (s *server) showRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderRunner(w, r, v, http.StatusOK, &runnerPage{})
}

// renderRunner adds to the page the runner as it is now, and shows it.
func (s *server) renderRunner(w http.ResponseWriter, r *http.Request, v *visit, status int, page *runnerPage) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page.base, page.Runner = s.base(r, v, runner.Name, "runners"), *runner
	page.State, page.Method = stateOfRunner(runner, page.Now), methodOf(runner)
	page.Joined = when(runner.JoinedAt, page.Now)
	if page.Version == 0 {
		page.Form = broker.RunnerSpec{Name: runner.Name, Description: runner.Description, Issuer: runner.Issuer}
		page.Version = runner.Version
	}
	page.Was = valuesOfRunner(runner)
	integrations, err := s.Broker.IntegrationsOf(r.Context(), v.who, runner.ID)
	if err != nil {
		return err
	}
	for _, in := range integrations {
		page.Rows = append(page.Rows, rowOfIntegration(in, 0, runner, page.base))
	}
	return s.render(w, status, "runner", page)
}

// updateRunner saves the name, the description and the issuer.
func (s *server) updateRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.saveRunner(w, r, v, typedRunner(r), "updated")
}

// believeRunner sets the issuer to the one that a person saw the runner report, if
// nobody has changed it since.
func (s *server) believeRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	spec := broker.RunnerSpec{Name: runner.Name, Description: runner.Description, Issuer: formValue(r, "issuer")}
	return s.saveRunner(w, r, v, spec, "believed")
}

// saveRunner saves the runner, or shows its page with the errors.
func (s *server) saveRunner(
	w http.ResponseWriter,
	r *http.Request,
	v *visit,
	spec broker.RunnerSpec,
	done string,
) error {
	page := &runnerPage{Form: spec, Version: formVersion(r)}
	_, err := s.Broker.UpdateRunner(r.Context(), v.who, r.PathValue("runner"), spec, max(page.Version, 1))
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		now, gone := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
		if gone != nil {
			return gone
		}
		mine := fieldValues{"name": spec.Name, "description": spec.Description, "issuer": spec.Issuer}
		page.Conflicts = mine.mergeInWords(readValues(r), valuesOfRunner(now))
		spec = broker.RunnerSpec{Name: mine["name"], Description: mine["description"], Issuer: mine["issuer"]}
		page.Form, page.Version = spec, now.Version
		if len(page.Conflicts) > 0 {
			return s.renderRunner(w, r, v, http.StatusConflict, page)
		}
		_, err = s.Broker.UpdateRunner(r.Context(), v.who, string(now.ID), spec, now.Version)
		done = "merged"
	}
	if page.Errors = runnerErrors(err, spec); page.Errors != nil {
		return s.renderRunner(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, "/runners/"+r.PathValue("runner"), done)
}

func valuesOfRunner(r *rolebroker.Runner) fieldValues {
	return fieldValues{"name": r.Name, "description": r.Description, "issuer": r.Issuer}
}

// joinPage shows a new join token, which is never shown again.
type joinPage struct {
	base
	Runner  rolebroker.Runner
	Shown   string // the token itself; empty: it was shown before
	Expires moment
	Use     joining
}

// createJoinToken makes a join token and redirects to the page that shows it.
func (s *server) createJoinToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	key, secret, err := s.Broker.JoinToken(r.Context(), v.who, string(runner.ID), 0)
	if err != nil {
		return err
	}
	return s.toOnce(w, r, "/runners/"+string(runner.ID)+"/join-token",
		once{Secret: secret.Reveal(), Expires: key.ExpiresAt})
}

// showJoinToken shows a new join token, once.
func (s *server) showJoinToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	page := joinPage{base: s.base(r, v, "Join token of "+runner.Name, "runners"), Runner: *runner}
	if shown := s.takeOnce(w, r); shown != nil {
		page.Shown, page.Expires = shown.Secret, when(shown.Expires, page.Now)
	}
	page.Use.reachable = s.address(r)
	return s.render(w, http.StatusOK, "join-token", page)
}

// joining has the commands that start a runner. They read the join token from a
// file, which one command writes.
type joining struct{ reachable }

// Keep writes a token to the file join-token, which only its owner can read.
func (j joining) Keep(token string) string {
	return "(umask 077; printf %s \\\n'" + token + "' \\\n  > join-token)"
}

// Process starts the runner as a process.
func (j joining) Process() string {
	return "rolebroker runner --server " + j.URL + " \\\n  --join-token-file join-token"
}

// Secret puts the token into the cluster, as docs/kubernetes.md does.
func (j joining) Secret() string {
	return "kubectl create namespace rolebroker\n" +
		"kubectl -n rolebroker create secret generic rolebroker-join \\\n  --from-file=token=join-token"
}

// Chart starts the runner in the cluster, as docs/kubernetes.md does.
func (j joining) Chart() string {
	return strings.Join([]string{
		"helm install rolebroker-runner deploy/charts/rolebroker-runner --namespace rolebroker",
		"--set image.repository=registry.example.com/rolebroker",
		"--set server=" + j.URL,
		"--set joinToken.existingSecret=rolebroker-join",
		"--set tls.secretName=rolebroker-tls",
	}, " \\\n  ")
}
