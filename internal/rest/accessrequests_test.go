package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// asker makes an agent that is connected to production, and returns it as a caller.
func (w *world) asker(name string) rolebroker.Caller {
	w.Helper()
	if w.approver == "" {
		w.approver = w.key(w.broker, "alice", rolebroker.KeyApprover)
	}
	agent := read[api.Agent](w.as(w.admin, "POST", "/api/v1/agents",
		`{"name": "`+name+`", "connections": [{"integration": "production", "approval": "borrow"}]}`).want(201))
	token := read[api.NewToken](w.as(w.admin, "POST", "/api/v1/agents/"+name+"/tokens", `{}`).want(201))
	return rolebroker.Caller{Agent: rolebroker.AgentID(agent.ID), Token: rolebroker.TokenID(token.ID)}
}

// ask has an agent ask for the default role for an hour, and returns the path of the request.
func (w *world) ask(who rolebroker.Caller, task string) string {
	w.Helper()
	r, err := w.broker.RequestAccess(context.Background(), who, broker.AccessRequestSpec{Task: task,
		Reason: "release\n17", Duration: time.Hour})
	if err != nil {
		w.Fatal(err)
	}
	return "/api/v1/access-requests/" + string(r.ID)
}

// A request is shown to everyone who may read, and approved for less than the agent asked. The clock of the grant
// starts at the approval.
func TestApproveAccessRequest(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	scout := w.asker("scout")
	path := w.ask(scout, "release-17")
	asked := read[api.AccessRequest](w.as(w.reader, "GET", path, "").want(200))
	want := api.AccessRequest{ID: strings.TrimPrefix(path, "/api/v1/access-requests/"), State: "pending",
		Agent: "scout", AgentID: string(scout.Agent), TokenID: string(scout.Token),
		Integration: "production", IntegrationID: asked.IntegrationID, Role: "r", RoleID: asked.RoleID,
		Access: "full", Task: "release-17", Reason: "release 17", Duration: "1h", About: "borrow",
		CreatedAt: w.now, ExpiresAt: w.now.Add(30 * time.Minute)}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}

	w.now = w.now.Add(29 * time.Minute)
	granted := read[api.AccessRequest](w.as(w.approver, "POST", path+"/approve",
		`{"duration": "10m", "note": "planned"}`).want(200))
	decided, ends := w.now, w.now.Add(10*time.Minute)
	want.State, want.DecidedAt, want.DecidedBy, want.DecidedByID = "approved", &decided, "alice", granted.DecidedByID
	want.Note, want.GrantedDuration, want.GrantedAccess, want.EndsAt = "planned", "10m", "full", &ends
	if diff := cmp.Diff(want, granted); diff != "" || !strings.HasPrefix(granted.DecidedByID, "key_") {
		t.Errorf("the grant (-want +got):\n%s", diff)
	}
	lists := func(query string, want int) {
		t.Helper()
		found := read[api.List[api.AccessRequest]](w.as(w.reader, "GET", "/api/v1/access-requests?"+query, "").want(200))
		if len(found.Items) != want {
			t.Errorf("%s lists %d, want %d", query, len(found.Items), want)
		}
	}
	lists("state=approved&agent=scout", 1)
	lists("state=pending", 0)
	w.now = w.now.Add(10 * time.Minute)
	lists("state=approved", 0)
	lists("state=expired&since=2026-03-14T09:00:00Z", 1)
	lists("since=2026-03-14T10:00:00Z", 0)
	w.as(w.reader, "GET", "/api/v1/access-requests?state=open", "").refused(400, "invalid", "")

	events := w.as(w.reader, "GET", "/api/v1/audit-events?subject="+want.ID, "").want(200).Body
	for _, says := range []string{"access-request.create", "access-request.approve", `"alice"`, `"scout"`, "planned"} {
		if !strings.Contains(events, says) {
			t.Errorf("the audit events of the request do not say %s: %s", says, events)
		}
	}
}

// What is not pending, wider or longer than asked, or not well-formed is refused, and the refusal names the field.
func TestNoWiderThanAsked(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	path := w.ask(w.asker("scout"), "")
	for _, c := range []struct{ body, field, says string }{
		{`{"duration": "61m"}`, "duration", "longer than the 1h"},
		{`{"duration": "30s"}`, "duration", "from 1m to 12h"},
		{`{"duration": "soon"}`, "duration", "as in 30m"},
		{`{"duration": "-1h"}`, "duration", "as in 30m"},
		{`{"access": "everything"}`, "access", "narrower"},
		{`{"access": "policy"}`, "access", "narrower"},
		{`{"note": "` + strings.Repeat("x", 501) + `"}`, "note", "at most 500"},
		{`{"note": "a\u202eb"}`, "note", "invisible"},
		{`{"break_glass": true, "note": "fire"}`, "break_glass", "owner"},
		{`{"roles": "all"}`, "roles", "known are"},
	} {
		w.as(w.approver, "POST", path+"/approve", c.body).refused(400, "invalid", "").at(c.field, "/"+c.field, c.says)
	}
	w.as(w.approver, "POST", path+"/deny", `{"reason": " "}`).refused(400, "invalid", "").
		at("reason", "/reason", "is required")
	w.as(w.approver, "POST", path+"/end", "").refused(409, "conflict", "no grant to end")
	w.as(w.approver, "POST", path+"/approve", `{"access": "view-only"}`).want(200)
	w.as(w.approver, "POST", path+"/approve", `{}`).refused(409, "conflict", `alice\" approved`)
	w.as(w.admin, "POST", path+"/deny", `{"reason": "no"}`).refused(409, "conflict", `alice\" approved`)
	ended := read[api.AccessRequest](w.as(w.approver, "POST", path+"/end", "").want(200))
	if ended.State != "ended" || ended.EndedBy != "alice" || ended.EndedAt == nil || ended.GrantedAccess != "view-only" {
		t.Errorf("the grant ended as %+v", ended)
	}
	w.as(w.approver, "POST", path+"/end", "").want(200)

	late := w.ask(w.asker("late"), "")
	w.now = w.now.Add(30 * time.Minute)
	w.as(w.approver, "POST", late+"/approve", `{}`).refused(409, "conflict", "expired at")
	w.as(w.approver, "POST", late+"/deny", `{"reason": "no"}`).refused(409, "conflict", "expired at")
	w.as(w.approver, "POST", "/api/v1/access-requests/req_none/approve", `{}`).refused(404, "not_found", "")
}

// The key that owns the agent approves nothing, unless it breaks the glass, which the record shows. It can deny and end.
// Another key can become the owner.
func TestTheOwnerDoesNotApprove(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	scout := w.asker("scout")
	path := w.ask(scout, "")
	w.as(w.admin, "POST", path+"/approve", `{}`).refused(403, "denied", "admin owns agent scout").
		hints("rolebroker api-key create NAME --access approver", "--break-glass --note REASON")
	w.as(w.admin, "POST", path+"/approve", `{"break_glass": true}`).refused(400, "invalid", "").
		at("note", "/note", "is required to break the glass")
	got := read[api.AccessRequest](w.as(w.admin, "POST", path+"/approve",
		`{"break_glass": true, "note": "the site is down"}`).want(200))
	if !got.BreakGlass || got.State != "approved" || got.DecidedBy != "admin" || got.Note != "the site is down" {
		t.Errorf("the approval is %+v", got)
	}
	if events := w.as(w.reader, "GET", "/api/v1/audit-events?action=access-request.approve", "").want(200).Body; !strings.
		Contains(events, `"break_glass":"true"`) || strings.Count(events, `"refused"`) != 1 {
		t.Errorf("the audit events are %s", events)
	}

	w.as(w.admin, "PUT", "/api/v1/agents/scout", `{"name": "scout", "owner": "alice"}`).want(200)
	next := w.ask(scout, "another")
	w.as(w.approver, "POST", next+"/approve", `{}`).refused(403, "denied", "alice owns agent scout")
	w.as(w.approver, "POST", next+"/deny", `{"reason": "not mine to approve"}`).want(200)
	w.as(w.admin, "POST", w.ask(scout, "third")+"/approve", `{}`).want(200)
	w.as(w.admin, "PUT", "/api/v1/agents/scout", `{"name": "scout", "owner": "nobody"}`).refused(400, "invalid", "").
		at("owner", "/owner", "there is no API key")
	agent := read[api.Agent](w.as(w.admin, "GET", "/api/v1/agents/scout", "").want(200))
	if agent.Owner != "alice" || !strings.HasPrefix(agent.OwnerID, "key_") {
		t.Errorf("the owner is %q %q", agent.Owner, agent.OwnerID)
	}
}

// A read-only key decides nothing. An approver key reads and decides, and does nothing else.
func TestWhoDecides(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	path := w.ask(w.asker("scout"), "")
	for _, what := range []string{"/approve", "/deny", "/end"} {
		w.as(w.reader, "POST", path+what, `{"reason": "x"}`).refused(403, "denied", "read-only")
	}
	for _, what := range []string{"POST /api/v1/agents", "POST /api/v1/api-keys", "POST /api/v1/approval-rules",
		"PUT /api/v1/agents/scout", "DELETE /api/v1/agents/scout", "POST /api/v1/sessions/end"} {
		method, path, _ := strings.Cut(what, " ")
		w.as(w.approver, method, path, `{}`).refused(403, "denied", "approver")
	}
	for _, path := range []string{"agents", "integrations", "sessions", "audit-events", "access-requests", "approval-rules"} {
		w.as(w.approver, "GET", "/api/v1/"+path, "").want(200)
	}
	w.as(w.approver, "POST", path+"/approve", `{}`).want(200)
}

// A rule answers in place of a person, for as long and as much as it says; the record names it.
func TestApprovalRules(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	scout := w.asker("scout")
	rule := w.as(w.admin, "POST", "/api/v1/approval-rules", `{"name": "scouting", "reason": "it only looks",
		"agent": "scout", "integration": "production", "role": "r", "until": "2026-03-15T00:00:00Z"}`).want(201)
	got := read[api.AccessRequest](w.as(w.reader, "GET", w.ask(scout, "one"), "").want(200))
	if got.State != "approved" || got.DecidedBy != "scouting" || !got.ByRule || got.Note != "it only looks" ||
		got.DecidedByID != read[api.ApprovalRule](rule).ID || got.GrantedDuration != "1h" {
		t.Errorf("the rule approved %+v", got)
	}
	events := w.as(w.reader, "GET", "/api/v1/audit-events?subject=scouting", "").want(200).Body
	if !strings.Contains(events, `"access-request.approve"`) || !strings.Contains(events, "the approval rule scouting") {
		t.Errorf("the audit events of the rule are %s", events)
	}

	state := func(agent rolebroker.Caller, task, want string) {
		t.Helper()
		got := read[api.AccessRequest](w.as(w.reader, "GET", w.ask(agent, task), "").want(200))
		if got.State != want {
			t.Errorf("%s for %s is %s, want %s", task, got.Agent, got.State, want)
		}
	}
	state(w.asker("other"), "two", "pending")
	replace := func(body string) {
		t.Helper()
		w.as(w.admin, "PUT", "/api/v1/approval-rules/scouting", body).want(200)
	}
	replace(`{"name": "scouting", "reason": "r", "agent": "scout", "max_duration": "59m"}`)
	state(scout, "three", "pending")
	replace(`{"name": "scouting", "reason": "r", "agent": "scout", "access": "read-only"}`)
	state(scout, "four", "pending")
	replace(`{"name": "scouting", "reason": "r", "agent": "scout", "enabled": false}`)
	state(scout, "five", "pending")
	replace(`{"name": "scouting", "reason": "r", "agent": "scout", "until": "2026-03-14T09:26:53Z"}`)
	state(scout, "six", "pending")
	replace(`{"name": "scouting", "reason": "r"}`)
	state(scout, "seven", "approved")

	w.as(w.admin, "PUT", "/api/v1/approval-rules/scouting", rule.Body, "If-Match", rule.Header.Get("ETag")).
		refused(412, "stale", "")
	for _, c := range []struct{ body, field, says string }{
		{`{"name": "r"}`, "reason", "is required"},
		{`{"name": "r", "reason": "r", "agent": "nobody"}`, "agent", "there is no agent"},
		{`{"name": "r", "reason": "r", "integration": "none"}`, "integration", "there is no integration"},
		{`{"name": "r", "reason": "r", "role": "r"}`, "role", "needs the integration"},
		{`{"name": "r", "reason": "r", "integration": "production", "role": "none"}`, "role", "has no role"},
		{`{"name": "r", "reason": "r", "max_duration": "13h"}`, "max_duration", "12h"},
		{`{"name": "r", "reason": "r", "access": "some"}`, "access", "is not one of"},
		{`{"name": "r", "reason": "r", "agent_id": "agt_gone"}`, "agent", "agent_id"},
	} {
		w.as(w.admin, "POST", "/api/v1/approval-rules", c.body).refused(400, "invalid", "").
			at(c.field, "/"+c.field, c.says)
	}
	w.as(w.reader, "POST", "/api/v1/approval-rules", `{}`).refused(403, "denied", "")
	w.as(w.admin, "DELETE", "/api/v1/approval-rules/scouting", "").want(204)
	w.as(w.admin, "GET", "/api/v1/approval-rules/scouting", "").refused(404, "not_found", "")
}

// An agent that asks on and on is told to wait.
func TestAgentsDoNotFlood(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	scout := w.asker("scout")
	asks := func(task string) error {
		_, err := w.broker.RequestAccess(context.Background(), scout,
			broker.AccessRequestSpec{Task: task, Reason: "more"})
		return err
	}
	for i := range 20 {
		if err := asks(fmt.Sprint("task", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := asks("one-more"); rolebroker.CodeOf(err) != rolebroker.CodeThrottled ||
		!strings.Contains(err.Error(), "20 access requests") {
		t.Errorf("it asks once more: %v", err)
	}
	for range 9 {
		if err := asks("task1"); err != nil { // which is open
			t.Fatal(err)
		}
	}
	if err := asks("task1"); rolebroker.CodeOf(err) != rolebroker.CodeThrottled ||
		!strings.Contains(err.Error(), "too often") {
		t.Errorf("it asks on: %v", err)
	}
	w.now = w.now.Add(5 * time.Second)
	if err := asks("task1"); err != nil {
		t.Error(err)
	}
}

// hints checks that the hint has each of the commands.
func (a *answer) hints(commands ...string) {
	a.t.Helper()
	for _, command := range commands {
		if !strings.Contains(a.problem.Hint, command) {
			a.t.Errorf("%s: the hint does not say %q: %s", a.what, command, a.problem.Hint)
		}
	}
}

// Rules belong to the ID of what they name: what is made again under the name inherits none.
func TestARuleIsNotInherited(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	w.asker("scout")
	const path = "/api/v1/approval-rules/scouting"
	rule := w.as(w.admin, "POST", "/api/v1/approval-rules", `{"name": "scouting", "reason": "it only looks",
		"agent": "scout", "integration": "production", "role": "r"}`).want(201)
	w.as(w.admin, "PUT", path, rule.Body).want(200) // as it was
	for field, other := range map[string]string{"agent_id": "agt_other", "integration_id": "int_other", "role_id": "rol_other"} {
		body := read[map[string]any](rule)
		body[field] = other
		changed, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		w.as(w.admin, "PUT", path, string(changed)).refused(400, "invalid", "").at(field, "/"+field, "leave out "+field)
	}
	w.as(w.admin, "DELETE", "/api/v1/agents/scout", "").want(204)
	again := w.asker("scout")
	w.as(w.admin, "PUT", path, rule.Body).refused(400, "invalid", "").at("agent_id", "/agent_id", "has the ID agt_")
	got := read[api.AccessRequest](w.as(w.reader, "GET", w.ask(again, "one"), "").want(200))
	if got.State != "pending" {
		t.Errorf("another agent of the name gets %+v", got)
	}
}
