package rest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// changesNothing are the operations that are no GET and change nothing.
var changesNothing = map[string]string{
	"draft-setup": "it makes text", "merge-setup": "it makes text",
	"end-sign-in": "it ends what only its holder has",
}

// operations returns the operations of the OpenAPI document: method and path, by ID.
func operations(t *testing.T) map[string][2]string {
	t.Helper()
	var d document
	if err := json.Unmarshal(openAPI(t), &d); err != nil {
		t.Fatal(err)
	}
	all := map[string][2]string{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			all[op.OperationID] = [2]string{strings.ToUpper(method), path}
		}
	}
	return all
}

// signsIn are the operations by which people sign in, which are open to everybody. TestLogin in internal/cli uses them.
var signsIn = map[string]bool{"get-sign-in-url": true, "create-sign-in": true, "begin-device-sign-in": true,
	"await-device-sign-in": true}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

// Every operation that may change something leaves one stored event if a read-only key asks for it. An agent token, a
// runner's credential or nothing at all opens none, of which the log has a sample and the database nothing.
func TestEveryRouteRecordsWhoIsRefused(t *testing.T) {
	l := newTrail(t)
	l.createAgent(`{"name": "scout"}`)
	token := read[api.NewToken](l.as(l.admin, "POST", "/api/v1/agents/scout/tokens", "{}").want(201)).Token
	agent := "Bearer " + token.Reveal()
	runner := "Bearer " + l.credential(l.createRunner("eks"))
	l.log.Reset()
	refused, strangers := 0, 0
	for id, op := range operations(t) {
		if signsIn[id] {
			continue
		}
		method, path := op[0], parameter.ReplaceAllString(op[1], "scout")
		for who, shown := range map[string]string{"an agent": agent, "a runner": runner, "nobody": ""} {
			if a := l.as(shown, method, path, ""); a.Status != 401 && a.Status != 403 {
				t.Errorf("%s: %s gets %d", id, who, a.Status)
			}
			found := l.events() // the log has a sample of them
			if len(found) > 1 || len(found) == 1 && found[0].Action != "api-key.authenticate" {
				t.Errorf("%s by %s: %+v", id, who, found)
			}
			strangers += len(found)
		}
		a := l.as(l.reader, method, path, "")
		if id == "end-sign-in" { // who may read may sign out
			l.events()
			continue
		}
		if method == http.MethodGet {
			if found := l.events(); a.Status == 403 || len(found) > 0 {
				t.Errorf("%s: a read-only key gets %d, which leaves %+v", id, a.Status, found)
			}
			continue
		}
		refused++
		if e := l.one(id + " by a read-only key"); a.Status != 403 || e.Outcome != "refused" || e.By != "reader" {
			t.Errorf("%s: a read-only key gets %d: %+v", id, a.Status, e)
		}
	}
	stored := read[api.List[api.AuditEvent]](l.as(l.admin, "GET", "/api/v1/audit-events?outcome=refused&limit=500",
		"").want(200))
	if len(stored.Items) != refused || strangers == 0 {
		t.Errorf("%d refusals are stored, want the %d of the read-only key; %d of strangers are in the log",
			len(stored.Items), refused, strangers)
	}
}

// session stores a live session of the agent scout, and returns its ID.
func (l *trail) session() string {
	l.Helper()
	agent := read[api.Agent](l.as(l.admin, "GET", "/api/v1/agents/scout", "").want(200))
	s := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive, AgentName: "scout",
		Agent: rolebroker.AgentID(agent.ID), RequestedAt: l.now, ExpiresAt: l.now.Add(time.Hour)}
	if err := l.store.RecordSession(context.Background(), s, s.BeginEvent(l.now)); err != nil {
		l.Fatal(err)
	}
	return string(s.ID)
}

// Each of the operations that TestAChangeIsRecordedOnce has no line for leaves one event, too; and one of both tests
// has every operation that changes something.
func TestEveryRouteThatChangesIsRecordedOnce(t *testing.T) {
	l := newTrail(t)
	l.createIntegration("production")
	scout := l.asker("scout")
	request := func(what string) string { return l.ask(scout, what) }
	covered := map[string]bool{}
	mux := http.NewServeMux()
	all := operations(t)
	for id, op := range all {
		mux.HandleFunc(op[0]+" "+op[1], func(http.ResponseWriter, *http.Request) { covered[id] = true })
	}
	cover := func(method, path string) {
		r, err := http.NewRequest(method, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		mux.ServeHTTP(nil, r)
	}
	change := func(who, method, path, body, action string) *answer {
		t.Helper()
		l.log.Reset()
		a := l.as(who, method, path, body)
		if e := l.one(method + " " + path); a.Status >= 300 || e.Action != action || e.Outcome != "done" {
			t.Errorf("%s %s answers %d and records %+v, want %s", method, path, a.Status, e, action)
		}
		cover(method, path)
		return a
	}
	const v1 = "/api/v1/"
	change(l.approver, "POST", request("one")+"/deny", `{"reason": "no"}`, "access-request.deny")
	granted := request("two")
	change(l.approver, "POST", granted+"/approve", `{}`, "access-request.approve")
	change(l.approver, "POST", granted+"/end", "", "access-request.end")
	rule := read[struct{ ID string }](change(l.admin, "POST", v1+"approval-rules",
		`{"name": "scouting", "reason": "it only looks", "agent": "scout", "access": "read-only"}`,
		"approval-rule.create")).ID
	change(l.admin, "PUT", v1+"approval-rules/"+rule,
		`{"name": "scouting", "reason": "it looks", "agent": "scout", "access": "read-only"}`, "approval-rule.update")
	change(l.admin, "DELETE", v1+"approval-rules/"+rule, "", "approval-rule.delete")
	change(l.admin, "POST", v1+"sessions/"+l.session()+"/end", "", "session.end")
	l.session()
	change(l.admin, "POST", v1+"sessions/end", `{"agent": "scout"}`, "session.end")
	change(l.admin, "POST", v1+"agents/scout/cut-off", `{}`, "agent.cut-off")
	change(l.admin, "POST", v1+"agents/scout/enable", "", "agent.enable")
	for _, c := range recordedChanges {
		cover(c.method, v1+strings.Split(c.path, "?")[0])
	}
	cover("POST", v1+"external-ids") // the first of them
	for id, op := range all {
		if op[0] != http.MethodGet && !covered[id] && changesNothing[id] == "" && !signsIn[id] {
			t.Errorf("no test has the event of %s (%s %s)", id, op[0], op[1])
		}
		if covered[id] && changesNothing[id] != "" {
			t.Errorf("%s leaves an event", id)
		}
	}
}
