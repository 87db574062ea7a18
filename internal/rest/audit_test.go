package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// event is an audit event as the log has it.
type event struct {
	Msg, ID, Action, Outcome, Code, Reason string
	By, Address, Claimed                   string
	ByID                                   string `json:"by_id"`
	Agent, Integration                     string
	Before, After                          map[string]any
}

// trail is the log of a world.
type trail struct {
	*world
	log bytes.Buffer
}

func newTrail(t *testing.T) *trail {
	l := &trail{}
	l.world = newWorld(t, func(o *broker.Options) {
		o.Log = slog.New(slog.NewJSONHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	l.log.Reset()
	return l
}

// events takes the audit events that were logged since the last call.
func (l *trail) events() (found []event) {
	l.Helper()
	for lines := json.NewDecoder(&l.log); ; {
		var e event
		if err := lines.Decode(&e); err == io.EOF {
			return found
		} else if err != nil {
			l.Fatal(err)
		}
		if e.Msg == "audit event" {
			found = append(found, e)
		}
	}
}

// one takes the only event that was logged since the last call.
func (l *trail) one(what string) event {
	l.Helper()
	found := l.events()
	if len(found) != 1 {
		l.Errorf("%s: %d events, want 1: %+v", what, len(found), found)
		return event{}
	}
	return found[0]
}

// A refused request leaves one event that says who, from where, what and why.
func TestARefusalIsRecordedOnce(t *testing.T) {
	l := newTrail(t)
	l.createAgent(`{"name": "scout"}`)
	l.events()

	l.as(l.reader, "PUT", "/api/v1/agents/scout", `{"name": "scout", "disabled": true}`).
		refused(403, "denied", "read-only")
	e := l.one("a read-only key that writes")
	if e.Action != "agent.update" || e.Outcome != "refused" || e.Code != "denied" || e.By != "reader" ||
		!strings.HasPrefix(e.ByID, "key_") || e.Agent != "scout" || e.Address != "192.0.2.1" ||
		!strings.Contains(e.Reason, "read-only") {
		t.Errorf("a read-only key that writes: %+v", e)
	}

	l.as(l.reader, "PUT", "/api/v1/agents/scout/connections/production", "").refused(403, "denied", "read-only")
	e = l.one("a read-only key that connects")
	if e.Action != "agent.connect" || e.Agent != "scout" || e.Integration != "production" {
		t.Errorf("a read-only key that connects: %+v", e)
	}

	l.as(l.reader, "GET", "/api/v1/agents/scout", "").want(200)
	l.as(l.reader, "GET", "/api/v1/sessions", "").want(200)
	if found := l.events(); found != nil {
		t.Errorf("permitted reads: %+v", found)
	}
}

// A caller who is not found out is recorded by the ID of what they showed, and never by its secret.
func TestAWrongKeyIsRecordedOnce(t *testing.T) {
	l := newTrail(t)
	l.createAgent(`{"name": "scout"}`)
	agentToken := read[api.NewToken](l.as(l.admin, "POST", "/api/v1/agents/scout/tokens",
		"{}").want(201)).Token.Reveal()
	runner := l.createRunner("eks")
	credential := l.credential(runner)
	key := strings.TrimPrefix(l.reader, "Bearer ")
	l.log.Reset()

	long := "rbk_" + agentToken[4:30] + strings.Repeat("x", 30) + "_" + strings.Repeat("x", 52)
	publicID := func(prefix, shown string) string { return prefix + strings.Split(shown, "_")[1] }
	for name, c := range map[string]struct{ shown, claimed, code string }{
		"nothing":                {"", "", "unauthenticated"},
		"nonsense":               {"nonsense", "", "unauthenticated"},
		"a key with a wrong end": {key[:len(key)-1] + "!", publicID("key_", key), "unauthenticated"},
		"a token as the ID":      {long, "", "unauthenticated"},
		"an agent token":         {agentToken, publicID("tok_", agentToken), "denied"},
		"a runner's credential":  {credential, publicID("rky_", credential), "denied"},
	} {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/api/v1/agents", strings.NewReader(`{"name": "x"}`))
			r.Header.Set("Authorization", "Bearer "+c.shown)
			ask(t, l.handler, r)
			logged := l.log.String()
			e := l.one(name)
			if e.Action != "api-key.authenticate" || e.Outcome != "refused" || e.Code != c.code ||
				e.Claimed != c.claimed ||
				e.Address != "192.0.2.1" || e.Reason == "" || e.By != "" {
				t.Errorf("%s: %+v", name, e)
			}
			if secret := c.shown; len(secret) > 52 && strings.Contains(logged, secret[len(secret)-52:]) {
				t.Errorf("%s: the log has the secret: %s", name, logged)
			}
		}
	}
}

// recordedChanges are what TestAChangeIsRecordedOnce does.
var recordedChanges = []struct {
	method, path, body, action string
	before, after              string // a fact, as field=value
	make                       string
}{
	{"POST", "agents", `{"name": "scout", "description": "looks"}`, "agent.create", "", "description=looks", ""},
	{"PUT", "agents/scout", `{"name": "scout", "description": "sees"}`, "agent.update",
		"description=looks", "description=sees", ""},
	{"POST", "integrations?validate=skip", integrationJSON("production"),
		"external-id.reserve integration.create", "", "name=production", ""},
	{"PUT", "integrations/production?validate=skip",
		strings.Replace(integrationJSON("production"), `"name"`, `"description": "x", "name"`, 1),
		"integration.update", "", "description=x", ""},
	{"PUT", "agents/scout/connections/production", "", "agent.connect", "", "connections=production", ""},
	{"PUT", "agents/scout/connections/production", "", "", "", "", ""}, // connected already
	{"DELETE", "agents/scout/connections/production", "", "agent.disconnect", "connections=production", "", ""},
	{"POST", "agents/scout/tokens", `{"label": "laptop"}`, "token.create", "", "label=laptop", "token"},
	{"PUT", "agents/scout/tokens/{token}", `{"label": "ecs"}`, "token.update", "label=laptop", "label=ecs", ""},
	{"DELETE", "agents/scout/tokens/{token}", "", "token.revoke", "", "", ""},
	{"POST", "agents/scout/bindings", bindingJSON("x"), "binding.create",
		"", "service_account=system:serviceaccount:agents:x", "binding"},
	{"DELETE", "agents/scout/bindings/{binding}", "", "binding.delete", "", "", ""},
	{"POST", "runners", `{"name": "eks"}`, "runner.create", "", "name=eks", ""},
	{"PUT", "runners/eks", `{"name": "gke"}`, "runner.update", "name=eks", "name=gke", ""},
	{"POST", "runners/gke/join-tokens", "{}", "runner.create-join-token", "", "", "join"},
	{"DELETE", "runners/gke", "", "runner.delete", "name=gke", "", ""},
	{"POST", "api-keys", `{"name": "ci", "access": "read-only"}`, "api-key.create", "", "access=read-only", "key"},
	{"DELETE", "api-keys/{key}", "", "api-key.delete", "name=ci", "", ""},
	{"POST", "integrations/production/rotate-external-id", `{"step": "start"}`,
		"external-id.reserve integration.rotate-external-id", "", "step=start", ""},
	{"POST", "integrations/production/validate", "", "integration.validate", "", "", ""},
	{"POST", "validate", integrationJSON("draft"), "external-id.reserve integration.validate", "", "", ""},
	{"DELETE", "external-ids/{external}", "", "external-id.release", "", "", ""},
	{"DELETE", "integrations/production", "", "integration.delete", "name=production", "", ""},
	{"DELETE", "agents/scout", "", "agent.delete", "name=scout", "", ""},
	{"DELETE", "agents/scout", "", "", "", "", ""}, // it is gone
}

// Each change leaves one event that says what was changed, and holds no secret.
func TestAChangeIsRecordedOnce(t *testing.T) {
	l := newTrail(t)
	reservation := read[api.ExternalID](l.as(l.admin, "POST", "/api/v1/external-ids", "{}").want(201))
	all := []event{l.one("reserving an external ID")}
	var secrets []string
	// made notes the ID that an answer has, for a later path, and the secret.
	made := map[string]string{"external": reservation.ID}
	for _, c := range recordedChanges {
		for name, id := range made {
			c.path = strings.ReplaceAll(c.path, "{"+name+"}", id)
		}
		a := l.as(l.admin, c.method, "/api/v1/"+c.path, c.body)
		if c.make != "" {
			answer := read[struct{ ID, Token, Key string }](a.want(201))
			made[c.make] = answer.ID
			secrets = append(secrets, answer.Token+answer.Key)
		}
		logged := l.log.String()
		for _, secret := range secrets {
			if secret != "" && strings.Contains(logged, secret[len(secret)-52:]) {
				t.Errorf("%s %s: the log has the secret: %s", c.method, c.path, logged)
			}
		}
		found := l.events()
		var actions []string
		for _, e := range found {
			actions = append(actions, e.Action)
			if e.Outcome != "done" || e.By != "admin" || e.Address != "192.0.2.1" {
				t.Errorf("%s %s: %+v", c.method, c.path, e)
			}
		}
		if strings.Join(actions, " ") != c.action {
			t.Errorf("%s %s answers %d and records %v, want %s", c.method, c.path, a.Status, actions, c.action)
			continue
		}
		if len(found) > 0 {
			last := found[len(found)-1]
			hasFact(t, c.path+" before", last.Before, c.before)
			hasFact(t, c.path+" after", last.After, c.after)
		}
		all = append(all, found...)
	}
	storedLike(l, all)
}

// storedLike checks that the audit trail has the events of admin that the log has, and no others.
func storedLike(l *trail, logged []event) {
	l.Helper()
	stored := read[api.List[api.AuditEvent]](l.as(l.reader, "GET", "/api/v1/audit-events?actor=admin&limit=500", "").want(200)).Items
	ids := map[string]string{}
	for _, e := range stored {
		ids[e.ID] = e.Action
		if e.Actor.Name != "admin" || e.Actor.Address != "192.0.2.1" || len(e.Subjects) == 0 {
			l.Errorf("the stored event is %+v", e)
		}
	}
	if len(stored) != len(logged) {
		l.Errorf("%d events are stored, and the log has %d", len(stored), len(logged))
	}
	for _, e := range logged {
		if ids[e.ID] != e.Action {
			l.Errorf("%s (%s) is in the log and not stored", e.Action, e.ID)
		}
	}
}

func hasFact(t *testing.T, what string, facts map[string]any, want string) {
	t.Helper()
	field, value, ok := strings.Cut(want, "=")
	if ok && facts[field] != value {
		t.Errorf("%s: %v, want %s", what, facts, want)
	}
}
