package rest_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// Every body is answered with a success or with status 4xx, in JSON, and the size of
// the answer is bounded by that of the body.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", "[]", production, `{"name": "x"}`,
		`{"name": "a", "connections": [{"integration": "production"}], "default_integration": "production"}`,
		`{"label": "l", "expires_in": "1h"}`, `{"token": "rbt_2mzq7k4vprb5xw3tdn6hjc8ysa_x"}`, `{"token": {"a": 1}}`,
		`{"name": "k", "access": "admin", "expires_at": "2030-01-01T00:00:00Z"}`,
		`{"issuer": "https://oidc.example.com/id/A", "namespace": "agents", "service_account": "scout"}`,
		`{"issuer": "https://[::1", "namespace": "-", "service_account": ".."}`,
		`{"issuer": "https://x", "namespace": "a", "service_account": "*", "labels": {"a": "b", "a": 1, "": null}}`,
		`{"name": "eks", "issuer": "https://oidc.example.com"}`, `{"expires_in": "25h"}`, `{"expires_in": "1ns"}`,
		`{"name": "x", "name": "y", "a.b": {"c": [1, 2, {"d": null}]}}`,
		`{"name": "\ud800\u0000", "roles": [{"arn": 1e999, "enabled": "x"}, null, []]}`,
		"{\"name\": \"\xff\"}", `{"version": 99999999999999999999}`, "\x00", `{"id": "` +
			strings.Repeat("x", 300) + `"}`,
	} {
		f.Add(body)
	}
	w := newWorld(f)
	w.createIntegration("production")
	w.createAgent(`{"name": "scout"}`)
	w.createRunner("eks")
	f.Fuzz(func(t *testing.T, body string) {
		w := &world{TB: t, handler: w.handler, admin: w.admin}
		for _, r := range everything {
			if r.body == "" {
				continue
			}
			path := strings.NewReplacer("integrations/x", "integrations/production", "agents/x",
				"agents/scout", "runners/x",
				"runners/eks").Replace(r.path)
			a := w.as(w.admin, r.method, path, body, "Content-Type", "application/json")
			if a.Status >= 500 || a.Status < 400 && a.Status != 200 && a.Status != 201 {
				t.Errorf("%s with %q answers %d: %s", a.what, body, a.Status, a.Body)
			}
			if a.Status == 404 && r.method == "PUT" {
				w.restore() // this body renamed it
			}
			if a.Status == 400 && len(a.Body) > 10_000+100*len(body) {
				t.Errorf("%s: %d bytes are answered with %d", a.what, len(body), len(a.Body))
			}
		}
	})
}

// restore makes the things again that a body renamed.
func (w *world) restore() {
	if w.as(w.admin, "GET", "/api/v1/agents/scout", "").Status == 404 {
		read[api.Agent](w.as(w.admin, "POST", "/api/v1/agents", `{"name": "scout"}`).want(201))
	}
	if w.as(w.admin, "GET", "/api/v1/runners/eks", "").Status == 404 {
		w.as(w.admin, "POST", "/api/v1/runners", `{"name": "eks"}`).want(201)
	}
	if w.as(w.admin, "GET", "/api/v1/integrations/production", "").Status == 404 {
		read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations", integrationJSON("production")).want(201))
	}
}
