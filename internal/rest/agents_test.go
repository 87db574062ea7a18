package rest_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func TestAgentLife(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	a := w.as(w.admin, "POST", "/api/v1/agents",
		`{"name": "scout", "description": "Looks around", "connections": [{"integration": "production"}]}`).want(201)
	agent := read[api.Agent](a)
	want := api.Agent{ID: agent.ID, Name: "scout", Description: "Looks around", DefaultIntegration: "production",
		Owner: "admin", OwnerID: agent.OwnerID,
		Connections: []api.Connection{{Integration: "production",
			Access: "full", Keys: "lent", Approval: "none", ConnectedAt: w.now}}, Version: 1, CreatedAt: w.now, UpdatedAt: w.now}
	if diff := cmp.Diff(want, agent); diff != "" {
		t.Errorf("the agent (-want +got):\n%s", diff)
	}
	if a.Header.Get("Location") != "/api/v1/agents/"+agent.ID || a.Header.Get("ETag") != agent.ETag() {
		t.Errorf("the new agent comes with %v", a.Header)
	}
	w.as(w.reader, "GET", "/api/v1/agents/"+agent.ID, "").want(200)
	w.as(w.reader, "GET", "/api/v1/agents/scout", "", "If-None-Match", agent.ETag()).want(304)
	w.as(w.admin, "POST", "/api/v1/agents", `{"name": "scout"}`).refused(409, "conflict", "scout")

	w.now = w.now.Add(time.Hour)
	again := read[api.Agent](w.as(w.admin, "PUT", "/api/v1/agents/scout", a.Body, "If-Match", agent.ETag()).want(200))
	want.Version, want.UpdatedAt = 2, w.now
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("after writing back what was read (-want +got):\n%s", diff)
	}
	w.as(w.admin, "PUT", "/api/v1/agents/scout", a.Body, "If-Match", agent.ETag()).refused(412, "stale", "")
	w.as(w.admin, "PUT", "/api/v1/agents/scout", a.Body, "If-Match", `x`).refused(400, "invalid", "").
		at("If-Match", "", "ETag")
	w.as(w.admin, "DELETE", "/api/v1/agents/scout", "", "If-Match", `"1"`).refused(412, "stale", "")
	w.as(w.admin, "DELETE", "/api/v1/agents/scout", "", "If-Match", `1`).refused(400, "invalid", "")
	w.as(w.admin, "DELETE", "/api/v1/agents/scout", "", "If-Match", again.ETag()).want(204)
	w.as(w.admin, "GET", "/api/v1/agents/scout", "").refused(404, "not_found", "scout")
}

// Agents can be listed by the integration that they are connected to.
func TestAgentsOfAnIntegration(t *testing.T) {
	w := newWorld(t)
	production := w.createIntegration("production")
	w.createIntegration("staging")
	want := []string{}
	for i := range 5 {
		name := "scout-" + strconv.Itoa(i)
		w.createAgent(`{"name": "` + name + `", "connections": [{"integration": "staging"}, {"integration": "production"}]}`)
		w.createAgent(`{"name": "other-` + name + `", "connections": [{"integration": "staging"}]}`)
		want = append(want, name)
	}
	for _, nameOrID := range []string{"production", production.ID} {
		for _, limit := range []int{1, 2, 500} {
			if got := pages(w, "/api/v1/agents?integration="+nameOrID+"&", limit,
				func(a api.Agent) string { return a.Name }); !slices.Equal(got, want) {
				t.Errorf("agents of %s, %d at a time: %v", nameOrID, limit, got)
			}
		}
	}
	if got := pages(w, "/api/v1/agents?integration=production&search=T-3&", 9,
		func(a api.Agent) string { return a.Name }); !slices.Equal(got, want[3:4]) {
		t.Errorf("agents of production like T-3: %v", got)
	}
	w.createIntegration("empty")
	if got := pages(w, "/api/v1/agents?integration=empty&", 9,
		func(a api.Agent) string { return a.Name }); len(got) > 0 {
		t.Errorf("agents of an integration without any: %v", got)
	}
	w.as(w.admin, "GET", "/api/v1/agents?integration=nowhere", "").refused(404, "not_found", "nowhere")
}

// An update leaves connections and default integration unchanged unless it has
// them.
func TestAgentConnections(t *testing.T) {
	w := newWorld(t)
	one := w.createIntegration("one")
	w.createIntegration("two")
	w.createAgent(`{"name": "scout"}`)
	const path = "/api/v1/agents/scout"
	state := func(a *answer) string {
		agent := read[api.Agent](a.want(200))
		names := []string{}
		for _, c := range agent.Connections {
			names = append(names, c.Integration)
		}
		return strings.Join(names, ",") + "/" + agent.DefaultIntegration
	}
	steps := []struct{ method, path, body, want string }{
		{"GET", path, "", "/"},
		{"PUT", path + "/connections/one", "", "one/one"},
		{"PUT", path + "/connections/" + one.ID, "", "one/one"},
		{"PUT", path + "/connections/two", "", "one,two/one"},
		{"PUT", path, `{"name": "scout"}`, "one,two/one"},
		{"PUT", path, `{"name": "scout", "connections": null, "default_integration": null}`, "one,two/one"},
		{"PUT", path, `{"name": "scout", "default_integration": "two"}`, "one,two/two"},
		{"PUT", path, `{"name": "scout", "default_integration": ""}`, "one,two/"},
		{"PUT", path, `{"name": "scout", "connections": [{"integration": "two"}], "default_integration": "two"}`,
			"two/two"},
		{"PUT", path, `{"name": "scout", "connections": []}`, "/"},
	}
	for _, s := range steps {
		if got := state(w.as(w.admin, s.method, s.path, s.body)); got != s.want {
			t.Errorf("%s %s %s: connections/default are %s, want %s", s.method, s.path, s.body, got, s.want)
		}
	}
	connected := w.as(w.admin, "PUT", path+"/connections/one", "").want(200)
	if connected.Header.Get("ETag") == "" {
		t.Error("the agent comes without an ETag")
	}
	w.as(w.admin, "PUT", path+"/connections/nowhere", "").refused(404, "not_found", "nowhere")
	w.as(w.admin, "PUT", "/api/v1/agents/nobody/connections/one", "").refused(404, "not_found", "nobody")
	w.as(w.admin, "DELETE", path+"/connections/one", "").want(204)
	w.as(w.admin, "DELETE", path+"/connections/nowhere", "").refused(404, "not_found", "nowhere")
	if got := state(w.as(w.admin, "GET", path, "")); got != "/" {
		t.Errorf("after disconnecting it is %s", got)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	agent := w.createAgent(`{"name": "scout"}`)
	const path = "/api/v1/agents/scout/tokens"
	a := w.as(w.admin, "POST", path, `{"label": "laptop", "expires_in": "1h"}`).want(201)
	token := read[api.NewToken](a)
	if token.Token == "" || !strings.HasPrefix(token.ID, "tok_") ||
		a.Header.Get("Location") != "/api/v1/agents/"+agent.ID+"/tokens/"+token.ID {
		t.Errorf("the new token is %s with %v", a.Body, a.Header)
	}
	if token.ExpiresAt == nil || !token.ExpiresAt.Equal(w.now.Add(time.Hour)) {
		t.Errorf("it expires at %v, want in an hour", token.ExpiresAt)
	}
	forever := w.as(w.admin, "POST", path, `{}`).want(201)
	if !strings.Contains(forever.Body, `"expires_at":null`) {
		t.Errorf("a token that does not expire is %s", forever.Body)
	}
	at := read[api.NewToken](w.as(w.admin, "POST", path, `{"expires_at": "2026-03-14T12:00:00+01:00"}`).want(201))
	if at.ExpiresAt.String() != "2026-03-14 11:00:00 +0000 UTC" {
		t.Errorf("it expires at %v", at.ExpiresAt)
	}

	list := w.as(w.reader, "GET", path, "").want(200)
	if strings.Contains(list.Body, token.Token.Reveal()) {
		t.Error("the list has the token in it")
	}
	w.as(w.admin, "DELETE", path+"/"+at.ID, "").want(204)
	w.as(w.admin, "DELETE", path+"/"+at.ID, "").want(204)
	w.as(w.admin, "DELETE", path+"/tok_nonsense", "").refused(404, "not_found", "")
	w.as(w.admin, "POST", "/api/v1/agents/nobody/tokens", "{}").refused(404, "not_found", "nobody")
	w.as(w.admin, "GET", "/api/v1/agents/nobody/tokens", "").refused(404, "not_found", "nobody")
	w.now = w.now.Add(time.Hour)
	status := map[string]string{}
	for _, token := range read[api.List[api.Token]](w.as(w.reader, "GET", path, "").want(200)).Items {
		status[token.ID] = token.Status
	}
	want := map[string]string{token.ID: api.StatusExpired, at.ID: api.StatusRevoked,
		read[api.NewToken](forever).ID: api.StatusActive}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("the tokens are (-want +got):\n%s", diff)
	}
}

// A token that the client made is registered, and no answer has it.
func TestATokenIsRegistered(t *testing.T) {
	w := newWorld(t)
	agent := w.createAgent(`{"name": "scout"}`)
	w.createAgent(`{"name": "other"}`)
	const path = "/api/v1/agents/scout/tokens"
	token := client.NewAgentToken().Reveal()
	id := "tok_" + token[4:30]
	body := `{"label": "laptop", "expires_in": "1h", "token": "` + token + `"}`
	a := w.as(w.admin, "POST", path, body).want(201)
	if want := `{"id":"` + id + `","expires_at":"` + w.now.Add(time.Hour).Format(time.RFC3339) + `"}` +
		"\n"; a.Body != want || a.Header.Get("Location") != "/api/v1/agents/"+agent.ID+"/tokens/"+id {
		t.Errorf("it is answered with %s, want %s; %v", a.Body, want, a.Header)
	}
	w.now = w.now.Add(time.Minute)
	if again := w.as(w.admin, "POST", path, body).want(201); again.Body != a.Body ||
		again.Header.Get("Location") != a.Header.Get("Location") {
		t.Errorf("again it is answered with %s", again.Body)
	}
	shown := read[api.Token](w.as(w.reader, "GET", path+"/"+id, "").want(200))
	if shown.ID != id || shown.Label != "laptop" || shown.Status != api.StatusActive ||
		!shown.CreatedAt.Equal(w.now.Add(-time.Minute)) {
		t.Errorf("it is shown as %+v", shown)
	}
	if listed := read[api.List[api.Token]](w.as(w.reader, "GET", path, "").want(200)).Items; !cmp.Equal(listed,
		[]api.Token{shown}) {
		t.Errorf("the list has %+v", listed)
	}
	silent := func(a *answer) *answer {
		t.Helper()
		if strings.Contains(a.Body, token[31:]) || strings.Contains(a.Body, "scout") {
			t.Errorf("the answer says too much: %s", a.Body)
		}
		return a
	}
	silent(w.as(w.admin, "POST", "/api/v1/agents/other/tokens", body)).refused(409, "conflict", "taken")
	silent(w.as(w.admin, "POST", path, `{"token": "`+token+`"}`)).refused(409, "conflict", "taken")
	silent(w.as(w.admin, "POST", path,
		`{"label": "laptop", "token": "`+token[:31]+client.NewAgentToken().Reveal()[31:]+`"}`)).
		refused(409, "conflict", "taken")
	w.as(w.admin, "GET", "/api/v1/agents/other/tokens/"+id, "").refused(404, "not_found", "there is no token")
	w.as(w.admin, "GET", "/api/v1/agents/nobody/tokens/"+id, "").refused(404, "not_found", "nobody")
	for _, id := range []string{"tok_x", token[4:30], token, "%00", "%FF", strings.Repeat("x", 5000)} {
		w.as(w.admin, "GET", path+"/"+id, "").refused(404, "not_found", "")
	}
	w.as(w.admin, "DELETE", path+"/"+id, "").want(204)
	silent(w.as(w.admin, "POST", path, body)).refused(409, "conflict", "was revoked")
	if shown := read[api.Token](w.as(w.reader, "GET", path+"/"+id, "").want(200)); shown.Status != api.StatusRevoked {
		t.Errorf("it is shown as %+v", shown)
	}

	// Neither a reader nor an agent registers one, their own least of all.
	w.as(w.reader, "POST", path, body).refused(403, "denied", "read-only")
	other := client.NewAgentToken().Reveal()
	w.as(w.admin, "POST", path, `{"token": "`+other+`"}`).want(201)
	for _, method := range []string{"GET", "POST"} {
		w.as("Bearer "+other, method, path, `{"token": "`+other+`"}`).refused(403, "denied", "agent token")
	}
	w.as("Bearer "+other, "GET", path+"/tok_"+other[4:30], "").refused(403, "denied", "agent token")
}

// A token of another form is refused, and the refusal does not repeat it.
func TestTokensThatCannotBeRegistered(t *testing.T) {
	w := newWorld(t)
	w.createAgent(`{"name": "scout"}`)
	good := client.NewAgentToken().Reveal()
	for _, token := range []string{
		"hunter2hunter2", strings.ToUpper(good), good + "a", good[:len(good)-1], good[4:], " " + good, good + "\n",
		"Bearer " + good,
		"rbk_" + good[4:], "rbt_" + good[5:], "tok_" + good[4:], good[:31] + strings.Repeat("hunter", 9)[:52],
		good[:31] + strings.Repeat("a", 52),
		good[:31] + good[4:30] + good[4:30], good[:len(good)-1] + "1", good[:len(good)-2] + "é", good[:len(good)-1] +
			"_", strings.Repeat("rbt_", 100_000), w.admin,
	} {
		a := w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", `{"token": `+text(token)+`}`).
			refused(400, "invalid", "leave it out").at("token", "/token", "rbt_, 26 characters")
		if part := strings.TrimSpace(token); strings.Contains(a.Body, part[len(part)-10:]) || len(a.Body) > 1000 {
			t.Errorf("the answer repeats the token: %s", a.Body)
		}
	}
	for body, says := range map[string]string{
		`{"token": 1}`:                                  "is a number",
		`{"token": ["hunter2"]}`:                        "is an array",
		`{"token": {"hunter2": ""}}`:                    "is an object",
		`{"token": "a\u0000hunter2"}`:                   "NUL",
		`{"token": "hunter2", "token": "` + good + `"}`: "twice",
	} {
		if a := w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", body).refused(400, "invalid", "").
			at("token", "/token", says); strings.Contains(a.Body, "hunter2") {
			t.Errorf("%s is answered with %s", body, a.Body)
		}
	}
	w.as(w.admin, "POST", "/api/v1/agents/nobody/tokens", `{"token": "`+good+`"}`).refused(404, "not_found", "nobody")
	w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", `{"token": "`+good+`", "expires_at": "2020-01-01T00:00:00Z"}`).
		refused(400, "invalid", "").at("expires_at", "/expires_at", "future")
	if listed := read[api.List[api.Token]](w.as(w.reader, "GET", "/api/v1/agents/scout/tokens", "").
		want(200)).Items; len(listed) != 0 {
		t.Errorf("there are %+v", listed)
	}
	// None is the same as leaving it out.
	for _, none := range []string{`{"token": ""}`, `{"token": null}`} {
		if made := read[api.NewToken](w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", none).
			want(201)); made.Token == "" {
			t.Errorf("%s makes no token", none)
		}
	}
}

func TestAPIKeys(t *testing.T) {
	w := newWorld(t)
	a := w.as(w.admin, "POST", "/api/v1/api-keys",
		`{"name": "ci", "access": "read-only", "expires_in": "1h"}`).want(201)
	key := read[api.NewAPIKey](a)
	if key.Name != "ci" || key.Access != "read-only" || a.Header.Get("Location") != "/api/v1/api-keys/"+key.ID {
		t.Errorf("the new key is %s with %v", a.Body, a.Header)
	}
	bearer := "bearer " + key.Key.Reveal()
	list := w.as(bearer, "GET", "/api/v1/api-keys", "").want(200)
	if got := read[api.List[api.APIKey]](list); len(got.Items) != 3 || strings.Contains(list.Body, key.Key.Reveal()) {
		t.Errorf("the keys are %s", list.Body)
	}
	w.as(w.admin, "POST", "/api/v1/api-keys", `{"name": "ci", "access": "admin"}`).refused(409, "conflict", "ci")
	w.now = w.now.Add(2 * time.Hour)
	w.as(bearer, "GET", "/api/v1/api-keys", "").refused(401, "expired", "ci")
	if !strings.Contains(w.as(w.admin, "GET", "/api/v1/api-keys", "").Body, `"status":"expired"`) {
		t.Error("the expired key is not shown as such")
	}
	w.as(w.admin, "DELETE", "/api/v1/api-keys/"+key.ID, "").want(204)
	w.as(w.admin, "DELETE", "/api/v1/api-keys/"+key.ID, "").refused(404, "not_found", "")
	w.as(bearer, "GET", "/api/v1/api-keys", "").refused(401, "unauthenticated", "")

	for _, k := range read[api.List[api.APIKey]](w.as(w.admin, "GET", "/api/v1/api-keys", "").want(200)).Items {
		if k.Access == "admin" {
			w.as(w.admin, "DELETE", "/api/v1/api-keys/"+k.ID, "").refused(409, "conflict", "no admin key")
		}
	}
}

func TestPlatform(t *testing.T) {
	w := newWorld(t)
	p := read[api.Platform](w.as(w.reader, "GET", "/api/v1/platform", "").want(200))
	if p.Version != "1.2.3" || p.IdentityError == "" || p.Account != "" || len(p.Features) != 1 {
		t.Errorf("the platform is %+v", p)
	}
}
