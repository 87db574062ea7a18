package rest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"

func (w *world) createRunner(name string) api.Runner {
	w.Helper()
	return read[api.Runner](w.as(w.admin, "POST", "/api/v1/runners", `{"name": "`+name+`"}`).want(201))
}

// credential gives a runner one, as joining does.
func (w *world) credential(r api.Runner) string {
	w.Helper()
	key := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: rolebroker.RunnerID(r.ID), CreatedAt: w.now,
		ExpiresAt: w.now.Add(time.Hour)}
	secret, hash := auth.NewRunnerCredential(key.ID)
	key.Hash = hash
	if err := w.store.CreateRunnerKey(context.Background(), &key, storetest.Event()); err != nil {
		w.Fatal(err)
	}
	return secret.Reveal()
}

func bindingJSON(account string) string {
	return `{"issuer": "` + issuer + `", "namespace": "agents", "service_account": "` + account + `"}`
}

// clusteredJSON is an integration in cluster mode with additional fields.
func clusteredJSON(name, more string) string {
	return strings.Replace(integrationJSON(name), "{", `{"assumption_mode": "cluster", `+more, 1)
}

func TestRunnerLife(t *testing.T) {
	w := newWorld(t)
	a := w.as(w.admin, "POST", "/api/v1/runners",
		`{"name": "eks", "description": "The production cluster", "issuer": "`+issuer+`"}`).want(201)
	runner := read[api.Runner](a)
	want := api.Runner{ID: runner.ID, Name: "eks", Description: "The production cluster", Issuer: issuer, Version: 1,
		CreatedAt: w.now, UpdatedAt: w.now, Status: api.RunnerWaiting}
	if diff := cmp.Diff(want, runner); diff != "" {
		t.Errorf("the runner (-want +got):\n%s", diff)
	}
	path := "/api/v1/runners/" + runner.ID
	if a.Header.Get("Location") != path || a.Header.Get("ETag") != runner.ETag() ||
		!strings.HasPrefix(runner.ID, "run_") {
		t.Errorf("the new runner comes with %v", a.Header)
	}
	if got := w.as(w.reader, "GET", "/api/v1/runners/eks", "").want(200).Header.Get("ETag"); got != runner.ETag() {
		t.Errorf("the ETag is %s", got)
	}
	w.as(w.admin, "POST", "/api/v1/runners", `{"name": "eks"}`).refused(409, "conflict", "eks")
	w.as(w.admin, "POST", "/api/v1/runners", `{"name": "gke", "issuer": "`+issuer+`"}`).refused(409, "conflict", "eks")

	// It is what it says it is, for as long as it is heard of.
	id := rolebroker.RunnerID(runner.ID)
	ctx := context.Background()
	join := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: id, Join: true,
		ExpiresAt: w.now.Add(time.Hour)}
	credential := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: id, ExpiresAt: w.now.Add(time.Hour)}
	wantNil(t, w.store.CreateRunnerKey(ctx, &join, storetest.Event()))
	wantNil(t, w.store.Join(ctx, join.ID, &credential, w.now, storetest.Event()))
	wantNil(t, w.store.RecordRunnerReport(ctx, id, rolebroker.RunnerReport{Program: "1.2.3",
		Method: rolebroker.MethodAssumeRole, Issuer: issuer + "/2", Pending: 3,
		Identity: rolebroker.Identity{Account: "111122223333",
			ARN: "arn:aws:sts::111122223333:assumed-role/r/i"}, IdentityError: "none"}, w.now))
	joined := w.now
	want.Status, want.JoinedAt, want.SeenAt, want.Program, want.Method = api.RunnerConnected, &joined, &joined, "1.2.3", "assume-role"
	want.IdentityARN, want.IdentityError, want.ReportedIssuer, want.Pending = "arn:aws:sts::111122223333:assumed-role/r/i", "none", issuer+"/2", 3
	is := func(status string) {
		t.Helper()
		want.Status = status
		if diff := cmp.Diff(want, read[api.Runner](w.as(w.reader, "GET", path, "").want(200))); diff != "" {
			t.Errorf("the runner (-want +got):\n%s", diff)
		}
	}
	is(api.RunnerConnected)
	w.now = w.now.Add(15 * time.Second)
	is(api.RunnerAway)

	w.as(w.admin, "PUT", path, `{"name": "gke"}`, "If-Match", `"`+runner.ID+`.2"`).refused(412, "stale", "")
	w.as(w.admin, "PUT", "/api/v1/runners/eks", `{"name": "gke"}`, "If-Match",
		`"run_other.1"`).refused(412, "stale", "")
	updated := read[api.Runner](w.as(w.admin, "PUT", "/api/v1/runners/eks", `{"name": "gke"}`, "If-Match",
		runner.ETag()).want(200))
	if updated.Name != "gke" || updated.Description != "" || updated.Issuer != "" || updated.Version != 2 ||
		updated.Program != "1.2.3" {
		t.Errorf("it became %+v", updated)
	}
	w.as(w.admin, "DELETE", path, "", "If-Match", runner.ETag()).refused(412, "stale", "")
	w.as(w.admin, "DELETE", path, "", "If-Match", updated.ETag()).want(204)
	w.as(w.admin, "DELETE", path, "").refused(404, "not_found", "")
	w.as(w.reader, "GET", path, "").refused(404, "not_found", "")
	for _, id := range []string{strings.ToUpper(runner.ID), "%00", "%FF", "..%2Feks", strings.Repeat("x", 5000)} {
		w.as(w.admin, "GET", "/api/v1/runners/"+id, "").refused(404, "not_found", "")
		w.as(w.admin, "DELETE", "/api/v1/runners/"+id, "").refused(404, "not_found", "")
		w.as(w.admin, "POST", "/api/v1/runners/"+id+"/join-tokens", "{}").refused(404, "not_found", "")
	}
}

func TestInvalidRunners(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string][2]string{
		`{}`:                                  {"name", "is required"},
		`{"name": "a b"}`:                     {"name", "character"},
		`{"name": "x", "issuer": "http://x"}`: {"issuer", "https://"},
		`{"name": "x", "program": "1.0.0"}`:   {"program", "unknown"},
		`{"name": "x", "description": "` + strings.Repeat("x", 1001) + `"}`: {"description", "1000"},
	} {
		w.as(w.admin, "POST", "/api/v1/runners", body).refused(400, "invalid", "").at(want[0], "/"+want[0], want[1])
	}
}

func TestJoinTokens(t *testing.T) {
	w := newWorld(t)
	w.createRunner("eks")
	const path = "/api/v1/runners/eks/join-tokens"
	for body, lasts := range map[string]time.Duration{"{}": time.Hour, `{"expires_in": "5m"}`: 5 * time.Minute,
		`{"expires_in": "24h"}`: 24 * time.Hour} {
		a := w.as(w.admin, "POST", path, body).want(201)
		join := read[api.JoinToken](a)
		if !strings.HasPrefix(join.Token.Reveal(), "rbj_") || !join.ExpiresAt.Equal(w.now.Add(lasts)) {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	for _, in := range []string{"0", "-1h", "25h", "soon"} {
		w.as(w.admin, "POST", path, `{"expires_in": "`+in+`"}`).refused(400, "invalid", "").
			at("expires_in", "/expires_in", "")
	}
	w.as(w.admin, "POST", "/api/v1/runners/nope/join-tokens", "{}").refused(404, "not_found", "nope")
	w.as(w.reader, "POST", path, "{}").refused(403, "denied", "read-only")
	w.as(w.admin, "GET", path, "").refused(405, "invalid", "POST") // it is never shown again
}

func TestIntegrationsNameRunners(t *testing.T) {
	w := newWorld(t)
	eks, gke := w.createRunner("eks"), w.createRunner("gke")
	const path, skip = "/api/v1/integrations", "?validate=skip"
	runner := func(a *answer) string { return read[api.Integration](a).Runner }
	if got := runner(w.as(w.admin, "POST", path+skip,
		clusteredJSON("one", `"runner": "eks", `)).want(201)); got != "eks" {
		t.Errorf("its runner is %q", got)
	}
	if got := runner(w.as(w.admin, "POST", path+skip, clusteredJSON("two", `"runner": "`+gke.ID+`", `)).
		want(201)); got != "gke" {
		t.Errorf("its runner is %q", got)
	}
	if a := w.as(w.admin, "POST", path+skip, clusteredJSON("three",
		"")).want(201); strings.Contains(a.Body, `"runner"`) {
		t.Errorf("its runner is in %s", a.Body)
	}
	inPlatform := func(name string) string {
		return strings.Replace(integrationJSON(name), "{", `{"runner": "eks", `, 1)
	}
	for _, c := range []struct{ method, path, body, says string }{
		{"POST", path, clusteredJSON("x", `"runner": "nope", `), `there is no runner "nope"`},
		{"POST", path, clusteredJSON("x", `"runner": "`+eks.ID+`x", `), "there is no runner"},
		{"POST", path, inPlatform("x"), "cluster only"},
		{"PUT", path + "/one", inPlatform("one"), "cluster only"},
		{"PUT", path + "/one", clusteredJSON("one", `"runner": "nope", `), "there is no runner"},
		{"POST", "/api/v1/validate", clusteredJSON("x", `"runner": "nope", `), "there is no runner"},
		{"POST", "/api/v1/validate", inPlatform("x"), "cluster only"},
	} {
		w.as(w.admin, c.method, c.path, c.body).refused(400, "invalid", "").at("runner", "/runner", c.says)
	}
	w.as(w.admin, "DELETE", "/api/v1/runners/eks", "").refused(409, "conflict",
		"the runner eks assumes the roles of integration one")

	// What is shown can be sent back; a new name follows; leaving the mode ends it.
	w.as(w.admin, "PUT", "/api/v1/runners/eks", `{"name": "prod"}`).want(200)
	shown := w.as(w.admin, "GET", path+"/one", "").want(200)
	if got := runner(w.as(w.admin, "PUT", path+"/one"+skip, shown.Body).want(200)); got != "prod" {
		t.Errorf("its runner is %q", got)
	}
	if got := runner(w.as(w.admin, "PUT", path+"/one"+skip, integrationJSON("one")).want(200)); got != "" {
		t.Errorf("its runner is %q", got)
	}
	w.as(w.admin, "DELETE", "/api/v1/runners/prod", "").want(204)
}

func TestBindings(t *testing.T) {
	w := newWorld(t)
	scout, other := w.createAgent(`{"name": "scout"}`), w.createAgent(`{"name": "other"}`)
	const path = "/api/v1/agents/scout/bindings"
	a := w.as(w.admin, "POST", path, bindingJSON("scout")).want(201)
	binding := read[api.Binding](a)
	want := api.Binding{ID: binding.ID, Issuer: issuer, Namespace: "agents", ServiceAccount: "scout",
		Labels: map[string]string{}, CreatedAt: w.now}
	if diff := cmp.Diff(want, binding); diff != "" ||
		a.Header.Get("Location") != "/api/v1/agents/"+scout.ID+"/bindings/"+binding.ID ||
		!strings.HasPrefix(binding.ID, "bnd_") {
		t.Errorf("the binding is %s with %v:\n%s", a.Body, a.Header, diff)
	}
	if diff := cmp.Diff([]api.Binding{want}, read[api.List[api.Binding]](w.as(w.reader, "GET", path, "").
		want(200)).Items); diff != "" {
		t.Errorf("the bindings (-want +got):\n%s", diff)
	}
	for _, agent := range []string{"scout", "other"} {
		w.as(w.admin, "POST", "/api/v1/agents/"+agent+"/bindings", bindingJSON("scout")).
			refused(409, "conflict", "is agent scout already")
	}
	labelled := read[api.Binding](w.as(w.admin, "POST", "/api/v1/agents/other/bindings", `{"issuer": "`+issuer+
		`", "namespace": "agents", "service_account": "*", "labels": {"team": "ml"}}`).want(201))
	if labelled.ServiceAccount != "*" || labelled.Labels["team"] != "ml" {
		t.Errorf("by labels it is %+v", labelled)
	}
	w.as(w.admin, "POST", "/api/v1/agents/other/bindings", `{"issuer": "`+issuer+
		`", "namespace": "agents", "service_account": "scout", "labels": {"team": "a b"}}`).
		refused(400, "invalid", "labels")
	w.as(w.admin, "POST", "/api/v1/agents/other/bindings", `{"issuer": "`+issuer+
		`", "namespace": "agents", "service_account": "*", "labels": {"team": 1, "a": {"b": []}, "c": null, "d": "d"}}`).
		refused(400, "invalid", "is a number")
	w.as(w.admin, "POST", "/api/v1/agents/other/bindings", `{"issuer": "`+issuer+
		`", "namespace": "agents", "service_account": "*", "labels": {"a": "1", "a": "2"}}`).
		refused(400, "invalid", "is given twice")
	w.as(w.admin, "POST", "/api/v1/agents/nobody/bindings", bindingJSON("x")).refused(404, "not_found", "nobody")
	a = w.as(w.admin, "POST", path, `{"issuer": "http://x", "namespace": "A", "service_account": ""}`).
		refused(400, "invalid", "")
	a.at("issuer", "/issuer", "https://").at("namespace", "/namespace", "").at("service_account",
		"/service_account", "")

	// It is no token, and no token is one.
	token := read[api.NewToken](w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", "{}").want(201))
	if items := read[api.List[api.Token]](w.as(w.reader, "GET", "/api/v1/agents/scout/tokens", "").
		want(200)).Items; len(items) != 1 || items[0].ID != token.ID {
		t.Errorf("the tokens are %+v", items)
	}
	w.as(w.reader, "GET", "/api/v1/agents/scout/tokens/"+binding.ID, "").refused(404, "not_found", "")
	w.as(w.admin, "DELETE", "/api/v1/agents/scout/tokens/"+binding.ID, "").refused(404, "not_found", "")
	w.as(w.admin, "DELETE", path+"/"+token.ID, "").refused(404, "not_found", "")
	w.as(w.admin, "DELETE", "/api/v1/agents/other/bindings/"+binding.ID, "").refused(404, "not_found", "")
	w.as(w.reader, "DELETE", path+"/"+binding.ID, "").refused(403, "denied", "read-only")
	w.as(w.admin, "DELETE", path+"/"+binding.ID, "").want(204)
	w.as(w.admin, "DELETE", path+"/"+binding.ID, "").refused(404, "not_found", "")

	// What was bound is free for another, and goes with its agent.
	w.as(w.admin, "POST", "/api/v1/agents/"+other.ID+"/bindings", bindingJSON("scout")).want(201)
	w.as(w.admin, "DELETE", "/api/v1/agents/other", "").want(204)
	w.as(w.admin, "POST", path, bindingJSON("scout")).want(201)
}

// Sessions and outcomes have the name of the runner.
func TestSessionsAndOutcomesNameTheRunner(t *testing.T) {
	w := newWorld(t)
	eks := w.createRunner("eks")
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", clusteredJSON("one", `"runner": "eks", `)).want(201)
	in, err := w.store.Integration(context.Background(), "one")
	wantNil(t, err)
	outcome := rolebroker.RoleValidation{Role: in.Roles[0],
		Validation: rolebroker.Validation{Status: rolebroker.StatusAssumable, Code: rolebroker.ValidAssumable,
			CheckedAt: w.now, CheckedBy: "eks"}}
	wantNil(t, w.store.RecordValidations(context.Background(), in, []rolebroker.RoleValidation{outcome}, w.now))
	if v := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/one", "").
		want(200)).Roles[0].Validation; v == nil || v.CheckedBy != eks.Name {
		t.Errorf("the validation is %+v", v)
	}
	s := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested, Runner: "eks",
		RequestedAt: w.now, ExpiresAt: w.now.Add(time.Hour)}
	wantNil(t, w.store.RecordSession(context.Background(), &s, s.BeginEvent(w.now)))
	if items := read[api.List[api.Session]](w.as(w.reader, "GET", "/api/v1/sessions", "").
		want(200)).Items; len(items) != 1 || items[0].Runner != "eks" {
		t.Errorf("the sessions are %+v", items)
	}
}
