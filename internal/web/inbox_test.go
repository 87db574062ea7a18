package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// inbox is a site whose agents have asked people for access, over some days. Its approver dana owns none of them.
type inbox struct {
	*site
	dana   string                // her API key
	tokens map[string]agentToken // of the agents, by their names
	// pages are the addresses of the pages of requests: call, borrow, approved, denied, expired, ended, withdrawn, gone.
	pages map[string]string
}

// agentToken is an agent with its token.
type agentToken struct {
	agent rolebroker.AgentID
	token rolebroker.TokenID
}

func (a agentToken) caller() rolebroker.Caller {
	return rolebroker.Caller{Agent: a.agent, Token: a.token, Address: "10.20.0.7"}
}

// newInbox makes one. Its clock stands still.
func newInbox(t testing.TB) *inbox {
	t.Helper()
	in := &inbox{site: newSite(t, true), tokens: map[string]agentToken{}, pages: map[string]string{}}
	now := in.now
	in.now = now.Add(-72 * time.Hour)
	in.dana = in.key("dana", rolebroker.KeyApprover)
	made, err := in.broker.CreateIntegration(t.Context(), root, rolebroker.Integration{Name: "production", Enabled: true,
		AssumptionMode: rolebroker.ModePlatform, DefaultRole: "readonly",
		Roles: []rolebroker.Role{in.role("readonly", "ReadOnly"), in.role("deployer", "Deployer")}},
		rolebroker.ValidateSkip.Saving())
	in.must(err)
	in.agent("scout", broker.Limits{Approval: rolebroker.ApprovalWrite, Keys: rolebroker.KeysWithheld})
	in.agent("deployer", broker.Limits{Approval: rolebroker.ApprovalBorrow})
	in.agent("librarian", broker.Limits{Approval: rolebroker.ApprovalBorrow, Access: rolebroker.AccessReadOnly})
	in.agent("intern", broker.Limits{Approval: rolebroker.ApprovalBorrow})
	in.agent("old", broker.Limits{Approval: rolebroker.ApprovalBorrow})
	in.pages["ended"] = in.asks("deployer", "deployer", "release-15", "Roll out release 15 of the shop", time.Hour)
	in.approves("ended")
	b := in.as(in.dana)
	b.answers(b.post(in.pages["ended"]+"/end"), http.StatusSeeOther)
	in.now = now.Add(-26 * time.Hour)
	in.pages["denied"] = in.asks("deployer", "deployer", "release-16", "Roll out release 16 of the shop", time.Hour)
	b = in.as(in.dana)
	b.answers(b.post(in.pages["denied"]+"/deny", "reason", "The shop is frozen until Monday"), http.StatusSeeOther)
	in.pages["expired"] = in.asks("librarian", "readonly", "", "Count the rows of the orders", time.Hour)

	in.now = now.Add(-20 * time.Minute)
	in.pages["withdrawn"] = in.asks("intern", "readonly", "look-around", "Look around", time.Hour)
	_, err = in.broker.CutOff(t.Context(), root, "intern", broker.CuttingOff{Reason: "Nobody knows what it does"})
	in.must(err)
	in.pages["gone"] = in.asks("old", "readonly", "", "Clean up", time.Hour)
	in.must(in.broker.DeleteAgent(t.Context(), root, "old", 0))
	in.pages["approved"] = in.asks("librarian", "readonly", "report", "Write the report of November", 2*time.Hour)
	in.approves("approved")
	in.now = now.Add(-12 * time.Minute)
	in.pages["borrow"] = in.asks("deployer", "deployer", "release-17", "Roll out release 17 of the shop, which was "+
		"tested on staging since this morning", 90*time.Minute)

	scout := in.tokens["scout"].agent
	for i, operation := range []string{"ListObjectsV2", "GetObject", "GetObject", "DeleteObject", "GetBucketAcl"} {
		call := rolebroker.Call{ID: rolebroker.NewCallID(in.now.Add(time.Duration(i) * time.Minute)), Agent: scout,
			AgentName: "scout", Integration: made.ID, IntegrationName: "production", Role: made.Roles[1].ID,
			RoleName: "deployer", Service: "s3", Operation: operation, Actions: []string{"s3:" + operation},
			Resources: []string{"arn:aws:s3:::invoices/2024/0017.pdf"}, Level: rolebroker.CallRead, Region: "eu-west-1",
			Decision: rolebroker.CallAllowed, Times: 1, Status: http.StatusOK, EndedAt: in.now}
		switch operation {
		case "DeleteObject":
			call.Decision, call.Code, call.Reason, call.Status = rolebroker.CallRefused, rolebroker.CodeApproval,
				"a person has to approve what agent scout changes", 0
		case "GetBucketAcl":
			call.Decision, call.Code, call.Reason, call.Status = rolebroker.CallRefused, rolebroker.CodeDenied,
				"the access read-only does not allow it", 0
		}
		in.must(in.store.RecordCalls(t.Context(), []rolebroker.Call{call}))
	}
	in.now = now.Add(-4 * time.Minute)
	in.pages["call"] = in.deletes("clean-up", "arn:aws:s3:::invoices/2024/0017.pdf")
	in.now = now
	return in
}

func (in *inbox) must(err error) {
	in.Helper()
	if err != nil {
		in.Fatal(err)
	}
}

// role is a role of the account.
func (in *inbox) role(name, iamName string) rolebroker.Role {
	in.Helper()
	at, err := rolebroker.ParseRoleARN(arn(iamName))
	in.must(err)
	return rolebroker.Role{Name: name, ARN: at, Region: "eu-west-1", Enabled: true}
}

// agent makes an agent that is connected to production, with a token.
func (in *inbox) agent(name string, limits broker.Limits) {
	in.Helper()
	agent, err := in.broker.CreateAgent(in.Context(), root, broker.AgentSpec{Name: name})
	in.must(err)
	_, err = in.broker.Connect(in.Context(), root, name, "production", &limits, 0)
	in.must(err)
	token, _, err := in.broker.CreateToken(in.Context(), root, name, broker.TokenSpec{})
	in.must(err)
	in.tokens[name] = agentToken{agent.ID, token.ID}
}

// asks makes an access request to borrow a role, and returns the address of its page.
func (in *inbox) asks(agent, role, task, reason string, duration time.Duration) string {
	in.Helper()
	req, err := in.broker.RequestAccess(in.Context(), in.tokens[agent].caller(), broker.AccessRequestSpec{
		Role: "production/" + role, Task: task, Reason: reason, Duration: duration})
	in.must(err)
	return rolebroker.AccessRequestPage + string(req.ID)
}

// deletes has the agent scout send a call that deletes objects, and returns the address of the page of its request.
func (in *inbox) deletes(task string, resources ...string) string {
	in.Helper()
	_, req, err := in.broker.MayCall(in.Context(), in.tokens["scout"].caller(),
		rolebroker.Request{Role: "production/deployer", Task: task, Signing: true},
		&rolebroker.AskedCall{Service: "s3", Operation: "DeleteObject", Region: "eu-west-1",
			Actions: []string{"s3:DeleteObject"}, Resources: resources, Level: rolebroker.CallWrite}, 0)
	if req == nil {
		in.Fatalf("the call does not wait: %v", err)
	}
	return rolebroker.AccessRequestPage + string(req.ID)
}

// approves approves a request as dana.
func (in *inbox) approves(name string) {
	in.Helper()
	b := in.as(in.dana)
	b.answers(b.post(in.pages[name]+"/approve", "duration", "1h", "note", "As agreed"), http.StatusSeeOther)
}

// visitor is a person with an API key in a browser.
func (s *site) visitor(key string) *person {
	s.Helper()
	front := httptest.NewServer(s.handler)
	s.Cleanup(front.Close)
	p := somebody(s.TB, &testbed.Testbed{URL: front.URL})
	p.signsInWith(front.URL, key)
	return p
}

// scenes are the pages of an approver.
func (in *inbox) scenes() (all []scene) {
	open := func(name, path string, sees ...string) {
		all = append(all, scene{"approver-" + name, func(p *person) { p.opens(path); p.sees(sees...) }})
	}
	open("inbox", "/access-requests", "scout wants to", "deployer wants to")
	open("inbox-all", "/access-requests?state=all", "denied", "ended", "expired")
	open("inbox-none", "/access-requests?agent=nobody", "No request matches")
	for _, state := range []string{"call", "borrow", "approved", "denied", "expired", "ended", "withdrawn", "gone"} {
		open("request-"+state, in.pages[state])
	}
	all = append(all, scene{"approver-request-change", func(p *person) {
		p.opens(in.pages["call"])
		p.presses("Change what is approved")
		p.sees("At most 1h")
	}}, scene{"approver-request-deny", func(p *person) {
		p.opens(in.pages["borrow"])
		p.presses("Deny")
		p.presses("Deny Request")
		p.findsFault("Reason, which the agent sees", "Is required")
	}})
	return all
}

// onAPhone makes the window as large as that of a phone.
func (p *person) onAPhone() {
	p.Helper()
	p.does("taking a phone", chromedp.EmulateViewport(360, 740))
}

// request reads the request of a page.
func (in *inbox) request(name string) *rolebroker.AccessRequest {
	in.Helper()
	id := strings.TrimPrefix(in.pages[name], rolebroker.AccessRequestPage)
	req, err := in.broker.AccessRequest(in.Context(), root, rolebroker.AccessRequestID(id))
	in.must(err)
	return req
}

// An approver decides on a phone: two taps from the inbox approve, and a reason denies. The buttons are large, and in
// view all the time.
func TestAnApproverDecidesOnAPhone(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.dana)
	p.onAPhone()
	p.opens("/access-requests")
	p.arrives("Inbox")
	p.presses("scout wants to delete")
	p.arrives("scout wants to delete the object “2024/0017.pdf” in the bucket “invoices” " +
		"with production/deployer, for 1 hour")
	p.sees("s3:DeleteObject on arn:aws:s3:::invoices/2024/0017.pdf", "What is unusual",
		"Of its last 5 calls, 1 was refused")
	p.eventually("the buttons are in view, and large", `['Deny', 'Approve'].every((name) => {
		const r = button('.decide', name).getBoundingClientRect();
		return r.height >= 44 && r.top > 0 && r.bottom <= innerHeight && r.right <= innerWidth })`)
	p.presses("Approve")
	p.sees("Approved. The grant began now.", "Approved by dana",
		"s3:DeleteObject on arn:aws:s3:::invoices/2024/0017.pdf, for 1 hour")
	p.cannotPress("Approve")
	p.cannotPress("Deny")
	if req := in.request("call"); req.DecidedBy != "dana" || len(req.Narrowed.Actions) != 1 ||
		len(req.Narrowed.Resources) != 1 || req.Granted != time.Hour {
		t.Errorf("it is %+v", req)
	}

	p.opens(in.pages["borrow"])
	p.presses("Deny")
	p.eventually("the reason has the focus", "document.activeElement.id === 'reason'")
	p.cannotPress("Approve")
	p.presses("Deny Request")
	p.findsFault("Reason, which the agent sees", "Is required")
	p.fills("Reason, which the agent sees", "Not before Monday")
	p.presses("Deny Request")
	p.sees("Denied. The agent sees the reason.", "Denied by dana", "Not before Monday", "from 127.0.0.1")
	if req := in.request("borrow"); req.Decision != rolebroker.DecisionDenied || req.Note != "Not before Monday" {
		t.Errorf("it is %+v", req)
	}
}

// An approver changes what is approved: for a shorter time, and for all changes of the task.
func TestAnApproverChangesWhatIsApproved(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.dana)
	p.onAPhone()
	p.opens(in.pages["call"])
	p.seesNot("At most 1h")
	p.presses("Change what is approved")
	p.fills("For", "2h")
	p.findsTicked("Only what this call does", true)
	p.ticks("Every change that production/deployer allows, for the task clean-up")
	p.presses("Approve")
	p.findsFault("For", "longer than the 1h")
	p.eventually("what is wrong is in view", `(({ top, bottom }) => top > 0 && bottom < innerHeight)(
		document.querySelector('#not-decided a[href="#duration"]').getBoundingClientRect())`)
	p.findsTicked("Every change that production/deployer allows, for the task clean-up", true)
	p.fills("For", "10 minutes")
	p.presses("Approve")
	p.sees("Approved by dana", "every change that production/deployer allows, for 10 minutes")
	if req := in.request("call"); !req.Narrowed.IsZero() {
		t.Errorf("it is narrowed to %+v", req.Narrowed)
	}
}

// What an approval permits follows the choice, as it is made. A link makes no choice.
func TestWhatAnApprovalPermitsFollowsTheChoice(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.dana)
	says := func(text string) {
		t.Helper()
		p.in("[aria-labelledby=permits-title]").sees(text)
	}
	p.opens(in.pages["call"] + "?only=task&duration=5m")
	says("for 1 hour, as often as")
	p.presses("Change what is approved")
	p.fills("For", "10 minutes")
	says("for 10 minutes, as often as")
	p.ticks("Every change that production/deployer allows, for the task clean-up")
	says("make every change that production/deployer allows")
	says("for 10 minutes.")
	p.opens(in.pages["borrow"])
	p.presses("Change what is approved")
	p.chooses("Access", "view-only: The agent may list what is there, as AWS’s ViewOnlyAccess does, and read hardly any data.")
	says("list what is there with")
}

// The buttons at the foot of a phone hide nothing: neither what has the focus, nor the end of the page.
func TestTheDecisionHidesNothing(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.dana)
	p.onAPhone()
	p.opens(in.pages["call"])
	p.eventually("the decision is there", "ready() && !!button('.decide', 'Approve')")
	// Each link below is put behind the buttons, and then Tab leads to it.
	links := find[int](p, "counting the links", `(window.links = [...document.querySelectorAll('.evidence a')]).length`)
	if links < 3 {
		t.Fatalf("there are only %d links", links)
	}
	for i := 1; i < links; i++ {
		p.eventually("a link is behind the buttons", fmt.Sprintf(`links[%d].focus({preventScroll: true}),
			scrollBy({top: links[%d].getBoundingClientRect().bottom - innerHeight + 20, behavior: 'instant'}), true`, i-1, i))
		p.keys(kb.Tab)
		p.eventually("it has the focus, and is in view", fmt.Sprintf(`document.activeElement === links[%d] &&
			links[%[1]d].getBoundingClientRect().bottom <= document.querySelector('.decide').getBoundingClientRect().top`, i))
	}
	p.eventually("the end of the page is in view", `scrollTo(0, document.scrollingElement.scrollHeight),
		[...document.querySelectorAll('.evidence > *')].pop().getBoundingClientRect().bottom <=
		document.querySelector('.decide').getBoundingClientRect().top`)
}

// Approvers decide without scripts too. Who is too late changes nothing, and reads who decided.
func TestDecidingWithoutScripts(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.dana)
	p.withoutScripts()
	p.onAPhone()
	p.opens("/access-requests")
	p.chooses("State", "all")
	p.fills("Agent", "deployer")
	p.presses("Show")
	p.arrives("Inbox")
	p.in("#rows").sees("denied", "pending")
	p.in("#rows").seesNot("scout")
	p.presses("deployer wants to")
	p.sees("for 1 hour 30 minutes")
	p.presses("Deny")
	p.fills("Reason, which the agent sees", "Not before Monday")
	p.presses("Deny Request")
	p.sees("Denied by dana", "Not before Monday")

	for _, button := range []string{"Approve", "Deny Request"} {
		in.pages["late"] = in.deletes("late-"+button[:4], "arn:aws:s3:::invoices/*")
		p.opens(in.pages["late"])
		p.sees("wants to delete objects in the bucket “invoices”")
		other := in.as(in.key("erin-"+button[:4], rolebroker.KeyApprover))
		other.answers(other.post(in.pages["late"]+"/deny", "reason", "I know why"), http.StatusSeeOther)
		if button != "Approve" {
			p.presses("Deny")
			p.fills("Reason, which the agent sees", "Mine")
		}
		p.presses(button)
		p.sees("Your decision changed nothing.", "Denied by erin", "I know why")
		p.cannotPress("Approve")
		p.cannotPress("Deny")
		if req := in.request("late"); req.Decision != rolebroker.DecisionDenied || req.Note != "I know why" {
			t.Errorf("it is %+v", req)
		}
	}
}

// A page in which somebody else's decision arrives shows it, and has no buttons any more.
func TestAnotherTabSeesTheDecision(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	first := in.visitor(in.dana)
	second := first.another()
	second.opens(in.pages["borrow"])
	second.presses("Deny")
	second.fills("Reason, which the agent sees", "Half of a sen")
	first.opens(in.pages["borrow"])
	first.presses("Approve")
	first.sees("Approved by dana")
	second.sees("Approved by dana", "deployer asked to do everything")
	second.eventually("the buttons are gone", "!button('body', 'Approve') && !button('body', 'Deny Request')")
}

// An approver is offered no administration: every form of every page of the navigation is one that works.
func TestAnApproverIsOfferedNoAdministration(t *testing.T) {
	in := newInbox(t)
	made, err := in.broker.Integration(t.Context(), root, "production")
	in.must(err)
	paths := []string{"/", "/access-requests?state=all", "/approval-rules", "/integrations", "/agents", "/sessions",
		"/calls", "/audit", "/runners", "/settings", "/integrations/" + string(made.ID),
		"/agents/" + string(in.tokens["scout"].agent), "/agents/" + string(in.tokens["librarian"].agent)}
	for _, page := range in.pages {
		paths = append(paths, page)
	}
	posts := regexp.MustCompile(`method="post" action="([^"]*)"`)
	harmless := []string{"/sign-out", "/times", "/rows"} // how pages look is everybody's own
	approver, reader := in.as(in.dana), in.as(in.reader)
	offered := 0
	for _, path := range paths {
		for _, found := range posts.FindAllStringSubmatch(approver.get(path).Body.String(), -1) {
			action := found[1]
			switch {
			case slices.Contains(harmless, action):
			case strings.HasPrefix(action, rolebroker.AccessRequestPage):
				offered++
			default:
				t.Errorf("%s offers an approver to post to %s", path, action)
			}
		}
		for _, found := range posts.FindAllStringSubmatch(reader.get(path).Body.String(), -1) {
			if !slices.Contains(harmless, found[1]) {
				t.Errorf("%s offers a reader to post to %s", path, found[1])
			}
		}
	}
	if offered == 0 {
		t.Error("an approver is offered nothing")
	}
}

// The page of a request says what became of it: who did what, when and from where.
func TestThePageOfADecidedRequest(t *testing.T) {
	in := newInbox(t)
	reader := in.as(in.reader)
	ended := reader.get(in.pages["ended"]).Body.String()
	if n := strings.Count(ended, "by dana, from 192.0.2.1</dd>"); n != 2 {
		t.Errorf("the page says %d times from where dana approved and ended it, want 2", n)
	}
	in.as(in.dana).lacks(in.pages["gone"], "/approve", "/deny")
	for name, texts := range map[string][]string{
		"call":   {"scout wants to", "The agent gave no reason", "An API key with the access admin or approver"},
		"borrow": {"dana denied its last request", "for 1 hour 30 minutes", "tested on staging"},
		"approved": {"librarian asked to read", "Approved by dana", "to read with production/readonly, and change nothing, for 1 hour",
			"As agreed", "from 192.0.2.1"},
		"denied":    {"Denied by dana", "The shop is frozen until Monday", "26 hours ago", "from 192.0.2.1"},
		"expired":   {"Nobody decided in time", "The agent can ask again."},
		"ended":     {"Ended by dana", "3 days ago", "As agreed"},
		"withdrawn": {"Ended by root, who cut the agent off, before anybody decided"},
		"gone":      {"Ended by root before anybody decided"},
	} {
		reader.shows(in.pages[name], texts...)
		if state := in.request(name).State(in.now); state != rolebroker.RequestPending {
			reader.lacks(in.pages[name], "What is unusual", "If it is approved", "wants to")
		}
	}
}

// What waits begins with what expires first, in the inbox and on the overview; everything else with the newest.
func TestTheInboxBeginsWithWhatExpiresFirst(t *testing.T) {
	in := newInbox(t)
	b := in.as(in.dana)
	for path, first := range map[string]string{"/access-requests": "borrow", "/": "borrow",
		"/access-requests?state=all": "call"} {
		body := b.get(path).Body.String()
		address := `href="` + in.pages[first] + `"`
		if at := strings.Index(body, `href="`+rolebroker.AccessRequestPage); at < 0 ||
			!strings.HasPrefix(body[at:], address) {
			t.Errorf("%s does not begin with %s", path, first)
		}
	}
}

// Many requests that wait are on pages, each of which is small.
func TestAFullInbox(t *testing.T) {
	in := newInbox(t)
	for i := range 20 {
		name := fmt.Sprintf("worker-%02d", i)
		in.agent(name, broker.Limits{Approval: rolebroker.ApprovalBorrow})
		for j := range 10 {
			in.asks(name, "deployer", fmt.Sprintf("task-%02d", j), strings.Repeat("Roll out the release. ", 22), time.Hour)
		}
	}
	b := in.as(in.dana)
	requests, last := 0, ""
	next := regexp.MustCompile(`href="(/access-requests\?after=[^"]*)">Next`)
	for path := "/access-requests"; path != ""; {
		body := b.get(path).Body.String()
		if len(body) > maxPage {
			t.Errorf("GET %s has %d bytes, more than %d", path, len(body), maxPage)
		}
		t.Logf("%d bytes", len(body))
		requests += strings.Count(body, `id="request-`)
		found := next.FindStringSubmatch(body)
		if path, last = "", path; found != nil {
			path = html.UnescapeString(found[1])
		}
		if path == last {
			t.Fatalf("the page after %s is the same", path)
		}
	}
	if requests != 202 {
		t.Errorf("the pages have %d requests, want 202", requests)
	}
	if one := strings.Count(b.get("/access-requests?agent=worker-07").Body.String(), `id="request-`); one != 10 {
		t.Errorf("an agent has %d requests, want 10", one)
	}
	if n := b.get(in.pages["call"]).Body.Len(); n > maxPage {
		t.Errorf("the page of a request has %d bytes", n)
	}
}
