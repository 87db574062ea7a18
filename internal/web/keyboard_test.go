package web_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// focused is the name of the element with the focus. looksFocused is whether the
// focus is visible, on the element or on the one that represents it.
const (
	focused      = `(() => { const e = document.activeElement; return e === document.body ? '' : plain(labels(e) || named(e)) })()`
	looksFocused = `[document.activeElement, document.activeElement.nextElementSibling, document.activeElement.parentElement].some((e) =>
		e && getComputedStyle(e).outlineStyle !== 'none' && parseFloat(getComputedStyle(e).outlineWidth) > 1)`
)

// keys presses keys, one after the other.
func (p *person) keys(keys string) {
	p.Helper()
	p.does("pressing keys", chromedp.KeyEvent(keys))
}

// tabsTo presses Tab until an element has the focus, and returns the names of the
// elements on the way. The focus has to be visible all the time.
func (p *person) tabsTo(name string) (passed []string) {
	p.Helper()
	p.eventually(name+" is somewhere", "ready() && within('body', 'a[href], button, input, select, summary, "+
		"pre').some((e) => shown(e) && [labels(e), named(e)].some((n) => plain(n) === "+quoted(name)+
		" || plain(n).startsWith("+quoted(name+" ")+")))")
	for range 100 {
		p.keys(kb.Tab)
		has := find[struct {
			Name  string
			Looks bool
		}](p, "what has the focus", "{name: "+focused+", looks: "+looksFocused+"}")
		now := has.Name
		if now != "" && !has.Looks {
			p.Errorf("%s has the focus, and does not look like it", now)
		}
		if now == name || strings.HasPrefix(now, name+" ") {
			return passed
		}
		passed = append(passed, now)
	}
	p.Fatalf("Tab does not lead to %s, but to %q", name, passed)
	return nil
}

// types moves to a field and types into it.
func (p *person) types(label, text string) {
	p.Helper()
	p.tabsTo(label)
	p.keys(text)
	p.eventually("typing "+text, "document.activeElement.value === "+quoted(text))
}

// enters moves to a button or link, and presses Enter.
func (p *person) enters(name, heading string) {
	p.Helper()
	p.eventually("looking for "+name, "window.before = true")
	p.tabsTo(name)
	p.keys(kb.Enter)
	p.arrives(heading)
}

// The five steps by keyboard.
func TestConnectingAWSByKeyboard(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := somebody(t, tb)
	p.opens("/")
	p.arrives("Sign in")
	p.keys(tb.AdminKey.Reveal() + kb.Enter) // the field has the focus
	p.arrives("Overview")

	// The content is reached without passing the navigation.
	p.tabsTo("Skip to the content")
	p.keys(kb.Enter)
	p.enters("Connect AWS", "Connect AWS")

	p.keys("payments") // the name has the focus
	p.types("Description", "What the payments team runs")
	p.tabsTo("The platform")
	p.keys(kb.ArrowRight)
	p.sees("The runner in your cluster tries these roles")
	p.keys(kb.ArrowLeft)
	p.sees("enter " + testbed.PlatformAccount)
	p.tabsTo("Console")
	p.keys(kb.ArrowRight)
	trust := p.reads("Trust policy")
	for _, name := range []string{"PaymentsRead", "PaymentsDeploy"} {
		tb.AWS.Account(account).CreateRole(awssim.Role{Name: name, TrustPolicy: trust})
	}

	p.types("Name", "readonly") // the role's: the integration's is behind
	p.types("Role ARN", arn("PaymentsRead"))
	p.types("Region", "us-east-1")
	p.keys(kb.Escape) // the list of regions, if it stands open
	p.backTo("Add Role")
	p.keys(" ")
	p.eventually("the focus is in the new role", "document.activeElement === field('#role-1', 'Name')")
	p.keys("deployer")
	p.types("Role ARN", arn("PaymentsDeploy"))
	p.types("Region", "eu-west-1")
	p.keys(kb.Escape)
	p.backTo("Validate")
	p.keys(" ")
	p.sees("All 2 selected roles can be assumed.")

	p.tabsTo("Default role")
	p.keys(kb.ArrowDown)
	p.findsChosen("Default role", "deployer")
	p.enters("Create Integration", "payments")

	p.enters("New Agent", "New Agent")
	p.keys("scout")
	p.sees("payments", "Everything the roles allow")
	p.enters("Create Agent", "scout enabled")
	p.enters("Create Token", "scout enabled")
	p.types("Label", "laptop")
	p.enters("Create Token", "New token of scout")
	p.sees("Copy it now")
}

// The focus stays where it is when the page renders that part again.
func TestTheFocusStays(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.edits("staging")
	p.presses("AWS CLI")
	p.reads("AWS CLI commands")
	p.opened(0).fills("Role ARN", arn("Other"))
	p.eventually("the commands have the focus", "document.querySelector('pre[aria-label=\"AWS CLI "+
		"commands\"]').focus(), true")
	p.eventually("the commands are other ones", "box('body', (e) => "+
		"e.textContent.includes('Other'))?.getAttribute('aria-label') === 'AWS CLI commands'")
	p.eventually("they still have the focus", "document.activeElement.getAttribute('aria-label') === 'AWS CLI "+
		"commands' && document.activeElement.textContent.includes('Other')")
}

// backTo is tabsTo in the other direction.
func (p *person) backTo(name string) {
	p.Helper()
	for range 100 {
		p.does("pressing Shift+Tab", chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
		if now := find[string](p, "what has the focus", focused); now == name {
			return
		}
	}
	p.Fatalf("Shift+Tab does not lead to %s", name)
}

// The order of the focus is the order of the five steps.
func TestTheOrderOfTheFocus(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.edits("staging")
	p.eventually("nothing has the focus", "document.activeElement.blur(), true")
	p.tabsTo("Name")
	want := []string{"Description", "The platform",
		"Console", "Create Role in AWS", "Copy account ID", "Copy external ID",
		"Change the trust policy of a role that exists", "Add Role", "Validate",
		"Select readonly", "Edit readonly", "Select tester", "Edit tester",
		"Add Role", "Add several", "Default role", "Attribution"}
	got := p.tabsTo("Update Integration")
	for i := range got {
		if strings.HasPrefix(got[i], "The platform ") {
			got[i] = "The platform"
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Tab leads to\n%q, not to\n%q", got, want)
	}
}
