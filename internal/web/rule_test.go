package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// A rule has a page that says in words what it approves. People edit it on a page of its own, which keeps what they
// typed, and readers see no forms.
func TestThePagesOfARule(t *testing.T) {
	a := newAsker(t)
	admin, reader := a.as(a.admin), a.as(a.reader)
	made := admin.post("/approval-rules/new", "name", "reads", "reason", "Reading harms nobody", "agent", "scout",
		"integration", "production", "role", "readonly", "access", "read-only", "max_duration", "90m", "until", "2099-12-31")
	page, _, _ := strings.Cut(made.Header().Get("Location"), "?")
	if made.Code != http.StatusSeeOther || !strings.HasPrefix(page, "/approval-rules/apr_") {
		t.Fatalf("making it answers %d and leads to %q: %s", made.Code, page, made.Body)
	}
	reader.shows(page, "a rule approves all such calls for the agent’s task")
	admin.shows("/approval-rules/new", "a rule approves all such calls for the agent’s task")
	const says = "Requests of scout for readonly of production, with read-only access or less, for at most 1h30m"
	reader.shows(page, "<h1>reads ", "active</span>", "Reading harms nobody", says,
		`href="/agents/`+string(a.agent.ID)+`"`, `href="`+page+`/activity"`)
	reader.shows("/approval-rules", `href="`+page+`"`, says)
	reader.shows(page+"/activity", "approval-rule.create", "/audit?subject=apr_")
	reader.lacks(page, `action="`+page, page+"/edit")
	for _, form := range []string{page + "/edit", "/approval-rules/new"} {
		reader.shows(form, "admin API key")
		reader.lacks(form, `action="/approval-rules`)
	}
	for _, action := range []string{"/edit", "/enable", "/disable", "/delete"} {
		fields := []string{"name", "x", "reason", "x", "agent", "scout", "version", "1"}
		reader.answers(reader.post(page+action, fields...), http.StatusForbidden)
	}

	admin.shows(page+"/edit", `value="reads"`, `value="1h30m"`, `value="2099-12-31"`, `value="read-only" selected`)
	edit := func(fields ...string) []string { // the first value of a field counts
		return append(fields, "name", "reads", "reason", "r", "agent", "scout", "max_duration", "1h", "version", "1")
	}
	for _, wrong := range []struct{ field, value, says string }{
		{"max_duration", "for ever", `id="max-duration-problem"`}, {"until", "2001-01-01", `id="until-problem"`},
		{"agent", "nobody", `id="agent-problem"`}, {"agent", "", "every request of every agent"},
		{"role", "readonly", `id="role-problem"`},
	} {
		answer := admin.post(page+"/edit", edit(wrong.field, wrong.value)...)
		admin.answers(answer, http.StatusUnprocessableEntity, wrong.says, `value="`+wrong.value+`"`, ">Update Rule<")
	}
	admin.answers(admin.post(page+"/edit", edit("until", "2099-12-31")...), http.StatusSeeOther)
	reader.shows(page, "Requests of scout for any role, with any access, for at most 1h")
}

// Two people who edit a rule do not undo what the other did.
func TestEditingARuleTwice(t *testing.T) {
	a := newAsker(t)
	admin := a.as(a.admin)
	rule, err := a.broker.CreateApprovalRule(t.Context(), root,
		broker.ApprovalRuleSpec{Name: "reads", Reason: "r", Agent: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	page := "/approval-rules/" + string(rule.ID)
	const was = `{"name":"reads","reason":"r","agent":"scout","integration":"","role":"","access":"",` +
		`"max_duration":"1h","until":""}`
	edit := func(reason, most string) []string {
		return []string{"name", "reads", "reason", reason, "agent", "scout", "max_duration", most, "version", "1", "was", was}
	}
	admin.answers(admin.post(page+"/edit", edit("theirs", "1h")...), http.StatusSeeOther)
	admin.answers(admin.post(page+"/edit", edit("mine", "1h")...), http.StatusConflict, ">mine<", ">theirs<",
		"Replace 1 Saved Value with Mine")
	admin.answers(admin.post(page+"/edit", edit("r", "30m")...), http.StatusSeeOther)
	now, err := a.broker.ApprovalRule(t.Context(), root, "reads")
	if err != nil || now.Reason != "theirs" || now.MaxDuration != 30*time.Minute {
		t.Errorf("the rule is %+v: %v", now, err)
	}
}

// A rule is disabled and enabled on its page, and stays as it is otherwise. One about something that was deleted says
// so, and editing it does not make it one about everything.
func TestDisablingARule(t *testing.T) {
	a := newAsker(t)
	admin := a.as(a.admin)
	rule, err := a.broker.CreateApprovalRule(t.Context(), root, broker.ApprovalRuleSpec{Name: "reads", Reason: "r",
		Agent: "scout", Access: rolebroker.AccessReadOnly, MaxDuration: time.Hour, Until: a.now.Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	page := "/approval-rules/" + string(rule.ID)
	admin.answers(admin.post(page+"/disable"), http.StatusSeeOther)
	admin.shows(page, "disabled</span>", `action="`+page+`/enable"`)
	admin.answers(admin.post(page+"/edit", "name", "reads", "reason", "r", "agent", "scout", "access", "read-only",
		"until", rule.Until.UTC().Format(time.DateOnly), "version", "2"), http.StatusSeeOther)
	admin.shows(page, "disabled</span>")
	admin.answers(admin.post(page+"/enable"), http.StatusSeeOther)
	now, err := a.broker.ApprovalRule(t.Context(), root, "reads")
	if err != nil || !now.Enabled || now.Agent != rule.Agent || now.Access != rule.Access ||
		!now.Until.Equal(rule.Until) || now.MaxDuration != rule.MaxDuration {
		t.Errorf("the rule is %+v, and was %+v: %v", now, rule, err)
	}
	admin.answers(admin.post("/agents/scout/delete"), http.StatusSeeOther)
	admin.shows(page, "idle</span>", "a deleted agent")
	admin.lacks(page, `action="`+page+`/disable"`)
	admin.shows(page+"/edit", `name="agent" value="`+string(a.agent.ID)+`"`)
}
