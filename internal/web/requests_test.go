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

// asker is a site where the agent scout, which the person with the key admin made, needs an approval.
type asker struct {
	*site
	agent *rolebroker.Agent
	token rolebroker.TokenID
}

func newAsker(t *testing.T) *asker {
	t.Helper()
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	b.answers(b.post("/agents/new", "name", "scout"), http.StatusSeeOther)
	ctx := context.Background()
	agent, err := s.broker.Connect(ctx, root, "scout", "production",
		&broker.Limits{Approval: rolebroker.ApprovalBorrow}, 0)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.broker.CreateToken(ctx, root, "scout", broker.TokenSpec{})
	if err != nil {
		t.Fatal(err)
	}
	return &asker{s, agent, token.ID}
}

// asks makes an access request, and returns the address of its page.
func (a *asker) asks(task string) string {
	a.Helper()
	req, err := a.broker.RequestAccess(context.Background(), rolebroker.Caller{Agent: a.agent.ID, Token: a.token},
		broker.AccessRequestSpec{Task: task, Reason: "release 17 <now>"})
	if err != nil {
		a.Fatal(err)
	}
	return rolebroker.AccessRequestPage + string(req.ID)
}

// A person reads what an agent asks for, and approves it for a shorter time and a narrower access, or denies it.
func TestAPersonDecides(t *testing.T) {
	a := newAsker(t)
	approver := a.as(a.key("approver", rolebroker.KeyApprover))
	approver.shows("/access-requests", "Nothing waits for a decision")
	page := a.asks("release-17")
	approver.shows("/access-requests", `href="`+page+`"`, "release-17", "release 17 &lt;now&gt;", "pending")
	approver.shows("/access-requests", `Inbox <span class="count waits">1<`)
	approver.shows(page, "production/readonly", "release-17", "At most 1h", `action="`+page+`/approve"`)

	// What is wrong stands at its field, and changes nothing.
	approver.answers(approver.post(page+"/approve", "duration", "2h", "access", "full"),
		http.StatusUnprocessableEntity, "longer than the 1h", `value="2h"`)
	for _, duration := range []string{"soon", "0s", "-1h", ""} { // none of them means as long as the agent asked
		approver.answers(approver.post(page+"/approve", "duration", duration), http.StatusUnprocessableEntity,
			"Write a duration")
	}
	approver.answers(approver.post(page+"/approve", "duration", "5 days"), http.StatusUnprocessableEntity,
		"Nothing was decided: 1 field is not right.", `<a href="#duration">For</a>: Write a duration, such as 5m or 1h.`)
	approver.answers(approver.post(page+"/deny", "reason", ""), http.StatusUnprocessableEntity, "Is required", "pending")

	approver.answers(approver.post(page+"/approve", "duration", "10 Minutes", "access", "read-only", "note", "go"),
		http.StatusSeeOther)
	approver.shows(page, "approved", "by approver",
		"to read with production/readonly, and change nothing, for 10 minutes", "go", "End the grant")
	approver.shows("/access-requests?state=approved", `href="`+page+`"`)
	approver.answers(approver.post(page+"/deny", "reason", "no"), http.StatusConflict, "&#34;approver&#34; approved access request")
	approver.answers(approver.post(page+"/end"), http.StatusSeeOther)
	approver.shows(page, "ended", "by approver", "keys that were lent under it work in AWS and expire")

	a.now = a.now.Add(10 * time.Minute)
	if shown := approver.get(page).Body.String(); strings.Contains(shown, "keys that were lent under it") {
		t.Error("keys are said to work after their grant would have ended")
	}

	// The next request shows what the agent asked before.
	next := a.asks("release-18")
	approver.shows(next, `href="`+page+`"`)
	approver.answers(approver.post(next+"/deny", "reason", "not today"), http.StatusSeeOther)
	approver.shows(next, "denied", "not today")
	a.now = a.now.Add(rolebroker.RequestLifetime + time.Minute)
	approver.shows("/access-requests", "Nothing waits for a decision")
}

// An administrator makes rules and deletes them on a page; others see them.
func TestRulesOnAPage(t *testing.T) {
	a := newAsker(t)
	admin, approver := a.as(a.admin), a.as(a.key("approver", rolebroker.KeyApprover))
	approver.shows("/access-requests", `href="/approval-rules"`)
	approver.shows("/approval-rules", "There are no rules", "you can, in the", "To make a rule takes an admin API key.")
	rule := []string{"name", "reads", "reason", "reading <harms> nobody", "max_duration", "30m"}
	approver.answers(approver.post("/approval-rules/new", append(rule, "agent", "scout")...), http.StatusForbidden)
	for wrong, says := range map[[2]string]string{{"role", ""}: "every request of every agent",
		{"agent", "nobody"}: "There is no agent", {"until", "2020-01-01"}: "Choose a day to come"} {
		admin.answers(admin.post("/approval-rules/new", append(rule, wrong[0], wrong[1])...),
			http.StatusUnprocessableEntity, says)
	}
	admin.answers(admin.post("/approval-rules/new", append(rule, "agent", "scout", "access", "full")...),
		http.StatusSeeOther)
	approver.shows("/approval-rules", "Requests of scout for any role, with full access or less, for at most 30m",
		"reading &lt;harms&gt; nobody", "active")
	rules, err := a.broker.ApprovalRules(context.Background(), root, rolebroker.Page{Limit: 2})
	if err != nil || len(rules) != 1 || rules[0].MaxDuration != 30*time.Minute {
		t.Fatalf("there are %+v: %v", rules, err)
	}
	remove := "/approval-rules/" + string(rules[0].ID) + "/delete"
	approver.answers(approver.post(remove), http.StatusForbidden)
	admin.answers(admin.post(remove), http.StatusSeeOther)
	approver.shows("/approval-rules", "There are no rules")
}

// The page of an agent has what waits and its grants, with a way to end them; the one of a request has the call.
func TestAnAgentsRequestsAreOnItsPage(t *testing.T) {
	a := newAsker(t)
	approver, reader := a.as(a.key("approver", rolebroker.KeyApprover)), a.as(a.reader)
	agent := "/agents/" + string(a.agent.ID)
	reader.shows(agent, "waits for a person’s yes before it uses a role", "owned by the API key admin")
	if strings.Contains(reader.get(agent).Body.String(), "What it asked for") {
		t.Error("it has requests before it asked")
	}
	page := a.asks("release-17")
	approver.shows(agent, "What it asked for", `href="`+page+`"`, "release-17", "Decide",
		"scout wants to do everything that production/readonly allows, for 1 hour")
	approver.shows(page, "sts:AssumeRole on arn:aws:iam::", "as scout@release-17", "the API key admin")
	approver.answers(approver.post(page+"/approve", "duration", "10m"), http.StatusSeeOther)
	approver.shows(agent, "ends <time", `action="`+page+`/end"`)
	approver.shows(page, "/sessions?request="+strings.TrimPrefix(page, rolebroker.AccessRequestPage))
	if shown := reader.get(agent).Body.String(); strings.Contains(shown, page+"/end") || !strings.Contains(shown, page) {
		t.Error("a reader is offered to end a grant, or does not see it")
	}
	reader.shows("/sessions?request="+strings.TrimPrefix(page, rolebroker.AccessRequestPage), "No session matches")
	reader.shows("/sessions?request=nothing", "The request must be the ID of an access request")
	approver.answers(approver.post(page+"/end"), http.StatusSeeOther)
	if strings.Contains(approver.get(agent).Body.String(), "What it asked for") {
		t.Error("an ended grant is shown as one that lasts")
	}
}

// A person who owns an agent approves its requests neither as themselves nor with a key of theirs; that of another
// person does.
func TestAPersonsKeysAreThePerson(t *testing.T) {
	a := newAsker(t)
	page := a.asks("")
	for _, email := range []string{"ada@example.com", "alan@example.com"} {
		user := &rolebroker.User{ID: rolebroker.NewUserID(), Issuer: "https://login", Subject: email, Email: email,
			Salt: []byte(email), CreatedAt: a.now, Access: rolebroker.KeyAdmin}
		if err := a.store.PutUser(t.Context(), user, nil); err != nil {
			t.Fatal(err)
		}
	}
	key := func(name, owner string) *browser {
		_, secret, err := a.broker.CreateAPIKey(t.Context(), root, broker.APIKeySpec{Name: name, Owner: owner,
			Access: rolebroker.KeyApprover})
		if err != nil {
			t.Fatal(err)
		}
		return a.as(secret.Reveal())
	}
	agent, err := a.broker.Agent(t.Context(), root, string(a.agent.ID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.broker.UpdateAgent(t.Context(), root, agent.Name, broker.AgentSpec{Name: agent.Name,
		Owner: "ada@example.com"}, agent.Version); err != nil {
		t.Fatal(err)
	}
	hers, his := key("hers", "ada@example.com"), key("his", "alan@example.com")
	hers.answers(hers.post(page+"/approve", "duration", "10m"), http.StatusForbidden, "owns agent")
	his.answers(his.post(page+"/approve", "duration", "10m"), http.StatusSeeOther)
}

// A reader sees requests and decides none. The owner of the agent can only break the glass, with a reason.
func TestWhoMayDecideOnAPage(t *testing.T) {
	a := newAsker(t)
	page := a.asks("")
	reader, owner := a.as(a.reader), a.as(a.admin)
	id := strings.TrimPrefix(page, rolebroker.AccessRequestPage)
	if shown := reader.get(page).Body.String(); strings.Contains(shown, "/approve") || strings.Contains(shown, "/deny") {
		t.Errorf("a reader is offered to decide:\n%s", shown)
	}
	for _, decision := range []string{"/approve", "/deny", "/end"} {
		reader.answers(reader.post(page+decision, "duration", "10m", "reason", "no"), http.StatusForbidden)
		reader.answers(reader.get(page+decision), http.StatusNotFound)
	}
	owner.shows(page, "You own this agent", "Break the Glass and Approve",
		`<a href="/settings?access=approver&amp;request=`+id+`#keys">make one for an approver</a>`)
	owner.shows("/settings?access=approver&request="+id, `<input type="hidden" name="request" value="`+id+`">`)
	made := owner.post("/settings/keys", "name", "dana", "access", "approver", "request", id)
	owner.shows(made.Header().Get("Location"), "Give it to the person who approves", "/access-requests</pre>",
		`href="/access-requests/`+id+`">I have it, back to the request`)
	owner.lacks("/settings?access=approver&request=../agents", `name="request"`)
	owner.answers(owner.post(page+"/approve", "duration", "10m"), http.StatusForbidden, "owns agent")
	owner.answers(owner.post(page+"/approve", "duration", "10m", "break_glass", "yes"), http.StatusUnprocessableEntity,
		"required to break the glass")
	reader.shows(page, "pending")
	owner.answers(owner.post(page+"/approve", "duration", "10m", "break_glass", "yes", "note", "the site is down"),
		http.StatusSeeOther)
	reader.shows(page, "who owns the agent and broke the glass", "the site is down")

	// Everybody is told for a day. What another person approved is no news.
	ordinary := a.asks("ordinary")
	approver := a.as(a.key("approver", rolebroker.KeyApprover))
	approver.answers(approver.post(ordinary+"/approve", "duration", "10m", "note", "as always"), http.StatusSeeOther)
	shown := reader.get("/access-requests").Body.String()
	if strings.Count(shown, "broke the glass") != 1 || strings.Contains(shown, ordinary+`"`) ||
		strings.Contains(shown, "as always") {
		t.Errorf("an ordinary approval is among those that broke the glass:\n%s", shown)
	}
	reader.shows("/access-requests", "broke the glass", `href="`+page+`"`, "the site is down")
	reader.shows("/", "The glass was broken", `href="`+page+`"`, "the site is down")
	a.now = a.now.Add(25 * time.Hour)
	if strings.Contains(reader.get("/access-requests").Body.String(), "broke the glass") {
		t.Error("it is still news after a day")
	}
	(&browser{site: a.site}).answers((&browser{site: a.site}).get(page), http.StatusUnauthorized)
}
