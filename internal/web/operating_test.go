package web_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
	"github.com/rolebroker/rolebroker/internal/web"
)

// unplugs takes the network from the tab, or gives it back.
func (p *person) unplugs(gone bool) {
	p.Helper()
	all := &network.Conditions{Offline: gone, DownloadThroughput: -1, UploadThroughput: -1}
	p.does("unplugging", command(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{all}}))
}

// A search and a page that brings itself up to date say when the network is gone, and when it is there again.
func TestWhenTheNetworkIsGone(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.expects("net::ERR_INTERNET_DISCONNECTED")
	p.expects("htmx:")
	const says = "The server does not answer. What you see may be old; the page tries again."
	goes := func() {
		t.Helper()
		p.eventually("nothing is said any more", "document.querySelector('#trouble').hidden")
	}
	p.opens("/integrations")
	p.unplugs(true)
	p.fills("Search integrations", "prod")
	p.in("#trouble").sees(says, "Reload")
	p.unplugs(false)
	p.fills("Search integrations", "stag")
	p.in("#rows").sees("staging")
	goes()
	p.unplugs(true)
	p.fills("Search everything", "prod")
	p.in("#trouble").sees(says)
	p.unplugs(false)
	p.fills("Search everything", "stag")
	p.eventually("it finds something", "!!document.querySelector('#found a')")
	goes()

	p.opens("/agents/scout")
	p.unplugs(true)
	p.in("#trouble").sees(says) // without anything that somebody did
	p.unplugs(false)
	goes()
}

// What opens over a page closes by its Cancel button, by Escape and by a press outside of it. The focus stays there.
func TestWhatOpensCloses(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.opens("/agents/scout")
	const question = "Cut off scout?"
	closes := func() {
		t.Helper()
		p.eventually("it is closed", "!document.querySelector('details.confirm[open], details.menu[open]')")
		p.seesNot(question)
	}
	for _, how := range []func(){
		func() { p.in("details.confirm[open]").presses("Cancel") },
		func() { p.keys(kb.Escape) },
	} {
		p.presses("Cut Off")
		p.sees(question)
		how()
		closes()
		p.eventually("the button has the focus", "plain(document.activeElement.innerText) === 'Cut Off'")
	}
	p.presses("Cut Off")
	p.sees(question)
	p.clicks("pressing outside", "document.querySelector('h1')")
	closes()

	// One in another closes first.
	p.presses("More")
	p.presses("Disable")
	p.sees("Disable scout?")
	p.keys(kb.Escape)
	p.eventually("the question is closed", "!document.querySelector('details.confirm[open]')")
	p.eventually("the menu is open", "!!document.querySelector('details.menu[open]')")
	p.keys(kb.Escape)
	closes()
}

// Every value and every box of code has a button that copies exactly it.
func TestEveryValueIsCopied(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	for _, path := range []string{"/integrations/production/setup", "/agents/scout", "/settings"} {
		p.opens(path)
		p.eventually("everything has its button", `ready() && document.querySelectorAll('.value, .code').length > 1 &&
			[...document.querySelectorAll('.value, .code')].every(
				(e) => e.querySelectorAll('button.copy').length === 1)`)
		find[bool](p, "noting what is copied",
			`(navigator.clipboard.writeText = async (text) => { window.copied = text }, true)`)
		const which = "[...document.querySelectorAll('button.copy')].filter(shown)"
		n := find[int](p, "counting buttons", "document.querySelectorAll('button.copy').length && "+which+".length")
		for i := range min(n, 4) {
			button := fmt.Sprintf("%s[%d]", which, i)
			p.clicks("copying", button)
			p.eventually("it is copied", button+".textContent === 'Copied' && window.copied === "+
				button+".parentElement.querySelector('pre, code').textContent")
		}
	}
}

// A file with roles is added like what is pasted, with and without scripts.
func TestUploadingAList(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "roles.csv")
	list := "name,arn,region\nreadonly," + arn("ReadOnly") + ",us-east-1\n," + arn("Deployer") + ",eu-west-1\n"
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts: %t", scripts), func(t *testing.T) {
			t.Parallel()
			p := admin(t, empty(t))
			if !scripts {
				p.withoutScripts()
			}
			p.begins("payments")
			p.presses("Add several")
			p.does("choosing a file", chromedp.SetUploadFiles("#several-file", []string{file}))
			if !scripts {
				p.presses("Add Roles")
			}
			p.sees("Added 2 roles.")
			p.role(1).sees("Deployer", "eu-west-1")
			p.presses("Create Integration")
			p.arrives("payments")
		})
	}
}

// fits fails the test if the page is wider than the window, at any width.
func (p *person) fits(name string) {
	p.Helper()
	for _, width := range []int64{360, 1280, 1920} {
		p.turns("light", width)
		if got := find[int64](p, "the width", "document.scrollingElement.scrollWidth"); got > width {
			p.Errorf("%s: at %d pixels it is %d wide: %s", name, width, got, find[[]string](p, "what is wide",
				fmt.Sprintf("[...document.querySelectorAll('main *')].filter((e) => !e.children.length && shown(e) && "+
					"e.getBoundingClientRect().right > %d && !e.closest('pre')).slice(0, 3).map((e) => "+
					"(e.parentElement.className || e.parentElement.tagName) + ' ' + e.outerHTML.slice(0, 60))", width)))
		}
	}
	p.turns("light", 1280)
}

// An operator works with 300 roles, 500 integrations and 200 agents: finds, narrows, sorts, and changes many roles at
// once. Every result is in view, the pages fit a phone, and use a wide window.
func TestOperatingACrowd(t *testing.T) {
	t.Parallel()
	p := admin(t, crowded(t))
	inView := func(what, selector string) {
		t.Helper()
		p.eventually(what+" is in view", `(() => {
			const r = document.querySelector(`+quoted(selector)+`)?.getBoundingClientRect();
			return r && r.height > 0 && r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 &&
				r.right <= innerWidth })()`)
	}
	rows := func(n int) {
		t.Helper()
		p.eventually(fmt.Sprint(n, " rows"),
			fmt.Sprintf("document.querySelectorAll('#rows tbody tr').length === %d", n))
	}

	// Lists of 500 integrations and 200 agents.
	p.opens("/integrations")
	rows(50)
	p.presses("Compact")
	rows(100)
	p.presses("Sort by Agents")
	p.eventually("that with an agent is first", "document.querySelector('tbody th a').textContent !== 'team-499'")
	p.fills("Search integrations", "role/teams/Role-299")
	rows(1)
	p.sees("production")
	p.fits("integrations")
	p.opens("/agents")
	p.fills("Search agents", "worker-19")
	rows(10)
	p.presses("Comfortable")
	p.fits("agents")

	// 300 roles of one integration.
	in, err := p.tb.Admin.Integration(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	p.opens("/integrations/" + in.ID)
	p.eventually("all roles are there", "ready() && document.querySelectorAll('[data-role]').length === 300")
	if high := find[float64](p, "the height", "document.querySelector('.lines').scrollHeight/300"); high > 70 {
		t.Errorf("a role is %.0f pixels high", high)
	}
	p.fits("300 roles")
	p.line("role-299").ticks("Choose role-299")
	p.line("role-298").ticks("Choose role-298")
	inView("the button for the chosen roles", ".bulk button[value=disable]")
	p.presses("Disable Chosen")
	p.sees("Updated.")
	inView("what was done", "p.done")
	p.presses("Not selected")
	p.eventually("two are not selected", "document.querySelectorAll('[data-role]').length === 2")
	p.presses("Choose all 2")
	p.eventually("they are chosen", "ready() && document.querySelectorAll('[name=role]:checked').length === 2")
	p.presses("Validate Chosen")
	p.sees("Validated.")
	inView("what was done", "p.done")
	p.presses("Choose all 2")
	p.eventually("they are chosen", "ready() && document.querySelectorAll('[name=role]:checked').length === 2")
	p.presses("Remove Chosen")
	p.arrives("Remove 2 roles from production?")
	p.presses("Remove Roles")
	p.arrives("production")
	inView("what was done", "p.done")
	p.presses("All 298")
	p.eventually("all are there", "ready() && document.querySelectorAll('[data-role]').length === 298")
	p.fills("Search roles by name, ARN or account", "role-29")
	p.eventually("eight are found", "document.querySelectorAll('[data-role]').length === 8")
	p.line("role-290").ticks("Choose role-290")
	p.presses("Validate Chosen")
	p.sees("1 of 298 selected roles cannot be assumed yet")
	inView("what was done", "p.done")
	p.presses("Failing")
	p.eventually("one fails", "document.querySelectorAll('[data-role]').length === 1")
	p.line("role-290").presses("role-290")
	p.line("role-290").presses("Make Default")
	p.sees("default role role-290")
	p.in(".tab-row").presses("Agents")
	p.arrives("production")
	p.sees("scout")

	// A new agent, by typing a part of the name of one of 500 integrations.
	p.opens("/agents/new")
	p.fills("Name", "newcomer")
	p.fills("Integration", "eam-40")
	p.eventually("names are offered", `!!document.querySelector('#integrations option[value="team-407"]')`)
	p.fills("Integration", "team-407")
	p.presses("Add")
	p.in("#choosing").sees("team-407 default")
	p.presses("Create Agent")
	p.arrives("newcomer enabled")
	inView("what was done", "p.done")

	// The agent that may borrow them, and what it did.
	p.opens("/agents/scout")
	p.sees("1 to 50 of 298 roles", "How to use it")
	p.fits("an agent with 298 roles")
	for _, list := range []string{"/integrations", "/agents", "/integrations/" + in.ID, "/agents/scout", "/audit"} {
		p.opens(list)
		p.turns("light", 1920)
		right := find[float64](p, "the right edge", "Math.max(...[...document.querySelectorAll("+
			"'main .card, main table')].map((e) => e.getBoundingClientRect().right))")
		if right < 1500 {
			t.Errorf("%s uses only %.0f of 1920 pixels", list, right)
		}
		p.isAccessible(list + " of a crowd")
	}
}

// A reader sees no form on any page, but those that search, and that choose how pages look.
func TestReadersSeeNoForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	b.answers(b.post("/agents/new", "name", "scout", "action", "create"), http.StatusSeeOther)
	b.answers(b.post("/agents/scout/connect", "integration", "production"), http.StatusSeeOther)
	b.answers(b.post("/approval-rules/new", "name", "reads", "agent", "scout", "reason", "It only reads"),
		http.StatusSeeOther)
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.broker.Agent(t.Context(), root, "scout")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.broker.CreateToken(t.Context(), root, "scout", broker.TokenSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.broker.Connect(t.Context(), root, "scout", "production",
		&broker.Limits{Approval: rolebroker.ApprovalBorrow}, 0); err != nil {
		t.Fatal(err)
	}
	request := (&asker{s, agent, token.ID}).asks("release-17")
	things := strings.NewReplacer("{$}", "", "{runner}", string(b.runner("eks", issuerA).ID), "{rule}", "reads",
		"{session}", string(s.lends(agent, in, "readonly").ID), "{integration}", string(in.ID),
		"{agent}", string(agent.ID), "{role}", string(in.Roles[0].ID),
		"{request}", strings.TrimPrefix(request, rolebroker.AccessRequestPage))
	reader, shown := s.as(s.reader), 0
	harmless := []string{"/sign-out", "/times", "/rows"}
	posts := regexp.MustCompile(`(?:method|formmethod)="post" action="([^"]*)"`)
	for _, pattern := range web.Patterns(s.handler) {
		path, ok := strings.CutPrefix(pattern, http.MethodGet+" ")
		address := things.Replace(path)
		if !ok || strings.Contains(address, "{") || strings.HasSuffix(path, "/export") {
			continue
		}
		body := reader.get(address).Body.String()
		shown++
		for _, form := range posts.FindAllStringSubmatch(body, -1) {
			if !slices.Contains(harmless, form[1]) && !strings.HasSuffix(path, "/setup") { // merging changes nothing
				t.Errorf("%s has a form that posts to %s", path, form[1])
			}
		}
	}
	if shown < 40 {
		t.Errorf("only %d pages were shown", shown)
	}
}

// A search by a key ID, a request ID or an account leads to what has it.
func TestSearchFindsKeysRequestsAndAccounts(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	s.as(s.admin).create("production")
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive,
		Agent: rolebroker.NewAgentID(), AgentName: "scout", Integration: in.ID, IntegrationName: in.Name,
		Role: in.Roles[0].ID, RoleName: "readonly", ARN: in.Roles[0].ARN, Region: "us-east-1", SessionName: "scout",
		Request: "req-of-the-process", RequestedAt: s.now, ExpiresAt: s.now.Add(time.Hour),
		AccessKeyID: "ASIAQWERTYUIOPASDFGH"}
	if err := s.store.RecordSession(t.Context(), &session, session.BeginEvent(s.now)); err != nil {
		t.Fatal(err)
	}
	call := rolebroker.Call{ID: rolebroker.NewCallID(s.now), EndedAt: s.now, Agent: session.Agent, AgentName: "scout",
		Integration: in.ID, Role: in.Roles[0].ID, Session: session.ID, Service: "s3", Operation: "GetObject",
		RequestID: "9QWE4RTYUI8OPASD", Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed, Times: 1}
	if err := s.store.RecordCalls(t.Context(), []rolebroker.Call{call}); err != nil {
		t.Fatal(err)
	}
	reader := s.as(s.reader)
	for q, want := range map[string]string{
		"ASIAQWERTYUIOPASDFGH": "/sessions/" + string(session.ID),
		"asiaqwertyuiopasdfgh": "/sessions/" + string(session.ID),
		"9QWE4RTYUI8OPASD":     "/calls?session=" + string(session.ID),
		"req-of-the-process":   "/audit?request_id=req-of-the-process",
	} {
		if to := reader.get("/search?q=" + q).Header().Get("Location"); to != want {
			t.Errorf("searching %s leads to %q, not to %q", q, to, want)
		}
	}
	reader.shows("/search?q=ASIAQWERTY", `href="/sessions/`+string(session.ID)+`"`, "scout as production/readonly")
	reader.shows("/search?q=444455556666", `href="/roles/`+string(in.Roles[0].ID)+`"`)
}

// The page of an agent says what it does now: its calls, while its keys are withheld. A cut-off stands first. What
// people copy from it is not cut.
func TestThePageOfAnAgentThatIsBusy(t *testing.T) {
	t.Parallel()
	in := newInbox(t)
	p := in.visitor(in.admin)
	p.opens("/agents/scout")
	p.sees("What it calls", "s3:DeleteObject", "arn:aws:s3:::invoices/2024/0017.pdf", "What it asked for", "clean-up")
	made, err := in.broker.Integration(t.Context(), root, "production")
	in.must(err)
	call := rolebroker.Call{ID: rolebroker.NewCallID(in.now), Agent: in.tokens["scout"].agent, AgentName: "scout",
		Integration: made.ID, IntegrationName: "production", Role: made.Roles[0].ID, RoleName: "readonly",
		Service: "dynamodb", Operation: "Query", Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed, Times: 1,
		Status: http.StatusOK, EndedAt: in.now}
	in.must(in.store.RecordCalls(t.Context(), []rolebroker.Call{call}))
	p.sees("dynamodb:Query") // without reloading
	for _, tab := range []string{"Shell", "Docker", "Kubernetes", "Python"} {
		p.presses(tab)
		p.eventually("what people copy is whole", `[...document.querySelectorAll('.use pre')].some(shown) &&
			[...document.querySelectorAll('.use pre')].filter(shown).every((e) => e.scrollWidth <= e.clientWidth &&
				e.scrollHeight <= e.clientHeight + 1 || getComputedStyle(e).overflowX === 'auto')`)
	}
	p.presses("Cut Off")
	p.presses("Cut Off Agent")
	p.arrives("Cut-off of scout cut off")
	p.opens("/agents/scout")
	p.sees("Cut off")
	p.eventually("it stands first",
		`document.querySelector('.tab-line').nextElementSibling.textContent.includes('Cut off ')`)
}

// Long words of agents and of people widen no page.
func TestLongWordsWidenNoPage(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	name, word, id := strings.Repeat("n", 64), strings.Repeat("w", 500), strings.Repeat("R", 64)
	f := furnisher{t, tb}
	in, err := tb.Admin.CreateIntegration(t.Context(), api.IntegrationRequest{Name: name, Description: word,
		DefaultRole: name, Roles: []api.RoleRequest{{Name: name, Region: "us-east-1",
			ARN: "arn:aws:iam::" + account + ":role/" + strings.Repeat("p", 400) + "/" + id}}}, api.ValidateWarn)
	f.must(in, err)
	f.agent(name, word, name)
	f.must(tb.Admin.Limit(t.Context(), name, name, api.LimitsRequest{Approval: string(rolebroker.ApprovalBorrow)}, ""))
	f.must(tb.Admin.CreateRunner(t.Context(), api.RunnerRequest{Name: name, Description: word}))
	f.must(tb.Admin.CreateAPIKey(t.Context(), api.APIKeyRequest{Name: name, Access: "approver"}))
	f.must(tb.Admin.CreateApprovalRule(t.Context(), api.ApprovalRuleRequest{Name: name, Integration: name,
		Reason: word, Agent: name, Access: "view-only"}))
	asked, err := tb.Client(f.token(name, strings.Repeat("l", 64))).RequestAccess(t.Context(),
		api.AccessRequestRequest{Reason: word})
	f.must(asked, err)
	p := admin(t, tb)
	for _, path := range []string{"/", "/integrations", "/integrations/" + name, "/integrations/" + name + "/agents",
		"/integrations/" + name + "/setup", "/integrations/" + name + "/activity", "/integrations/" + name + "/delete",
		"/roles/" + in.Roles[0].ID, "/agents", "/agents/" + name, "/agents/" + name + "/connections",
		"/agents/" + name + "/tokens", "/agents/" + name + "/activity", "/agents/" + name + "/limits/" + name,
		"/agents/" + name + "/delete", "/agents/new?integration=" + name, "/runners", "/runners/" + name,
		"/access-requests", rolebroker.AccessRequestPage + asked.ID, "/approval-rules", "/approval-rules/" + name,
		"/audit", "/settings",
		"/search?q=" + name[:20]} {
		p.opens(path)
		p.fits(strings.ReplaceAll(path, name, "NAME"))
	}
}
