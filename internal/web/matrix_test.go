package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/trail"
	"github.com/rolebroker/rolebroker/internal/web"
)

// forms posts every form of the web app, and looks at the audit events that this leaves.
type forms struct {
	*asker
	admin, approver, reader, nobody *browser

	seen   map[string]bool // IDs of the events that newEvents returned
	posted map[string]bool // by the pattern of the form
	routes *http.ServeMux  // notes what is posted
}

func newForms(t *testing.T) *forms {
	t.Helper()
	a := newAsker(t)
	f := &forms{asker: a, admin: a.as(a.admin), reader: a.as(a.reader), nobody: &browser{site: a.site},
		approver: a.as(a.key("approver", rolebroker.KeyApprover)),
		seen:     map[string]bool{}, posted: map[string]bool{}, routes: http.NewServeMux()}
	for _, pattern := range web.Patterns(a.handler) {
		if strings.HasPrefix(pattern, http.MethodPost) {
			f.posted[pattern] = false
			f.routes.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { f.posted[pattern] = true })
		}
	}
	f.newEvents()
	return f
}

// newEvents takes the audit events that were stored since the last call.
func (f *forms) newEvents() (found []api.AuditEvent) {
	f.Helper()
	stored, err := f.broker.AuditEvents(context.Background(), root, rolebroker.AuditFilter{}, rolebroker.Page{Limit: 500})
	if err != nil {
		f.Fatal(err)
	}
	for _, record := range stored {
		e, err := trail.Event(record.Record)
		if err != nil {
			f.Fatal(err)
		}
		if !f.seen[e.ID] {
			found = append(found, e)
		}
		f.seen[e.ID] = true
	}
	return found
}

// post posts a form as somebody who may, after who is not signed in and a reader did, and returns the path that it
// leads to. action is of the event that each of both leaves; empty: nobody is refused, and nothing changes.
func (f *forms) post(who *browser, action, target string, fields ...string) string {
	f.Helper()
	f.covers(target)
	if answer := f.nobody.post(target, fields...); answer.Code != http.StatusUnauthorized {
		f.Errorf("POST %s answers %d to who is not signed in", target, answer.Code)
	}
	if found := f.newEvents(); len(found) > 0 {
		f.Errorf("POST %s by who is not signed in leaves %+v", target, found)
	}
	answer, found := f.reader.post(target, fields...), f.newEvents()
	if action != "" && (answer.Code != http.StatusForbidden || len(found) != 1 || found[0].Outcome != "refused" ||
		found[0].Actor.Name != "reader" || found[0].Action != action) {
		f.Errorf("POST %s answers %d to a reader, and leaves %+v", target, answer.Code, found)
	}
	answer = who.post(target, fields...)
	f.left(action, target)
	if answer.Code >= 400 {
		f.Errorf("POST %s answers %d: %.600s", target, answer.Code, answer.Body)
	}
	streams := strings.HasPrefix(target, "/integrations/validate") // to a script
	if action != "" && answer.Code != http.StatusSeeOther && !streams {
		f.Errorf("POST %s changes something, and answers %d: reloading the page would do it again", target, answer.Code)
	}
	path, _, _ := strings.Cut(answer.Header().Get("Location"), "?")
	return path
}

// covers notes that a form is posted.
func (f *forms) covers(target string) {
	f.Helper()
	r, err := http.NewRequest(http.MethodPost, target, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.routes.ServeHTTP(nil, r)
}

// left checks that what was done left the event of an action, and nothing else; empty: no event.
func (f *forms) left(action, what string) {
	f.Helper()
	found := f.newEvents()
	if action == "" && len(found) == 0 {
		return
	}
	if len(found) != 1 || found[0].Action != action || found[0].Outcome != "done" || found[0].Actor.Kind != "api_key" ||
		found[0].Actor.Name == "" {
		f.Errorf("POST %s leaves %+v, want %s", what, found, action)
	}
}

// role is the form of an integration with one role.
func (f *forms) role(fields ...string) []string {
	return append(fields, "mode", "platform", "rows", "1", "default", "0", "role.0.name", "readonly", "role.0.arn", roleARN,
		"role.0.region", "us-east-1", "role.0.enabled", "on", "action", "save")
}

// Each form that changes something leaves one audit event: refused if a reader posts it, and done if
// somebody does who may. Who is not signed in leaves none in the database. A form without a row here fails.
func TestEveryFormLeavesOneEvent(t *testing.T) {
	f := newForms(t)
	f.postIntegrations()
	f.postAgents()
	f.postRequests()
	f.postRunners()
	f.postSettings()
	for pattern, posted := range f.posted {
		if !posted {
			t.Errorf("no row posts %s", pattern)
		}
	}
}

func (f *forms) postIntegrations() {
	f.Helper()
	f.post(f.admin, "external-id.reserve", "/integrations/new")
	reserved := f.admin.begin()
	f.newEvents()
	staging := f.post(f.admin, "integration.create", "/integrations/new/aws",
		f.role("name", "staging", "external_id", reserved)...)
	id := strings.TrimPrefix(staging, "/integrations/")
	f.post(f.admin, "integration.update", staging+"/edit",
		f.role("name", "staging", "description", "tried", "version", "1")...)
	f.post(f.admin, "agent.connect", staging+"/connect", "agent", "scout")
	f.post(f.admin, "agent.disconnect", staging+"/disconnect", "agent", "scout")
	f.post(f.admin, "integration.validate", staging+"/roles", "action", "validate-all")
	f.post(f.admin, "integration.disable", staging+"/disable")
	f.post(f.admin, "integration.enable", staging+"/enable")
	f.post(f.admin, "integration.validate", "/integrations/validate?id="+id, f.role("name", "staging")...)
	f.post(f.admin, "", "/integrations/setup?id="+id, f.role("name", "staging")...)
	f.post(f.admin, "", staging+"/setup", "policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
		`"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	f.post(f.admin, "integration.delete", staging+"/delete")
}

func (f *forms) postAgents() {
	f.Helper()
	ctx := context.Background()
	in, err := f.broker.Integration(ctx, root, "production")
	if err != nil {
		f.Fatal(err)
	}
	id := string(in.ID)
	f.post(f.admin, "agent.create", "/agents/new", "name", "ranger")
	const ranger = "/agents/ranger"
	f.post(f.admin, "agent.update", ranger, "name", "ranger", "description", "ranges", "version", "1")
	f.post(f.admin, "agent.disable", ranger+"/disable")
	f.post(f.admin, "agent.enable", ranger+"/enable")
	f.post(f.admin, "agent.connect", ranger+"/connect", "integration", id)
	agent, err := f.broker.Agent(ctx, root, "ranger")
	if err != nil {
		f.Fatal(err)
	}
	f.post(f.admin, "agent.connect", ranger+"/limits/"+id, "access", "read-only", "version", fmt.Sprint(agent.Version))
	f.admin.create("another")
	f.admin.post(ranger+"/connect", "integration", "another")
	f.newEvents()
	f.post(f.admin, "agent.set-default", ranger+"/default", "integration", "another")
	f.post(f.admin, "agent.disconnect", ranger+"/disconnect", "integration", id)

	f.post(f.admin, "token.create", ranger+"/tokens", "label", "laptop", "expiry", "")
	tokens, err := f.broker.Tokens(ctx, root, "ranger", rolebroker.Page{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.post(f.admin, "token.revoke", ranger+"/tokens/"+string(tokens[0].ID)+"/revoke")
	f.post(f.admin, "binding.create", ranger+"/bindings", "issuer", issuerA, "namespace", "a", "service_account", "ranger")
	bindings, err := f.broker.Bindings(ctx, root, "ranger", rolebroker.Page{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.post(f.admin, "binding.delete", ranger+"/bindings/"+string(bindings[0].ID)+"/delete")
	f.post(f.admin, "agent.cut-off", ranger+"/cut-off", "reason", "a drill")
	f.post(f.admin, "agent.delete", ranger+"/delete")
}

func (f *forms) postRequests() {
	f.Helper()
	one, two := f.asks("one"), f.asks("two")
	session := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive, AgentName: "scout",
		Agent: f.agent.ID, RequestedAt: f.now, ExpiresAt: f.now.Add(time.Hour)}
	if err := f.store.RecordSession(context.Background(), session, session.BeginEvent(f.now)); err != nil {
		f.Fatal(err)
	}
	f.newEvents()
	f.post(f.approver, "access-request.approve", one+"/approve", "duration", "10m")
	f.post(f.approver, "access-request.end", one+"/end")
	f.post(f.approver, "access-request.deny", two+"/deny", "reason", "no")
	f.post(f.admin, "approval-rule.create", "/approval-rules/new", "name", "reads", "reason", "r", "agent", "scout")
	rules, err := f.broker.ApprovalRules(context.Background(), root, rolebroker.Page{Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	rule := "/approval-rules/" + string(rules[0].ID)
	f.post(f.admin, "approval-rule.update", rule+"/edit", "name", "reads", "reason", "r", "agent", "scout", "version", "1")
	f.post(f.admin, "approval-rule.update", rule+"/disable")
	f.post(f.admin, "approval-rule.update", rule+"/enable")
	f.post(f.admin, "approval-rule.delete", "/approval-rules/"+string(rules[0].ID)+"/delete")
	f.post(f.admin, "session.end", "/sessions/"+string(session.ID)+"/end")
}

func (f *forms) postRunners() {
	f.Helper()
	ctx := context.Background()
	f.post(f.admin, "runner.create", "/runners/new", "name", "eks")
	f.post(f.admin, "runner.update", "/runners/eks", "name", "eks", "description", "in Ireland", "version", "1")
	f.post(f.admin, "runner.create-join-token", "/runners/eks/join-token")
	runner, err := f.broker.Runner(ctx, root, "eks")
	if err != nil {
		f.Fatal(err)
	}
	version := fmt.Sprint(runner.Version)
	if err := f.broker.RecordReport(ctx, rolebroker.Caller{Runner: runner.ID, Name: "eks"},
		rolebroker.RunnerReport{Issuer: issuerA}); err != nil {
		f.Fatal(err)
	}
	f.newEvents()
	f.post(f.admin, "runner.update", "/runners/eks/believe", "issuer", issuerA, "version", version)
	f.post(f.admin, "runner.delete", "/runners/eks/delete")
}

func (f *forms) postSettings() {
	f.Helper()
	f.post(f.admin, "api-key.create", "/settings/keys", "name", "ci", "access", "read-only", "expiry", "")
	keys, err := f.broker.APIKeys(context.Background(), root, rolebroker.Page{Limit: 50})
	if err != nil {
		f.Fatal(err)
	}
	for _, key := range keys {
		if key.Name == "ci" {
			f.post(f.admin, "api-key.delete", "/settings/keys/"+string(key.ID)+"/delete")
		}
	}
	f.post(f.admin, "", "/rows", "rows", "compact", "next", "/agents")
	f.post(f.admin, "", "/times", "times", "exact")
	// Everybody may sign in who has a key, and out.
	person := &browser{site: f.site}
	f.covers("/sign-in")
	person.post("/sign-in", "key", "nonsense")
	f.left("", "/sign-in with a key that is none")
	person.post("/sign-in", "key", f.asker.admin)
	f.left("sign-in.create", "/sign-in")
	f.covers("/sign-out")
	person.post("/sign-out") // ends nothing but what it was called with
	f.left("", "/sign-out")
}
