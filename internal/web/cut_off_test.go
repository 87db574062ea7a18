package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// A button cuts an agent off; its page then says why, and how its keys are ended in AWS. Readers cannot.
func TestAPageCutsAnAgentOff(t *testing.T) {
	s := newSite(t, true)
	ctx := context.Background()
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	page := "/agents/" + string(agent.ID)
	reader := s.as(s.reader)
	reader.answers(reader.post(page+"/cut-off", "reason", "no"), http.StatusForbidden)
	b := s.as(s.admin)
	b.answers(b.get(page+"/cut-off"), http.StatusNotFound, "was not cut off")
	b.shows(page, "Cut Off Agent")
	b.answers(b.post(page+"/cut-off", "reason", "leaked <keys>"), http.StatusSeeOther)
	b.shows(page, "leaked &lt;keys&gt;", "rolebroker agent cut-off scout --print", "never the old ones", "cut off",
		"It is cut off. It gets no roles until an administrator enables it")
	b.shows(page+"/cut-off", "leaked &lt;keys&gt;", "No keys of it are known to work in AWS", "by admin")
	s.now = s.now.Add(time.Second)
	b.answers(b.post(page+"/cut-off"), http.StatusSeeOther) // once more, and the reason is still that of the first time
	b.shows(page+"/cut-off", "leaked &lt;keys&gt;", "this time; it is cut off since")
	if now, err := s.broker.Agent(ctx, root, "scout"); err != nil || !now.Disabled || !now.CutOff.IsSet() {
		t.Errorf("the agent is %+v, %v; want it cut off", now, err)
	}
	b.answers(b.post(page+"/enable"), http.StatusSeeOther)
	b.shows(page, "Cut Off Agent")
}

// lends records a live session of an agent for a role, as lending does.
func (s *site) lends(agent *rolebroker.Agent, in *rolebroker.Integration, role string) *rolebroker.Session {
	s.Helper()
	return s.lendsWith(agent, in, role, rolebroker.KeysLent)
}

// lendsWith is lends for a session whose keys the agent was handed, or not.
func (s *site) lendsWith(
	agent *rolebroker.Agent, in *rolebroker.Integration, role string, keys rolebroker.Keys,
) *rolebroker.Session {
	s.Helper()
	r := in.Role(role)
	session := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive, Agent: agent.ID,
		AgentName: agent.Name, Integration: in.ID, IntegrationName: in.Name, Role: r.ID, RoleName: r.Name, ARN: r.ARN,
		Region: r.Region, SessionName: agent.Name, RequestedAt: s.now, ExpiresAt: s.now.Add(time.Hour),
		AccessKeyID: "ASIAEXAMPLE", Keys: keys}
	if err := s.store.RecordSession(context.Background(), session, session.BeginEvent(s.now)); err != nil {
		s.Fatal(err)
	}
	return session
}

// lacks fails the test for each text that a page has.
func (b *browser) lacks(page string, texts ...string) {
	b.Helper()
	shown := b.get(page).Body.String()
	for _, text := range texts {
		if strings.Contains(shown, text) {
			b.Errorf("%s has %q", page, text)
		}
	}
}

// The page of a cut-off says that keys that were withheld never left the server, and has commands only for sessions
// whose keys were lent, or whose record does not say.
func TestThePageOfACutOffWithWithheldKeys(t *testing.T) {
	a := newAsker(t)
	in, err := a.broker.Integration(context.Background(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	b := a.as(a.admin)
	page := "/agents/" + string(a.agent.ID) + "/cut-off"
	withheld := a.lendsWith(a.agent, in, "readonly", rolebroker.KeysWithheld)
	b.shows("/sessions/"+string(withheld.ID), "withheld: none left rolebroker")
	b.answers(b.post(page), http.StatusSeeOther)
	b.shows(page, "No AWS keys left rolebroker.", "nothing is left to do in AWS",
		"No AWS key of 1 session left rolebroker", "What AWS gave the agent through the gateway stays with it")
	b.lacks(page, "put-role-policy", "The keys still work in AWS", "that were lent before",
		"Have the server end the keys")

	a.now = a.now.Add(time.Second)
	unknown := a.lendsWith(a.agent, in, "readonly", "")
	a.lendsWith(a.agent, in, "readonly", rolebroker.KeysLent)
	b.shows("/sessions/"+string(unknown.ID), "<dt>Keys</dt><dd>not on record</dd>")
	a.now = a.now.Add(time.Second)
	b.answers(b.post(page), http.StatusSeeOther)
	b.shows(page, "The keys still work in AWS", "2 sessions</a>", "Keys of 2 sessions that were lent before",
		"put-role-policy", "No AWS key of 1 session left rolebroker")

	// A token that a session signed may still work, so its role needs the policy.
	signing := a.lendsWith(a.agent, in, "readonly", rolebroker.KeysWithheld)
	call := rolebroker.Call{ID: rolebroker.NewCallID(a.now), Agent: a.agent.ID, Session: signing.ID,
		Decision: rolebroker.CallAllowed, ValidUntil: a.now.Add(15 * time.Minute)}
	if err := a.store.RecordCalls(context.Background(), []rolebroker.Call{call}); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.Add(time.Second)
	b.answers(b.post(page), http.StatusSeeOther)
	b.shows(page, "Keys of 3 sessions that were lent before, or tokens and URLs that "+
		"were signed with them, work in AWS", "No AWS key of 1 session left rolebroker")

	ended := "/sessions/" + string(withheld.ID) + "/end"
	b.answers(b.post(ended), http.StatusSeeOther)
	b.shows("/sessions/"+string(withheld.ID)+"/cut-off", "No AWS keys left rolebroker.")
	b.lacks("/sessions/"+string(withheld.ID)+"/cut-off", "put-role-policy")
}

// The page of a cut-off says what is left to do, to readers too, and offers them no form. It stays until the keys have
// expired, also when the agent is enabled. Who enables it learns why the policies stay.
func TestThePageOfACutOff(t *testing.T) {
	a := newAsker(t)
	ctx := context.Background()
	in, err := a.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	a.lends(a.agent, in, "readonly")
	admin, reader := a.as(a.admin), a.as(a.reader)
	approver := a.as(a.key("approver", rolebroker.KeyApprover))
	agent := "/agents/" + string(a.agent.ID)
	page := agent + "/cut-off"
	admin.shows(agent, "only production/readonly")
	answer := admin.post(page, "reason", "leaked")
	if to := answer.Header().Get("Location"); to != page+"?done=cut-off" {
		t.Fatalf("it leads to %q", to)
	}
	for _, b := range []*browser{admin, reader, approver} {
		b.shows(page, "The keys still work in AWS, unless somebody has run the commands for 1 role",
			"This page does not see that you ran them", "1 session", "production/readonly",
			"aws iam put-role-policy --role-name ReadOnly --policy-name rolebroker-cut-off-scout",
			"# With credentials of account",
			"&#34;aws:TokenIssueTime&#34;", "aws iam delete-role-policy", "What the agent made or started in AWS goes on")
		b.shows(agent, page, "End its keys in AWS")
	}
	form := `<form class="row above" method="post" action="` + page
	admin.shows(page, form, "rolebroker integration setup production --with-cut-off", "Deny policies stay on the roles")
	for _, b := range []*browser{reader, approver} {
		b.lacks(page, `action="`+page, agent+"/enable")
		b.answers(b.post(page, "apply", "yes"), http.StatusForbidden)
	}
	// This server has no way to AWS. The outcome says so for each role, and how to try again.
	a.now = a.now.Add(time.Minute)
	admin.answers(admin.post(page, "apply", "yes", "reason", "leaked"), http.StatusSeeOther)
	admin.shows(page, "The server put the deny policy on 0 of 1 role", "not permitted", "This server changes no policies", form,
		"leaked", "this time; it is cut off since")

	// A link shows what was done, whoever opens it; nothing is done again.
	admin.answers(admin.post(agent+"/enable"), http.StatusSeeOther)
	admin.shows(page, "enabled since", "is lent to again since, with new keys", "put-role-policy")
	admin.lacks(page, form, "Remove Policies")
	admin.shows(agent, "What is left of that", page)
	a.now = a.now.Add(2 * time.Hour)
	admin.shows(page, "All keys that it was lent have expired", "There is no command left to run")
	admin.lacks(agent, "What is left of that")
}

// One role can be taken, and the page is that of the role.
func TestAPageCutsAnAgentOffFromARole(t *testing.T) {
	a := newAsker(t)
	ctx := context.Background()
	in, err := a.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	role := string(in.Role("readonly").ID)
	admin := a.as(a.admin)
	agent := "/agents/" + string(a.agent.ID)
	answer := admin.post(agent+"/cut-off", "role", role)
	to := answer.Header().Get("Location")
	if to != agent+"/cut-off?done=cut-off-role&role="+role {
		t.Fatalf("it leads to %q", to)
	}
	admin.shows(to, "Cut off from the role", "production/readonly is not lent to scout any more",
		"It keeps its other roles")
	now, err := a.broker.Agent(ctx, root, "scout")
	if err != nil || now.Disabled || now.Connections[0].Includes(in.Role("readonly").ID) {
		t.Errorf("the agent is %+v, %v", now, err)
	}
	admin.answers(admin.post(agent+"/cut-off", "role", "nothing"), http.StatusNotFound)
}

// A runner may have lent roles without having reported that yet. The page says so, and offers commands only: the server
// has no permission where a runner assumes the roles.
func TestThePageOfACutOffFromARunnersRoles(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	eks := b.runner("eks", "")
	b.answers(b.saves("/integrations/new/aws", "name", "edge", "mode", "cluster", "runner", string(eks.ID),
		"external_id", b.begin()), http.StatusSeeOther)
	b.answers(b.post("/agents/new", "name", "scout"), http.StatusSeeOther)
	ctx := context.Background()
	agent, err := s.broker.Connect(ctx, root, "scout", "edge", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	page := "/agents/" + string(agent.ID) + "/cut-off"
	b.answers(b.post(page, "apply", "yes"), http.StatusSeeOther)
	b.shows(page, "No keys of it are known that work in AWS", "A runner may have lent 1 role", "by runner eks",
		"which may report more", "aws iam put-role-policy", "not permitted")
	b.lacks(page, "Have the server end the keys")
}

// Ending a session leads to a page with the policy for it, which the server can apply.
func TestThePageOfAnEndedSession(t *testing.T) {
	a := newAsker(t)
	in, err := a.broker.Integration(context.Background(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	session := a.lends(a.agent, in, "readonly")
	admin, reader := a.as(a.admin), a.as(a.reader)
	page := "/sessions/" + string(session.ID) + "/cut-off"
	reader.answers(reader.get(page), http.StatusConflict, "was not ended")
	admin.answers(admin.post("/sessions/"+string(session.ID)+"/end"), http.StatusSeeOther)
	for _, b := range []*browser{admin, reader} {
		b.shows(page, "Session of scout ended", "rolebroker-cut-off-"+string(session.ID), "DateGreaterThanEquals",
			"Nobody gets its credentials any more", "put-role-policy")
		b.shows("/sessions", `href="`+page+`"`)
	}
	reader.lacks(page, `<form class="row`)
	admin.answers(admin.post("/sessions/"+string(session.ID)+"/end", "apply", "yes"), http.StatusSeeOther)
	admin.shows(page, "The server put the deny policy on 0 of 1 role", "not permitted")
}

// A person cuts an agent off and has the server end its keys, with the keyboard alone, and without scripts.
func TestCuttingOffByKeyboardWithoutScripts(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	furnisher{t, tb}.cutOffRole("production")
	lent, err := tb.Client(tb.Scout).Credentials(t.Context(), "readonly", "")
	if err != nil {
		t.Fatal(err)
	}
	p := admin(t, tb)
	p.withoutScripts()
	p.opens("/agents/scout")
	p.tabsTo("Cut Off")
	p.keys("\r")
	p.types("Reason (optional)", "Leaked")
	p.tabsTo("Cut Off Agent")
	p.keys("\r")
	p.arrives("Cut-off of scout cut off")
	p.sees("The keys still work in AWS", "aws iam put-role-policy --role-name ReadOnly")
	p.tabsTo("Apply")
	p.keys("\r")
	p.sees("AWS refuses the keys: the deny policy is on 1 role.")
	role, _ := tb.AWS.Account(account).Role("ReadOnly")
	if policy := role.Policies["rolebroker-cut-off-scout"]; !strings.Contains(policy, "aws:TokenIssueTime") {
		t.Errorf("the role has %q; the agent had %s", policy, lent.AccessKeyID)
	}
	p.tabsTo("Enable")
	p.keys("\r")
	p.tabsTo("Enable Agent")
	p.keys("\r")
	p.sees("It gets new keys, never those from before.", "enabled since")
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "readonly", ""); err != nil {
		t.Error(err)
	}
}
