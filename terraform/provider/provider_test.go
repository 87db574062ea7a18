package provider_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
)

// requirements is the block that names the provider.
const requirements = `terraform {
  required_providers {
    rolebroker = { source = "rolebroker/rolebroker" }
  }
}

`

const here = "data \"rolebroker_platform\" \"here\" {}\n"

// settings is a provider block.
func settings(url, token, more string) string {
	return fmt.Sprintf("provider \"rolebroker\" {\n  url   = %q\n  token = %q\n%s\n}\n\n", url, token, more)
}

// The error about a server that cannot be used says why, and what to do.
func TestAServerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scouts := w.Agent("scout")
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	w.plays(
		step{
			Config:      settings("http://127.0.0.1:1", "rbk_x", "") + here,
			ExpectError: says("Cannot reach rolebroker", "http://127.0.0.1:1", "ROLEBROKER_URL"),
		},
		step{
			Config:      settings(w.URL, "guess", "") + here,
			ExpectError: says("The API key is not known here", "ROLEBROKER_TOKEN", "rolebroker api-key create"),
		},
		step{Config: settings(w.URL, scouts.Reveal(), "") + here, ExpectError: says("agent token", "API key")},
		step{Config: settings(w.URL, "two words", "") + here, ExpectError: says("white space")},
		step{
			Config:      settings("http://rolebroker.example.com", "rbk_x", "") + here,
			ExpectError: says("readable by anyone", "https://"),
		},
		step{Config: settings(stranger.URL, "rbk_x", "") + here, ExpectError: says("not how rolebroker answers")},
		step{
			Config:      settings("https://127.0.0.1:1", "rbk_x", `  ca_certificate = "none"`) + here,
			ExpectError: says("ca_certificate", "PEM"),
		},
		step{
			Config:      settings("https://127.0.0.1:1", "rbk_x", `  client_certificate = "none"`) + here,
			ExpectError: says("client_key"),
		},
	)
}

// A 404 of another server than rolebroker does not remove anything from the state.
func TestNothingIsForgottenWhileAnotherServerAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(stranger.Close)
	like := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusNotFound)
		fmt.Fprint(rw, `{"code": "not_found", "message": "there is no such route"}`)
	}))
	t.Cleanup(like.Close)
	w.plays(
		step{Config: w.config(agent("scout", ""))},
		step{
			Config:      settings(stranger.URL, "rbk_x", "") + agent("scout", ""),
			ExpectError: says("Reading the agent", "not how rolebroker answers"),
		},
		step{
			Config:      settings(like.URL, "rbk_x", "") + agent("scout", ""),
			ExpectError: says("Reading the agent", "not how rolebroker answers"),
		},
		step{Config: w.config(agent("scout", "")), ConfigPlanChecks: keeps(scout)},
	)
}

// Whatever a server answers, the provider does not crash, and writes no control
// characters to the terminal.
func TestAServerThatLies(t *testing.T) {
	t.Parallel()
	problem := `{"code": "invalid", "detail": "\u001b[2J\u202eno", "errors": [
		{"field": "roles[-1].arn", "message": "\u001b]0;title\u0007"}, {"field": "roles[99].arn"}, {"field": ""},
		{"field": "no such.thing\u001b[1m"}, {"field": "roles[0]"}]}`
	liar := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/external-ids":
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, `{"id": "ext_x", "external_id": "${file(\"/etc/passwd\")}"}`)
		case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/integrations/"):
			rw.Header().Set("Content-Type", "application/json")
			fmt.Fprint(rw, `{"id": "", "name": "\u0000", "roles": [{"name": "a"}, {"name": "a"}, {}], "runner": "nobody"}`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/runners/"):
			rw.Header().Set("Content-Type", api.ProblemType)
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprint(rw, `{"code": "not_found"}`)
		default:
			rw.Header().Set("Content-Type", api.ProblemType)
			rw.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(rw, problem)
		}
	}))
	t.Cleanup(liar.Close)
	obeyed := regexp.MustCompile(`\x1b(\[2J|\]0|\[1m$)|\x{202e}`)
	ws := newWorkspace(t)
	run := func(config string, words ...string) {
		ws.writes(requirements + settings(liar.URL, "rbk_x", "") + config)
		_, all, status := ws.try("apply", "-auto-approve", "-no-color")
		if status != 1 || obeyed.MatchString(all) || strings.Contains(all, "crash") {
			t.Errorf("it exits with %d:\n%q", status, all)
		}
		for _, w := range words { // in any order: Terraform writes errors and warnings to different files
			if !says(w).MatchString(all) {
				t.Errorf("it does not say %q:\n%q", w, all)
			}
		}
	}
	run(
		integration("production", "", readonly),
		`external_id = "$${file(\"/etc/passwd\")}"`,
		"Creating the integration production",
		"does not say why",
	)
	run(agent("scout", ""), "Creating the agent scout")
	run(runner("eks", ""), "Creating the runner eks")
	run(
		"data \"rolebroker_aws_integration\" \"x\" {\n  name = \"x\"\n}\n",
		"Reading the integration x",
		"names does not exist",
	)
	if log := ws.log.String(); strings.Contains(log, "panic") {
		t.Errorf("a provider says\n%s", log)
	}
}

// front makes a proxy before the server; wrap gets the server as a handler.
func (w *world) front(wrap func(http.Handler) http.Handler) http.Handler {
	target, err := url.Parse(w.URL)
	if err != nil {
		w.Fatal(err)
	}
	return wrap(httputil.NewSingleHostReverseProxy(target))
}

// A proxy drops every other answer, after the server did its work. Nothing is
// created twice, and nothing is missing.
func TestItRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked atomic.Int64
	agents := make(chan string, 100)
	lossy := httptest.NewServer(w.front(func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			select {
			case agents <- r.UserAgent():
			default:
			}
			switch n := asked.Add(1); {
			case n%4 == 1:
				rw.WriteHeader(http.StatusTooManyRequests)
			case n%2 == 1 && r.URL.Path != "/api/v1/agents":
				// nothing tells the agent of a lost answer from another person's
				server.ServeHTTP(httptest.NewRecorder(), r)
				rw.WriteHeader(http.StatusBadGateway)
			default:
				server.ServeHTTP(rw, r)
			}
		})
	}))
	t.Cleanup(lossy.Close)
	through := settings(lossy.URL, w.AdminKey.Reveal(), "")
	w.plays(
		step{
			Config: through + integration(
				"production",
				"",
				readonly,
			) + agent(
				"scout",
				"",
			) + connect(
				"production",
				"id",
				"  default = true",
			),
		},
		step{
			Config: through + integration(
				"prod",
				`  description = "changed"`,
				readonly,
			) + agent(
				"scout",
				`  description = "changed"`,
			) + connect(
				"production",
				"id",
				"  default = true",
			),
			Check: func(*terraform.State) error {
				if a := w.agent("scout"); len(a.Connections) != 1 || a.Description != "changed" ||
					w.the("prod").Description != "changed" {
					return fmt.Errorf("scout is %+v", a)
				}
				return nil
			},
		},
	)
	if agent := <-agents; agent != "terraform-provider-rolebroker/test" {
		t.Errorf("the User-Agent is %q", agent)
	}
}

// keyOf is the private key of a certificate, in PEM.
func keyOf(t *testing.T, pair tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// The provider accepts a certificate of a private authority, and shows a client
// certificate to a server that requires one.
func TestTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secure := httptest.NewUnstartedServer(w.front(func(server http.Handler) http.Handler { return server }))
	secure.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	certificate, key := authority, keyOf(t, secure.TLS.Certificates[0])
	pems := func(attribute, text string) string {
		return fmt.Sprintf("  %s = <<-EOT\n%s\nEOT\n", attribute, strings.TrimSpace(text))
	}
	w.plays(
		step{
			Config:      settings(secure.URL, w.AdminKey.Reveal(), "") + here,
			ExpectError: says("certificate signed by unknown authority", "SSL_CERT_FILE"),
		},
		step{
			Config:      settings(secure.URL, w.AdminKey.Reveal(), pems("ca_certificate", authority)) + here,
			ExpectError: says("certificate required"),
		},
		step{
			Config: settings(
				secure.URL,
				w.AdminKey.Reveal(),
				pems("ca_certificate", authority)+pems("client_certificate", certificate)+pems("client_key", key),
			) + here,
		},
	)
}
