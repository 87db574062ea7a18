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
	{"integrations-empty", func(p *person) { p.opens("/integrations") }},
	{"agents-empty", func(p *person) { p.opens("/agents") }},
	{"sessions-empty", func(p *person) { p.opens("/sessions") }},
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
		p.role(0).fills("Role ARN", "arn:aws:iam::1:role/x")
		p.presses("Create Integration")
		p.sees("Nothing was saved.")
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
		p.role(1).sees("open")
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
		p.role(0).sees("assumable", "checked by runner eks-production")
		p.role(2).sees("failed", "checked by runner eks-production")
	}},
	{"delete-integration", func(p *person) {
		p.edits("production")
		p.presses("Delete")
		p.arrives("Delete production?")
	}},
	{"agents", func(p *person) { p.opens("/agents") }},
	{"agent", func(p *person) { p.opens("/agents/scout") }},
	{"agent-unconnected", func(p *person) { p.opens("/agents/intern") }},
	{"limits", func(p *person) { p.opens("/agents/scout/limits/production") }},
	{"new-agent", func(p *person) { p.opens("/agents/new") }},
	{"new-agent-errors", func(p *person) {
		p.opens("/agents/new")
		p.fills("Name", "scout")
		p.presses("Create Agent")
		p.findsFault("Name", "scout")
	}},
	{"token", func(p *person) {
		p.opens("/agents/intern")
		p.presses("New Token")
		p.arrives("New token of intern")
	}},
	{"agent-in-cluster", func(p *person) { p.opens("/agents/cashier") }},
	{"delete-agent", func(p *person) { p.opens("/agents/scout/delete") }},
	{"sessions", func(p *person) { p.opens("/sessions?paused=on") }},
	{"requests", func(p *person) { p.opens("/access-requests?state=all"); p.sees("release-17", "denied") }},
	{"request", func(p *person) { p.opens(p.asks("release-18")); p.sees("Break the Glass and Approve") }},
	{"request-approved", func(p *person) {
		p.opens(p.asks("release-19"))
		p.fills("Reason for breaking the glass", "Nobody else is awake")
		p.presses("Break the Glass and Approve")
		p.sees("Approved.", "End the grant")
	}},
	{"rules", func(p *person) {
		p.opens("/approval-rules")
		p.fills("Name", "staging-reads")
		p.fills("Reason: why nobody has to look", "Reading staging harms nobody")
		p.presses("Create Rule")
		p.sees("would approve every request of every agent")
		p.fills("Integration", "staging")
		p.presses("Create Rule")
		p.sees("Created.", "any agent, staging/any role")
	}},
	{"runners", func(p *person) { p.opens("/runners"); p.sees("connected", "1.4.0", "user/runner") }},
	{"runner", func(p *person) { p.opens("/runners/eks-production"); p.sees("user/runner", "1 failed") }},
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
	} {
		t.Run(world.name, func(t *testing.T) {
			t.Parallel()
			p := world.enter(t)
			for _, s := range world.scenes {
				s.reach(p)
				p.opensDetails()
				p.isAccessible(s.name)
				p.complains()
			}
		})
	}
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
