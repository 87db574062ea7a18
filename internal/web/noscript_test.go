package web_test

import (
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// withoutScripts turns the scripts of pages off, from the next page on.
func (p *person) withoutScripts() {
	p.Helper()
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	p.does("turning scripts off", command(emulation.SetScriptExecutionDisabled, off), chromedp.Reload())
	p.scriptless = true
	p.eventually("there are no scripts", "!document.documentElement.classList.contains('scripted')")
}

// The five steps without scripts.
func TestConnectingAWSWithoutScripts(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := admin(t, tb)
	p.withoutScripts()
	connect(p)
	borrows(t, tb, p.makesToken("laptop"), "", "/PaymentsDeploy/scout")
}

// Search, remove a role and save, without scripts.
func TestEditingWithoutScripts(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.opens("/integrations")
	p.withoutScripts()
	p.fills("Search integrations", "prod")
	p.presses("Search")
	p.arrives("Integrations")
	p.seesNot("staging")
	p.presses("production")
	p.arrives("production")
	p.presses("Edit")
	p.arrives("Edit production")
	p.fills("Description", "What I typed")
	p.opened(2).presses("Remove role off")
	p.sees("Remove off? Agent scout loses it")
	p.presses("Remove Role")
	p.arrives("Edit production")
	p.finds("Description", "What I typed")
	p.presses("Update Integration")
	p.arrives("production")
	p.sees("Updated.", "What I typed")
	p.eventually("the role is gone", "document.querySelectorAll('[data-role]').length === 2")
}

// Two people change the same, without scripts: the conflict is in view, has the focus, and takes two keys.
func TestAConflictWithoutScripts(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	first, second := admin(t, tb), admin(t, tb)
	second.opens("/integrations")
	second.withoutScripts()
	second.presses("production")
	second.arrives("production")
	second.presses("Edit")
	second.arrives("Edit production")
	first.edits("production")
	first.fills("Description", "By the first")
	first.presses("Update Integration")
	first.sees("Updated.")
	second.fills("Description", "By the second")
	second.presses("Update Integration")
	second.sees("Both of you changed", "By the first")
	second.eventually("the conflict has the focus", `document.activeElement.id === "conflict" &&
		document.activeElement.getBoundingClientRect().top < innerHeight`)
	second.tabsTo("Keep What Is Saved")
	second.keys("\r")
	second.eventually("it is not asked any more", `!document.querySelector("#conflict")`)
	second.finds("Description", "By the first")
}
