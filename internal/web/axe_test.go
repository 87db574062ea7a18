package web_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

// scene is a page in a state, and how a person gets there.
type scene struct {
	name  string
	reach func(p *person)
}

// emptyScenes are the scenes of an empty deployment.
var emptyScenes = []scene{
	{"overview-empty", func(p *person) { p.opens("/") }},
	{"integrations-empty", func(p *person) { p.opens("/integrations") }},
	{"agents-empty", func(p *person) { p.opens("/agents") }},
	{"sessions-empty", func(p *person) { p.opens("/sessions") }},
	{"activity-none", func(p *person) { p.opens("/audit?actor=nobody&token=x"); p.sees("Token must be") }},
	{"requests-empty", func(p *person) { p.opens("/access-requests") }},
	{"rules-empty", func(p *person) { p.opens("/approval-rules"); p.sees("There are no rules") }},
	{"runners-empty", func(p *person) { p.opens("/runners") }},
	{"form-cluster-empty", func(p *person) {
		p.begins("shop")
		p.ticks("Your cluster")
		p.sees("There is none yet", "OpenID Connect issuer to IAM")
	}},
	{"new-agent-empty", func(p *person) { p.opens("/agents/new") }},
}

// scenes are the scenes of a deployment in use.
var scenes = []scene{
	{"integrations", func(p *person) { p.opens("/integrations") }},
	{"integrations-none-found", func(p *person) { p.opens("/integrations?search=nothing") }},
	{"catalogue", func(p *person) { p.opens("/integrations/new") }},
	{"form-new", func(p *person) { p.begins("") }},
	{"form-errors", func(p *person) {
		p.begins("not a name")
		p.typesRole(0, "no name", "ReadOnly", "nowhere")
		p.opened(0).fills("Role ARN", "arn:aws:iam::1:role/x")
		p.presses("Create Integration")
		p.sees("Nothing was saved:")
	}},
	{"form-imported", func(p *person) {
		p.begins("payments")
		p.presses("Add several")
		p.fills("ARNs, one a line; CSV", "[default]\nregion = eu-west-1\n[profile ops]\nrole_arn = "+arn("Ops"))
		p.presses("Add Roles")
		p.sees("Added 1 role.", "profile default: it has no role_arn")
		p.presses("Add several")
		p.fills("ARNs, one a line; CSV", "name,arn\na,b")
		p.presses("Add Roles")
		p.sees("Line 2, column 2 (arn)")
	}},
	{"integration-setup", func(p *person) {
		p.looksAt("production")
		p.presses("AWS setup")
		p.arrives("production")
		p.sees("The role exists", "The role is new")
	}},
	{"integration-setup-merged", func(p *person) {
		p.looksAt("production")
		p.presses("AWS setup")
		p.fills("Current trust policy", `{"Version":"2012-10-17","Statement":[`+
			`{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole",`+
			`"Condition":{"Bool":{"aws:SecureTransport":"false"}}},`+
			`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}`)
		p.presses("Show Changes")
		p.sees("Replace the statement that trusts 111122223333 with this:")
	}},
	{"integration-setup-wrong", func(p *person) {
		p.looksAt("production")
		p.presses("AWS setup")
		p.fills("Current trust policy", "{")
		p.presses("Show Changes")
		p.sees("The policy is not JSON")
	}},
	{"form-outcomes", func(p *person) {
		p.begins("payments")
		p.presses("Trust policy")
		p.tb.AWS.Account(account).CreateRole(awssim.Role{Name: "Payments", TrustPolicy: p.reads("Trust policy")})
		p.typesRole(0, "readonly", "Payments", "us-east-1")
		p.presses("Add Role")
		p.typesRole(1, "deployer", "Deployer", "eu-west-1")
		p.presses("Add Role")
		p.typesRole(2, "billing", "BillingExport", "us-east-1")
		p.presses("Validate")
		p.sees("1 of 3 selected roles cannot be assumed yet.")
		p.role(0).sees("assumable")
		p.role(1).sees("works, not locked")
		p.role(2).sees("failed")
	}},
	{"form", func(p *person) {
		p.begins("payments")
		p.fills("Description", "What the payments team runs")
		p.presses("Trust policy")
		for _, name := range []string{"PaymentsRead", "PaymentsDeploy"} {
			p.tb.AWS.Account(account).CreateRole(awssim.Role{Name: name, TrustPolicy: p.reads("Trust policy")})
		}
		p.typesRole(0, "readonly", "PaymentsRead", "us-east-1")
		p.presses("Add Role")
		p.typesRole(1, "deployer", "PaymentsDeploy", "eu-west-1")
		p.presses("Trust policy")
		p.presses("Validate")
		p.sees("All 2 selected roles can be assumed.")
		p.reads("Trust policy")
	}},
	{"form-terraform", func(p *person) {
		p.edits("staging")
		p.presses("Terraform")
		p.reads("Terraform configuration")
	}},
	{"form-remove", func(p *person) {
		p.edits("production")
		p.presses("Edit metrics")
		p.presses("Remove role metrics")
		p.sees("Remove metrics?")
	}},
	{"form-edit", func(p *person) { p.edits("production") }},
	{"form-cluster", func(p *person) { p.edits("sandbox") }},
	{"form-cluster-issuer", func(p *person) {
		p.begins("warehouse")
		p.ticks("Your cluster")
		p.chooses("Runner", "eks-staging")
		p.typesRole(0, "readonly", "WarehouseRead", "us-west-2")
		p.sees("id/B716A7BD2EF7")
		p.presses("Trust policy")
		p.eventually("the policy is of the role", "box('body', (e) => "+
			"e.textContent.includes('sts:AssumeRoleWithWebIdentity'))?.textContent.includes('id/B716A7BD2EF7:sub')")
	}},
	{"form-cluster-outcomes", func(p *person) {
		p.edits("shop")
		p.opened(0).sees("assumable", "checked by runner eks-production")
		p.role(2).sees("failed", "checked by runner eks-production")
	}},
	{"integration", func(p *person) { p.looksAt("production") }},
	{"integration-agents", func(p *person) { p.looksAt("production"); p.in(".tab-row").presses("Agents") }},
	{"integration-activity", func(p *person) { p.looksAt("production"); p.in(".tab-row").presses("Activity") }},
	{"role", func(p *person) { p.opensRole("production", "readonly"); p.sees("It can be assumed", "scout") }},
	{"role-failing", func(p *person) {
		p.looksAt("production")
		p.line("billing").presses("billing")
		p.line("billing").presses("Open billing")
		p.arrives("billing")
		p.sees("Why it fails", "BillingExport")
	}},
	{"role-off", func(p *person) { p.opensRole("production", "restore"); p.sees("It is not selected") }},
	{"role-activity", func(p *person) { p.opensRole("staging", "terraform"); p.in(".tab-row").presses("Activity") }},
	{"remove-roles", func(p *person) {
		p.looksAt("production")
		p.ticks("Choose readonly")
		p.presses("Remove Chosen")
		p.arrives("Remove 1 role from production?")
	}},
	{"delete-integration", func(p *person) {
		p.looksAt("production")
		p.presses("More")
		p.presses("Delete")
		p.arrives("Delete production?")
	}},
	{"agents", func(p *person) { p.opens("/agents") }},
	{"search", func(p *person) { p.opens("/search?q=prod") }},
	{"search-nothing", func(p *person) { p.opens("/search?q=nothing-has-this") }},
	{"agent", func(p *person) { p.opens("/agents/scout") }},
	{"agent-connections", func(p *person) { p.opens("/agents/scout/connections") }},
	{"agent-tokens", func(p *person) { p.opens("/agents/scout/tokens") }},
	{"agent-accounts", func(p *person) { p.opens("/agents/cashier/tokens") }},
	{"agent-activity", func(p *person) { p.opens("/agents/scout/activity") }},
	{"agent-edit", func(p *person) { p.opens("/agents/scout/edit") }},
	{"agent-unconnected", func(p *person) { p.opens("/agents/intern") }},
	{"limits", func(p *person) { p.opens("/agents/scout/limits/production") }},
	{"limits-learned", func(p *person) { p.opens("/agents/scout/limits/production?policy=of-its-calls") }},
	{"new-agent", func(p *person) { p.opens("/agents/new") }},
	{"new-agent-chosen", func(p *person) {
		p.opens("/agents/new?integration=production&integration=staging")
		p.in("#choosing").ticks("Reads, changes nothing")
		p.sees("may read, and change nothing", "every change waits for a person’s yes")
	}},
	{"new-agent-asks", func(p *person) {
		p.opens("/agents/new?integration=production")
		p.in("#choosing").ticks("Reads the buckets that you name, asks a person for everything else")
		p.fills("Buckets that it reads without asking", "reports")
		p.sees("reads the bucket reports by itself; every other call waits for a person’s yes")
	}},
	{"new-agent-asks-nothing", func(p *person) {
		p.opens("/agents/new?integration=production")
		p.fills("Name", "reader")
		p.in("#choosing").ticks("Reads the buckets that you name, asks a person for everything else")
		p.presses("Create Agent")
		p.sees("Name a bucket that it reads without asking")
	}},
	{"limits-exempt", func(p *person) {
		p.opens("/agents/scout/limits/production")
		p.presses("Reads the buckets that you name, asks a person for everything else It holds no AWS key: " +
			"this server sends its calls, and all but these reads wait for a person’s yes.")
		p.fills("Buckets that it reads without asking", "reports s3://media")
		p.presses("Write the policy")
		p.sees("reads the buckets reports and media by itself; every other call waits for a person’s yes")
	}},
	{"new-agent-errors", func(p *person) {
		p.opens("/agents/new")
		p.fills("Name", "scout")
		p.presses("Create Agent")
		p.findsFault("Name", "scout")
	}},
	{"token", func(p *person) {
		p.opens("/agents/intern/tokens")
		p.presses("Create Token")
		p.arrives("New token of intern")
	}},
	{"agent-in-cluster", func(p *person) { p.opens("/agents/cashier") }},
	{"agent-cut-off-question", func(p *person) {
		p.opens("/agents/scout")
		p.presses("Cut Off")
		p.sees("Cut off scout?", "only production/deployer")
	}},
	{"cut-off-role", func(p *person) {
		p.opens("/agents/scout")
		p.presses("Cut Off")
		p.chooses("From", "only data-lake/analyst")
		p.presses("Cut Off Agent")
		p.sees("Cut off from the role.", "It keeps its other roles")
	}},
	{"cut-off", func(p *person) {
		p.opens("/agents/scout")
		p.presses("Cut Off")
		p.fills("Reason (optional)", "Leaked its keys")
		p.presses("Cut Off Agent")
		p.arrives("Cut-off of scout cut off")
		p.sees("The keys still work in AWS", "aws iam put-role-policy")
	}},
	{"agent-cut-off", func(p *person) {
		p.cutsOff("scout")
		p.opens("/agents/scout")
		p.sees("End its keys in AWS")
	}},
	{"cut-off-applied-partly", func(p *person) {
		p.cutsOff("scout")
		furnisher{p.TB, p.tb}.cutOffRole("data-lake")
		p.opens("/agents/scout/cut-off")
		p.presses("Apply")
		p.sees("The server put the deny policy on 1 of", "not permitted")
	}},
	{"cut-off-applied", func(p *person) {
		p.cutsOff("scout")
		furnisher{p.TB, p.tb}.cutOffRole("production")
		p.opens("/agents/scout/cut-off")
		p.presses("Apply")
		p.sees("AWS refuses the keys")
	}},
	{"cut-off-lifted", func(p *person) {
		p.cutsOff("scout")
		p.opens("/agents/scout/cut-off")
		p.presses("Enable")
		p.presses("Enable Agent")
		p.sees("It gets new keys, never those from before.", "enabled since")
	}},
	{"delete-agent", func(p *person) { p.opens("/agents/scout/delete") }},
	{"agent-requests", func(p *person) {
		approved := p.asks("release-20")
		p.opens(approved)
		p.fills("Reason for breaking the glass", "The shop is down")
		p.presses("Break the Glass and Approve")
		p.sees("Approved.")
		p.asks("release-21")
		p.opens("/agents/deployer")
		p.sees("What it asked for", "release-20", "release-21")
	}},
	{"calls", func(p *person) { p.opens("/calls?decision=refused&session=ses_3mzq7k4vprb5xw2tdn6hjc8ysa") }},
	{"sessions", func(p *person) { p.opens("/sessions?paused=on") }},
	{"activity", func(p *person) { p.opens("/audit"); p.opensDetails() }},
	{"activity-filtered", func(p *person) { p.opens("/audit?outcome=done&address=127.0.0.1") }},
	{"session", func(p *person) { p.opensSession("librarian"); p.sees("Why it was lent") }},
	{"session-cut-off", func(p *person) {
		p.opensSession("deployer")
		p.presses("Cut Off")
		p.sees("Cut off deployer?", "everything")
	}},
	{"session-activity", func(p *person) {
		p.opensSession("librarian")
		p.in(".tab-row").presses("Activity")
		p.sees("session.assume")
	}},
	{"session-calls-none", func(p *person) {
		p.opensSession("librarian")
		p.opens(find[string](p, "the address", "location.pathname + '/calls'"))
		p.sees("No call is on record")
	}},
	{"session-exact", func(p *person) {
		p.opensSession("librarian")
		p.presses("Exact Times")
		p.sees("Times in Words", " UTC")
		p.presses("Times in Words")
		p.sees("Exact Times")
	}},
	{"session-ended", func(p *person) {
		p.opens("/sessions?agent=librarian&paused=on")
		p.presses("End the session librarian for data-lake/analyst")
		p.sees("Nobody gets its credentials any more", "aws iam put-role-policy")
	}},
	{"requests", func(p *person) { p.opens("/access-requests?state=all"); p.sees("release-17", "denied") }},
	{"request", func(p *person) { p.opens(p.asks("release-18")); p.sees("Break the Glass and Approve") }},
	{"request-approved", func(p *person) {
		p.opens(p.asks("release-19"))
		p.fills("Reason for breaking the glass", "Nobody else is awake")
		p.presses("Break the Glass and Approve")
		p.sees("Approved.", "End the grant")
	}},
	{"new-rule", func(p *person) {
		p.opens("/approval-rules/new")
		p.fills("Name", "all-reads")
		p.presses("Create Rule")
		p.sees("would approve every request of every agent")
	}},
	{"rules", func(p *person) {
		p.makesRule("rules-reads")
		p.opens("/approval-rules")
		p.sees("Requests of any agent for any role of staging")
	}},
	{"rule", func(p *person) {
		p.makesRule("rule-reads")
		p.opens("/approval-rules/rule-reads")
		p.sees("What it approves", "read-only or less")
	}},
	{"rule-edit", func(p *person) {
		p.makesRule("edit-reads")
		p.opens("/approval-rules/edit-reads")
		p.presses("Edit")
		p.sees("Edit edit-reads")
		p.fills("For at most", "for ever")
		p.presses("Update Rule")
		p.findsFault("For at most", "Write a duration")
	}},
	{"rule-activity", func(p *person) {
		p.makesRule("activity-reads")
		p.opens("/approval-rules/activity-reads/activity")
		p.sees("approval-rule.create")
	}},
	{"runners", func(p *person) { p.opens("/runners"); p.sees("connected", "1.4.0", "user/runner") }},
	{"runner", func(p *person) { p.opens("/runners/eks-production"); p.sees("user/runner", "1 failed") }},
	{"runner-accounts", func(p *person) {
		p.opens("/runners/eks-production")
		p.in(".tab-row").presses("Service accounts")
		p.sees("agents/scout", "cashier")
	}},
	{"runner-accounts-none", func(p *person) {
		p.opens("/runners/eks-staging/accounts")
		p.sees("No service account of its cluster is bound")
	}},
	{"runner-activity", func(p *person) {
		p.opens("/runners/eks-production/activity")
		p.sees("runner.create-join-token")
	}},
	{"runner-edit", func(p *person) {
		p.opens("/runners/eks-production")
		p.presses("Edit")
		p.arrives("eks-production")
		p.sees("Edit eks-production")
	}},
	{"runner-edit-errors", func(p *person) {
		p.opens("/runners/eks-staging/edit")
		p.fills("Name", "not a name")
		p.presses("Update Runner")
		p.findsFault("Name", "not a name")
	}},
	{"runner-waiting", func(p *person) { p.opens("/runners/eks-staging") }},
	{"runner-not-believed", func(p *person) {
		if _, err := p.tb.Admin.UpdateRunner(p.Context(), "eks-production", api.RunnerRequest{Name: "eks-production"},
			""); err != nil {
			p.Fatal(err)
		}
		p.opens("/runners/eks-production")
		p.sees("the server does not believe it about them yet")
	}},
	{"new-runner", func(p *person) { p.opens("/runners/new") }},
	{"new-runner-errors", func(p *person) {
		p.opens("/runners/new")
		p.fills("Name", "not a name")
		p.fills("Issuer of the cluster’s service-account tokens", "http://oidc.example.com")
		p.presses("Create Runner")
		p.findsFault("Issuer of the cluster’s service-account tokens", "is not the https://")
	}},
	{"join-token", func(p *person) {
		p.opens("/runners/eks-staging")
		p.presses("New Join Token")
		p.arrives("Join token of eks-staging")
	}},
	{"delete-runner", func(p *person) { p.opens("/runners/eks-staging/delete") }},
	{"delete-runner-refused", func(p *person) { p.opens("/runners/eks-production/delete") }},
	{"settings", func(p *person) { p.opens("/settings"); p.sees("dashboards") }},
	{"settings-key", func(p *person) {
		p.opens("/settings")
		p.fills("Name", "another")
		p.presses("New API Key")
		p.sees("copy it now")
	}},
	{"overview", func(p *person) {
		p.asks("release-21")
		p.cutsOff("scout")
		p.endsSoon()
		p.opens("/")
		p.sees("Fails now", "Waits for a yes", "Ends within 14 days", "Last 24 hours")
	}},
	{"error", func(p *person) { p.opens("/integrations/nothing") }},
}

// signedOut are the scenes for people who are not signed in.
var signedOut = []scene{
	{"sign-in", func(p *person) { p.opens("/sign-in") }},
	{"sign-in-link", func(p *person) { p.opens(p.tb.SignInLink()) }},
	{"sign-in-refused", func(p *person) {
		p.opens("/sign-in")
		p.fills("API key", "wrong")
		p.presses("Sign in")
		p.findsFault("API key", "not known")
	}},
	{"not-found", func(p *person) { p.opens("/nothing") }},
}

// asks makes an access request, and returns the address of its page.
func (p *person) asks(task string) string {
	p.Helper()
	return rolebroker.AccessRequestPage + furnisher{p.TB, p.tb}.asking(task, "Roll out another release of the shop")
}

// opensSession opens the page of the newest session of an agent.
func (p *person) opensSession(agent string) {
	p.Helper()
	p.opens("/sessions?paused=on&agent=" + agent)
	p.opens(find[string](p, "the session", "document.querySelector('a[id^=session-]').getAttribute('href')"))
}

// makesRule makes an approval rule, unless there is one with the name.
func (p *person) makesRule(name string) {
	p.Helper()
	_, err := p.tb.Admin.CreateApprovalRule(p.Context(), api.ApprovalRuleRequest{Name: name, Integration: "staging",
		Reason: "Reading staging harms nobody", Access: "read-only"})
	if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		p.Fatal(err)
	}
}

// opensRole opens the page of a role.
func (p *person) opensRole(integration, role string) {
	p.Helper()
	in, err := p.tb.Admin.Integration(p.Context(), integration)
	if err != nil {
		p.Fatal(err)
	}
	for _, r := range in.Roles {
		if r.Name == role {
			p.opens("/roles/" + r.ID)
		}
	}
	p.arrives(role)
}

// cutsOff cuts an agent off, also one that is cut off already, so that scenes do not need each other.
func (p *person) cutsOff(agent string) {
	p.Helper()
	if _, err := p.tb.Admin.CutOff(p.Context(), agent, api.CutOffRequest{Reason: "Leaked its keys"}); err != nil {
		p.Fatal(err)
	}
}

// rules is the source of axe-core, which checks the Web Content Accessibility Guidelines.
var rules = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("testdata/axe/node_modules/axe-core/axe.min.js")
	return string(b), err
})

// The rules that every page follows, and the rules about colours.
const (
	everything = `{type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}`
	colours    = `{type: 'rule', values: ['color-contrast', 'link-in-text-block']}`
)

// Every page follows the rules, wide and narrow, light and dark.
func TestEveryPageIsAccessible(t *testing.T) {
	t.Parallel()
	for _, world := range []struct {
		name   string
		scenes []scene
		enter  func(*testing.T) *person
	}{
		{"empty", emptyScenes, func(t *testing.T) *person { return admin(t, empty(t)) }},
		{"signed-out", signedOut, func(t *testing.T) *person { return somebody(t, empty(t)) }},
		{"one", scenes[:len(scenes)/2], func(t *testing.T) *person { return admin(t, furnished(t)) }},
		{"other", scenes[len(scenes)/2:], func(t *testing.T) *person { return admin(t, furnished(t)) }},
		{"approver", nil, nil},
		{"company", nil, nil},
	} {
		t.Run(world.name, func(t *testing.T) {
			t.Parallel()
			if world.name == "company" {
				p, dex := inCompany(t)
				world.scenes, world.enter = companyScenes(dex), func(*testing.T) *person { return p }
			}
			if world.enter == nil {
				in := newInbox(t)
				world.scenes, world.enter = in.scenes(), func(*testing.T) *person { return in.visitor(in.dana) }
			}
			p := world.enter(t)
			for _, s := range chosen(world.scenes) {
				s.reach(p)
				p.hasReadableButtons(s.name)
				p.opensDetails()
				p.isAccessible(s.name)
				p.complains()
			}
		})
	}
}

// hasReadableButtons checks the colours before opensDetails: what opens over the page hides what is below it.
func (p *person) hasReadableButtons(name string) {
	p.Helper()
	p.turns("dark", 1280)
	p.follows(name+", closed and dark", colours)
	p.turns("light", 1280)
	p.follows(name+", closed and light", colours)
}

// opensDetails opens all details of the page.
func (p *person) opensDetails() {
	p.Helper()
	p.eventually("opening details", "document.querySelectorAll('details').forEach((e) => { e.open = true }), "+
		"document.readyState === 'complete'")
}

// isAccessible checks the page. In the dark only the rules about colours can find
// anything new.
func (p *person) isAccessible(name string) {
	p.Helper()
	p.turns("light", 1280)
	p.follows(name+", wide and light", everything)
	p.turns("dark", 1280)
	p.follows(name+", wide and dark", colours)
	p.turns("dark", 360)
	p.follows(name+", narrow and dark", colours)
	p.turns("light", 360)
	p.follows(name+", narrow and light", everything)
	if width := find[int](p, "the width", "document.scrollingElement.scrollWidth"); width > 360 {
		p.Errorf("%s: at 360 pixels it is %d wide: %s", name, width,
			find[[]string](p, "what is wide", "[...document.querySelectorAll('main *')].filter((e) => "+
				"e.getBoundingClientRect().right > 361 && !e.closest('pre')).map((e) => e.outerHTML.slice(0, 100))"))
	}
	p.turns("light", 1280)
}

// turns changes the colour scheme and the width of the browser.
func (p *person) turns(scheme string, width int64) {
	p.Helper()
	p.does("turning "+scheme, command(emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}}}), chromedp.EmulateViewport(width, 900))
}

// follows fails the test for each of the rules that the page breaks.
func (p *person) follows(name, which string) {
	p.Helper()
	for _, v := range p.breaks(which) {
		p.Errorf("%s: %s", name, v)
	}
}

// breaks returns which of the rules the page breaks.
func (p *person) breaks(which string) []violation {
	p.Helper()
	script, err := rules()
	if err != nil {
		p.Fatalf("axe-core is needed: run make setup (%v)", err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if !find[bool](p, "looking for the rules", "!!window.axe") {
		_, err := chromedp.Run(ctx, chromedp.Evaluate[any](script+"; 1"))
		p.must("loading the rules", err)
	}
	broken, err := chromedp.Run(
		ctx,
		chromedp.Evaluate[[]violation](`axe.run(document, {runOnly: `+which+`, resultTypes: ['violations']}).then((r) =>
		r.violations.map((v) => ({id: v.id, help: v.help, where: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 300) + ' ' + n.failureSummary)})))`, chromedp.EvalAwaitPromise),
	)
	p.must("following the rules", err)
	return broken
}

// The checks find a page that breaks rules.
func TestTheChecksFindBrokenRules(t *testing.T) {
	t.Parallel()
	p := somebody(t, empty(t))
	p.opens("/sign-in")
	find[any](p, "breaking rules", "(document.querySelector('label').remove(), "+
		"document.querySelector('.help').style.color = '#888', 1)")
	broken := map[string]bool{}
	for _, v := range p.breaks(everything) {
		broken[v.ID] = true
	}
	if !broken["label"] || len(p.breaks(colours)) == 0 {
		t.Errorf("only these rules are broken: %v", broken)
	}
}

// violation is a rule that a page breaks.
type violation struct {
	ID, Help string
	Where    []string
}

func (v violation) String() string {
	return fmt.Sprintf("%s (%s): %s", v.Help, v.ID, strings.Join(v.Where, "\n\t"))
}
