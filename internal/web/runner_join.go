package web

import (
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
)

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
	return s.toOnce(w, r, pageOf(rolebroker.KindRunner, runner.ID)+"/join-token",
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
