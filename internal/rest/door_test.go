package rest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/rest"
)

// everything is one request for each operation.
var everything = []struct{ method, path, body string }{
	{"GET", "/api/v1/integrations", ""},
	{"POST", "/api/v1/integrations", "{}"},
	{"GET", "/api/v1/integrations/x", ""},
	{"PUT", "/api/v1/integrations/x", "{}"},
	{"DELETE", "/api/v1/integrations/x", ""},
	{"POST", "/api/v1/integrations/x/validate", ""},
	{"POST", "/api/v1/validate", "{}"},
	{"GET", "/api/v1/integrations/x/setup", ""},
	{"POST", "/api/v1/integrations/x/setup", "{}"},
	{"POST", "/api/v1/setup", "{}"},
	{"POST", "/api/v1/integrations/x/rotate-external-id", "{}"},
	{"POST", "/api/v1/external-ids", ""},
	{"GET", "/api/v1/external-ids/ext_x", ""},
	{"DELETE", "/api/v1/external-ids/ext_x", ""},
	{"GET", "/api/v1/agents", ""},
	{"POST", "/api/v1/agents", "{}"},
	{"GET", "/api/v1/agents/x", ""},
	{"PUT", "/api/v1/agents/x", "{}"},
	{"DELETE", "/api/v1/agents/x", ""},
	{"PUT", "/api/v1/agents/x/connections/y", ""},
	{"DELETE", "/api/v1/agents/x/connections/y", ""},
	{"GET", "/api/v1/agents/x/tokens", ""},
	{"POST", "/api/v1/agents/x/tokens", "{}"},
	{"GET", "/api/v1/agents/x/tokens/tok_x", ""},
	{"PUT", "/api/v1/agents/x/tokens/tok_x", "{}"},
	{"DELETE", "/api/v1/agents/x/tokens/tok_x", ""},
	{"GET", "/api/v1/agents/x/bindings", ""},
	{"POST", "/api/v1/agents/x/bindings", "{}"},
	{"DELETE", "/api/v1/agents/x/bindings/bnd_x", ""},
	{"GET", "/api/v1/runners", ""},
	{"POST", "/api/v1/runners", "{}"},
	{"GET", "/api/v1/runners/x", ""},
	{"PUT", "/api/v1/runners/x", "{}"},
	{"DELETE", "/api/v1/runners/x", ""},
	{"POST", "/api/v1/runners/x/join-tokens", "{}"},
	{"GET", "/api/v1/sessions", ""},
	{"GET", "/api/v1/platform", ""},
	{"GET", "/api/v1/api-keys", ""},
	{"POST", "/api/v1/api-keys", "{}"},
	{"DELETE", "/api/v1/api-keys/key_x", ""},
}

// The API identifies the caller before it reads the body, and answers no one else.
func TestCallersAreIdentifiedFirst(t *testing.T) {
	w := newWorld(t)
	w.createAgent(`{"name": "scout"}`)
	token := read[api.NewToken](w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", "{}").want(201))
	runner := w.createRunner("eks")
	join := read[api.JoinToken](w.as(w.admin, "POST", "/api/v1/runners/eks/join-tokens", "{}").want(201))
	for _, r := range append(everything, struct{ method, path, body string }{"GET", "/api/v1/nonsense", ""}) {
		for _, nobody := range []string{"", "Bearer", "Bearer nonsense", "Basic YTpi", w.admin + "x"} {
			req := httptest.NewRequest(r.method, r.path, iotest.ErrReader(errors.New("the body was read")))
			req.Header.Set("Authorization", nobody)
			a := ask(t, w.handler, req).refused(401, "unauthenticated", "")
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: 401 without WWW-Authenticate: %v", a.what, a.Header)
			}
		}
		for shown, kind := range map[string]string{token.Token.Reveal(): "an agent token",
			join.Token.Reveal(): "a join token", w.credential(runner): "a runner's credential"} {
			w.as("Bearer "+shown, r.method, r.path, r.body).refused(403, "denied",
				"this is "+kind+"; the management API takes an API key")
		}
	}
}

// A read-only key permits exactly the operations that change nothing.
func TestReadOnlyKey(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("y")
	w.createAgent(`{"name": "x"}`)
	w.createRunner("x")
	bodies := map[string]string{"/api/v1/runners": `{"name": "z"}`, "/api/v1/runners/x": `{"name": "x"}`,
		"/api/v1/agents/x/bindings": bindingJSON("x"),
		"/api/v1/integrations":      integrationJSON("z"), "/api/v1/integrations/x": integrationJSON("x"),
		"/api/v1/agents": `{"name": "z"}`, "/api/v1/agents/x": `{"name": "x"}`,
		"/api/v1/api-keys": `{"name": "k", "access": "admin"}`}
	for _, r := range everything {
		if body, ok := bodies[r.path]; ok && r.body != "" {
			r.body = body
		}
		a := w.as(w.reader, r.method, r.path, r.body)
		if r.method == "GET" {
			if a.Status != 200 && a.Status != 404 {
				t.Errorf("%s answers %s to a read-only key", a.what, a.Body)
			}
			continue
		}
		a.refused(403, "denied", "read-only")
		unread := httptest.NewRequest(r.method, r.path, iotest.ErrReader(errors.New("the body was read")))
		unread.Header.Set("Authorization", w.reader)
		ask(t, w.handler, unread).refused(403, "denied", "read-only")
		w.as(w.reader, r.method, r.path, `{"nonsense": `).refused(403, "denied", "read-only")
	}
}

func TestUnknownPaths(t *testing.T) {
	w := newWorld(t)
	w.createAgent(`{"name": "scout"}`)
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/", "/api/v1/nonsense", "/api/v1/agents/",
		"/api/v1/agents/scout/", "/api/v1/agents/scout/x",
		"/api/v1//agents", "/api/v1/./agents", "/api/v1/x/../agents", "/api/v1/agents/scout/../scout",
		"/api/v1/agents//scout", "/api/v2/agents", "/openapi.yaml", "/docs", "/schemas/Agent.json"} {
		a := w.as(w.admin, "GET", path, "").refused(404, "not_found", "there is no")
		if a.Header.Get("Location") != "" {
			t.Errorf("%s is redirected", path)
		}
	}
	// A name is a name, whatever is in it.
	for _, name := range []string{"%2e%2e", "%2E", "..%2Fagents", "scout%2F", "%2Fscout", "scout%20",
		"sc%6Fut%00", "%FF",
		"%25", "SCOUT", "a%2Fb%2Fc", strings.Repeat("x", 5000)} {
		w.as(w.admin, "GET", "/api/v1/agents/"+name, "").refused(404, "not_found", "")
		w.as(w.admin, "DELETE", "/api/v1/agents/"+name, "").refused(404, "not_found", "")
		w.as(w.admin, "PUT", "/api/v1/agents/"+name, `{"name": "scout"}`).refused(404, "not_found", "")
	}
	w.as(w.admin, "GET", "/api/v1/agents/sc%6Fut", "").want(200)
}

func TestWrongMethods(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ method, path, allow string }{
		{"DELETE", "/api/v1/agents", "GET, HEAD, POST"},
		{"PATCH", "/api/v1/agents/scout", "DELETE, GET, HEAD, PUT"},
		{"OPTIONS", "/api/v1/platform", "GET, HEAD"},
		{"GET", "/api/v1/external-ids", "POST"},
		{"BREW", "/api/v1/sessions", "GET, HEAD"},
		{"POST", "/openapi.json", "GET, HEAD"},
	} {
		a := w.as(w.admin, c.method, c.path, "").refused(405, "invalid", c.allow)
		if got := a.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s: Allow is %q, want %q", a.what, got, c.allow)
		}
	}
	w.as(w.admin, "HEAD", "/api/v1/platform", "").want(200)
}

func TestContentTypes(t *testing.T) {
	w := newWorld(t)
	for i, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON",
		"application/json ; charset=utf-8"} {
		w.as(w.admin, "POST", "/api/v1/agents", `{"name": "a`+string(rune('0'+i))+`"}`, "Content-Type", kind).want(201)
	}
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/yaml",
		"multipart/form-data", "json", "application/jsonx",
		"application/json/x", ";", "application/cbor", "application/merge-patch+json", strings.Repeat("x", 1000)} {
		w.as(w.admin, "POST", "/api/v1/agents", `{"name": "b"}`, "Content-Type", kind).
			refused(415, "invalid", "Content-Type: application/json")
	}
	// What a client would like to have is not asked: there is JSON.
	for _, accept := range []string{"text/html", "application/cbor", "*/*", "nonsense", "application/json;q=0"} {
		if kind := w.as(w.admin, "GET", "/api/v1/agents", "", "Accept", accept).
			want(200).Header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("Accept: %s is answered with %s", accept, kind)
		}
	}
}

func TestBodySizes(t *testing.T) {
	w := newWorld(t)
	body := func(size int) string {
		const around = `{"name": "big", "description": ""}`
		return strings.Replace(around, `""`, `"`+strings.Repeat("x", size-len(around))+`"`, 1)
	}
	w.as(w.admin, "POST", "/api/v1/agents", body(8<<20)).refused(400, "invalid", "").
		at("description", "/description", "at most 1000")
	w.as(w.admin, "POST", "/api/v1/agents", body(8<<20+1)).refused(413, "invalid", "8 MiB")

	r := httptest.NewRequest("POST", "/api/v1/agents", io.MultiReader(strings.NewReader(`{"name"`),
		iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Authorization", w.admin)
	ask(t, w.handler, r).refused(400, "invalid", "to its end")
}

// failing is a broker that fails.
type failing struct {
	rest.Broker
	err error
}

func (f failing) Integration(context.Context, rolebroker.Caller, string) (*rolebroker.Integration, error) {
	return nil, f.err
}

func (f failing) May(context.Context, rolebroker.Caller, rolebroker.Action, ...rolebroker.Subject) error {
	return nil
}

func (f failing) APIKey(context.Context, string, string) (rolebroker.Caller, error) {
	return rolebroker.Caller{Access: rolebroker.KeyAdmin}, nil
}

// Every code has its status, and causes are in the log only.
func (failing) MayTry(string) error { return nil }

func (failing) Attempt(string) error { return nil }

func (failing) Refused(_ context.Context, _ string, err error) error { return err }

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   rolebroker.Code
		says   string
	}{
		{rolebroker.Errorf(rolebroker.CodeInvalid, "no"), 400, rolebroker.CodeInvalid, "no"},
		{rolebroker.Errorf(rolebroker.CodeUnauthenticated, "no"), 401, rolebroker.CodeUnauthenticated, "no"},
		{rolebroker.Errorf(rolebroker.CodeExpired, "no"), 401, rolebroker.CodeExpired, "no"},
		{rolebroker.Errorf(rolebroker.CodeDenied, "no").WithHint("ask"), 403, rolebroker.CodeDenied, `"hint":"ask"`},
		{rolebroker.Errorf(rolebroker.CodeNotFound, "no"), 404, rolebroker.CodeNotFound, "no"},
		{rolebroker.Errorf(rolebroker.CodeConflict, "no"), 409, rolebroker.CodeConflict, "no"},
		{rolebroker.Errorf(rolebroker.CodeStale, "no"), 412, rolebroker.CodeStale, "no"},
		{rolebroker.Errorf(rolebroker.CodeThrottled, "no"), 429, rolebroker.CodeThrottled, "no"},
		{rolebroker.Errorf(rolebroker.CodeUnavailable, "no: %w", errors.New("hunter2")), 503,
			rolebroker.CodeUnavailable, `"no"`},
		{rolebroker.Errorf(rolebroker.CodeInternal, "no: %w", errors.New("hunter2")), 500,
			rolebroker.CodeInternal, `"no"`},
		{rolebroker.Errorf("new", "no"), 500, "new", "no"},
		{errors.New("hunter2"), 500, rolebroker.CodeInternal, "the server's log has the cause"},
	} {
		var log bytes.Buffer
		f := failing{err: c.err}
		handler := rest.New(rest.Options{Broker: f, Auth: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
		a := ask(t, handler, httptest.NewRequest("GET", "/api/v1/integrations/x", nil)).refused(c.status,
			c.code, c.says)
		if strings.Contains(a.Body, "hunter2") {
			t.Errorf("the cause is in the answer: %s", a.Body)
		}
		if logged := strings.Contains(log.String(), "hunter2"); logged != (errors.Unwrap(c.err) != nil ||
			c.says == "the server's log has the cause") {
			t.Errorf("%v: the log has %s", c.err, log.String())
		}
		wantHeader(t, a, http.StatusUnauthorized, "WWW-Authenticate")
		wantHeader(t, a, http.StatusTooManyRequests, "Retry-After")
	}
}

func wantHeader(t *testing.T, a *answer, status int, name string) {
	t.Helper()
	if a.Status == status && a.Header.Get(name) == "" {
		t.Errorf("%d comes without %s", status, name)
	}
}
