package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// The page of a connection shows and sets what the agent may do, and a button makes it read-only at once.
func TestAPageLimitsAConnection(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	ctx := context.Background()
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout", Connections: broker.ConnectTo("production")})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	page := "/agents/" + string(agent.ID)
	form := page + "/limits/" + string(in.ID)
	is := func(want rolebroker.Access, roles int, version string) {
		t.Helper()
		now, err := s.broker.Agent(ctx, root, "scout")
		if err != nil {
			t.Fatal(err)
		}
		if c := now.Connections[0]; c.Access != want || len(c.Roles) != roles {
			t.Errorf("it is %s with %v, want %s with %d roles", c.Access, c.Roles, want, roles)
		}
		b.shows(form, `name="version" value="`+version+`"`)
	}
	role := string(in.Roles[0].ID)

	b.shows(page+"/connections", "Make read-only", "may do everything that the roles allow")
	b.answers(b.post(form, "version", "1", "access", "read-only"), http.StatusSeeOther)
	is(rolebroker.AccessReadOnly, 0, "2")
	b.shows(page+"/connections", "may read, and change nothing")
	b.answers(b.post(form, "form", "limits", "version", "2", "access", "view-only", "scope", "some", "role", role,
		"approval", "none"), http.StatusSeeOther)
	is(rolebroker.AccessViewOnly, 1, "3")

	// Nothing is changed by a form that is wrong, or was made from an earlier version, or by a reader.
	wrong := func(status int, says string, fields ...string) {
		t.Helper()
		answer := b.post(form, append(fields, "form", "limits", "approval", "none")...)
		b.answers(answer, status, says)
		// What is wrong comes first, has the focus, and leads to the field.
		top, _, _ := strings.Cut(answer.Body.String(), `id="summary"`)
		if status == http.StatusUnprocessableEntity && (!strings.Contains(top, says) ||
			!strings.Contains(top, "autofocus") || !strings.Contains(top, `<a href="#`)) {
			t.Errorf("the top of the page does not say %q: %s", says, top)
		}
		is(rolebroker.AccessViewOnly, 1, "3")
	}
	const refused = http.StatusUnprocessableEntity
	wrong(refused, "is not one of full", "version", "3", "access", "all")
	wrong(refused, "Write a session policy, because you chose the access policy", "version", "3", "access", "policy")
	wrong(refused, "Statement[0].Principal", "version", "3", "access", "policy", "session_policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}`)
	wrong(refused, "Choose a role", "version", "3", "access", "full", "scope", "some")
	wrong(refused, "is possible only with keys", "version", "3", "access", "full", "approval", "write")
	wrong(http.StatusConflict, "", "version", "2", "access", "full")
	wrong(http.StatusConflict, "", "access", "full")
	reader := s.as(s.reader)
	reader.answers(reader.post(form, "form", "limits", "version", "3", "access", "full"), http.StatusForbidden)
	is(rolebroker.AccessViewOnly, 1, "3")

	b.answers(b.post(form, "form", "limits", "version", "3", "access", "policy", "approval", "borrow", "session_policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`), http.StatusSeeOther)
	is(rolebroker.AccessPolicy, 0, "4")
	b.shows(form, "&#34;s3:Get*&#34;", "In production, scout may do what its session policy allows. It gets AWS keys, "+
		"and waits for a person’s yes before it uses a role.")
	b.shows(page, "waits for a person’s yes before it uses a role")
}

// The form has the policy that the agent's calls need, one click away, and says what it would have refused.
func TestThePolicyOfItsCallsIsOneClickAway(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	ctx := t.Context()
	connected := broker.ConnectTo("production")
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout", Connections: connected})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	form := "/agents/" + string(agent.ID) + "/limits/" + string(in.ID)
	const ask, policy = "?policy=of-its-calls", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],` +
		`"Resource":["arn:aws:s3:::reports/a"]}]}`
	hasNot := func(text string) {
		t.Helper()
		if strings.Contains(b.get(form).Body.String(), text) {
			t.Errorf("the form has %q", text)
		}
	}
	hasNot("Use the policy of its calls") // its keys are lent: there are no calls
	withheld := broker.LimitsOf(&agent.Connections[0])
	withheld.Keys = rolebroker.KeysWithheld
	if _, err := s.broker.Connect(ctx, root, "scout", "production", &withheld, 0); err != nil {
		t.Fatal(err)
	}
	b.shows(form, "Use the policy of its calls", ask)
	b.shows(form+ask, "scout sent no calls through the gateway with the roles of production in the last 30 days")

	call := func(operation, action, resource string) rolebroker.Call {
		return rolebroker.Call{ID: rolebroker.NewCallID(s.now), Agent: agent.ID, Integration: in.ID, Role: in.Roles[0].ID,
			Service: "s3", Operation: operation, Actions: []string{action}, Resources: []string{resource},
			Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed, Times: 1, Status: 200, EndedAt: s.now}
	}
	if err := s.store.RecordCalls(ctx, []rolebroker.Call{call("GetObject", "s3:GetObject", "arn:aws:s3:::reports/a"),
		call("PutBucketPolicy", "s3:PutBucketPolicy", "arn:aws:s3:::reports")}); err != nil {
		t.Fatal(err)
	}
	b.shows(form+ask, "what the 2 calls of the last 30 days need", "&#34;arn:aws:s3:::reports/a&#34;",
		"s3:PutBucketPolicy</code>, 1 call: s3:PutBucketPolicy manages permissions", `value="policy" checked`)
	hasNot("reports/a") // looking changes nothing
	b.answers(b.post(form, "form", "limits", "version", "2", "access", "policy", "keys", "withheld", "approval", "none",
		"session_policy", policy), http.StatusSeeOther)
	b.shows(form, "&#34;arn:aws:s3:::reports/a&#34;")
}

// The page says what the limits would have done with the calls of the last days, those that are saved and those that
// are chosen.
func TestWhatLimitsWouldHaveRefused(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	ctx := t.Context()
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout",
		Connections: broker.ConnectTo("production")})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	form := "/agents/" + string(agent.ID) + "/limits/" + string(in.ID)
	b.shows(form, "scout is lent AWS keys, so its calls do not come through this server")
	b.answers(b.post(form, "form", "limits", "version", "1", "action", "preset.ask-changes"), http.StatusOK,
		"In production, scout reads whatever the roles allow by itself; every change waits for a person’s yes. It holds "+
			"no AWS key.", "not saved",
		`value="withheld" checked`, `value="write" checked`)
	save := []string{"form", "limits", "version", "1", "access", "full", "keys", "withheld", "approval", "write"}
	b.answers(b.post(form, save...), http.StatusSeeOther)
	b.shows(form, "scout sent no calls through this server in the last 7 days.")
	call := func(action string, times int64) rolebroker.Call {
		return rolebroker.Call{ID: rolebroker.NewCallID(s.now), Agent: agent.ID, Integration: in.ID,
			Role: in.Roles[0].ID, Service: "s3", Operation: action, Actions: []string{"s3:" + action},
			Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed, Times: times, Status: 200, EndedAt: s.now}
	}
	calls := []rolebroker.Call{call("GetObject", 1201), call("DeleteObject", 3)}
	if err := s.store.RecordCalls(ctx, calls); err != nil {
		t.Fatal(err)
	}
	b.shows(form, "Of 1,204 calls in the last 7 days, none would have been refused; 3 would have waited for a person: "+
		"s3:DeleteObject (3).")
	b.answers(b.post(form, "form", "limits", "version", "2", "access", "read-only", "keys", "withheld",
		"approval", "none", "action", "preview"), http.StatusOK, "3 would have been refused: s3:DeleteObject (3).", "not saved")
	b.answers(b.post(form, "form", "limits", "version", "2", "access", "full", "keys", "lent", "approval", "write",
		"action", "preview"), http.StatusOK, "This cannot be saved yet.", "Write is possible only with keys")
	b.shows(form, "none would have been refused") // looking changes nothing
	b.lacks(form, "Not counted", "access levels")

	// What was refused then says nothing about what it needs, and is not hidden.
	denied, refused := call("GetObject", 1200), call("DeleteBucket", 2)
	denied.Status, refused.Decision, refused.Status = 403, rolebroker.CallRefused, 0
	if err := s.store.RecordCalls(ctx, []rolebroker.Call{denied, refused}); err != nil {
		t.Fatal(err)
	}
	b.shows(form, "Of 1,204 calls in the last 7 days",
		"Not counted: 1,200 that AWS refused and 2 that this server refused.")
	for access, policy := range map[string]string{"read-only": "ReadOnlyAccess", "view-only": "ViewOnlyAccess"} {
		b.answers(b.post(form, "form", "limits", "version", "2", "access", access, "keys", "withheld",
			"approval", "none", "action", "preview"), http.StatusOK, "by the access levels that AWS gives IAM actions",
			"AWS itself decides by its "+policy)
	}
	s.now = s.now.Add(8 * 24 * time.Hour)
	b = s.as(s.admin)
	if err := s.store.RecordCalls(ctx, []rolebroker.Call{{ID: rolebroker.NewCallID(s.now), Agent: agent.ID,
		Integration: in.ID, Role: in.Roles[0].ID, Decision: rolebroker.CallAllowed, Times: 1, Status: 401,
		EndedAt: s.now, Level: rolebroker.CallRead}}); err != nil {
		t.Fatal(err)
	}
	b.shows(form, "No call of scout in the last 7 days can be judged. Not counted: 1 that AWS refused.")
}
