package web_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// looksAt opens the page of an integration from the list.
func (p *person) looksAt(name string) {
	p.Helper()
	p.opens("/integrations")
	p.presses(name)
	p.arrives(name)
}

// edits opens the form of an integration from its page.
func (p *person) edits(name string) {
	p.Helper()
	p.looksAt(name)
	p.presses("Edit")
	p.arrives("Edit " + name)
}

// Rename an integration; change, disable and remove a role.
func TestEditing(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	p := admin(t, tb)
	borrows(t, tb, tb.Scout, "production/deployer", "/Deployer/scout")

	p.edits("production")
	p.fills("Name", "prod")
	p.opened(0).fills("Region", "ap-south-1")
	p.role(1).unticks("Select")
	p.opened(2).presses("Remove role off")
	p.sees("Remove off? Agent scout loses it when you update the integration.",
		"To pause the role, deselect it instead.")
	p.presses("Keep it")
	p.eventually("nobody is asked any more", "!text('body').includes('Remove off?')")
	p.opened(2).finds("Name", "off")
	p.opened(2).presses("Remove role off")
	p.presses("Remove Role")
	p.eventually("the role is gone", "!document.querySelector('#role-2')")
	p.finds("Name", "prod")
	p.presses("Update Integration")
	p.arrives("prod")
	p.sees("Updated.")
	p.line("readonly").sees("ap-south-1", "default")
	p.line("deployer").sees("not selected")
	p.presses("Edit")
	p.arrives("Edit prod")
	p.opened(0).finds("Region", "ap-south-1")
	p.opened(1).finds("Name", "deployer")
	p.role(1).findsTicked("Select", false)
	p.role(1).sees("not selected")
	if p.asked() != 0 {
		t.Error("whoever saves is asked whether to leave")
	}
	cannotBorrow(t, tb, tb.Scout, "prod/deployer")
	borrows(t, tb, tb.Scout, "prod/readonly", "/ReadOnly/scout")

	p.presses("Integrations")
	p.arrives("Integrations")
	p.sees("prod 1 of 2")
	p.seesNot("production")
}

// An integration is disabled and enabled in the menu of its page. Saving the form leaves it
// disabled, and its default role can be deselected.
func TestDisablingAnIntegration(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	p := admin(t, tb)
	p.looksAt("production")
	p.presses("More")
	p.presses("Disable")
	p.sees("Disable production? Agent scout gets no more credentials of its roles, at once, until an administrator "+
		"enables it.",
		"Credentials that agents have are valid until they expire.")
	p.presses("Disable Integration")
	p.sees("Disabled. Nobody gets its roles", "no agent gets its roles until an administrator enables it")
	cannotBorrow(t, tb, tb.Scout, "deployer")

	p.presses("Edit")
	p.arrives("Edit production")
	p.sees("no agent gets its roles until an administrator enables it")
	p.fills("Description", "On hold")
	p.presses("Update Integration")
	p.sees("Updated.", "no agent gets its roles until an administrator enables it")
	cannotBorrow(t, tb, tb.Scout, "deployer")
	p.presses("Integrations")
	p.arrives("Integrations")
	p.sees("production disabled On hold")
	p.opens("/agents/scout")
	p.sees("Its integrations are disabled: production.")
	p.presses("Connections")
	p.sees("production default disabled")

	p.opens("/integrations")
	p.presses("production")
	p.arrives("production disabled")
	p.presses("More")
	p.presses("Enable")
	p.sees("Enabled.")
	p.seesNot("no agent gets its roles until an administrator enables it")
	borrows(t, tb, tb.Scout, "", "/ReadOnly/scout")

	p.presses("Edit")
	p.arrives("Edit production")
	p.seesNot("The default role is not selected")
	p.role(0).unticks("Select")
	p.sees("The default role is not selected: instructions that name no role are refused.")
	p.presses("Update Integration")
	p.sees("Updated.", "The default role, readonly, is not selected: instructions that name no role are refused.")
	cannotBorrow(t, tb, tb.Scout, "")
	borrows(t, tb, tb.Scout, "deployer", "/Deployer/scout")
	p.opens("/agents/scout")
	p.sees("The default role of production, readonly, is not selected there: instructions that name no role are " +
		"refused.")
}

// cannotBorrow fails the test unless the server denies the role.
func cannotBorrow(t testing.TB, tb *testbed.Testbed, token rolebroker.Secret, role string) {
	t.Helper()
	_, err := tb.Client(token).Credentials(t.Context(), role, "")
	if code := rolebroker.CodeOf(err); code != rolebroker.CodeDenied {
		t.Errorf("asking for %s: %v (%s)", role, err, code)
	}
}

// Errors appear at their fields, and the form keeps everything that was typed.
func TestErrorsAppearAtTheirFields(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.edits("production")
	p.fills("Description", "What I typed")
	p.opened(1).fills("Role ARN", "arn:aws:iam::1:role/Deployer")
	p.opened(2).fills("Name", "readonly")
	p.presses("Update Integration")
	p.sees("Nothing was saved:")
	p.opened(1).findsFault("Role ARN", "account")
	p.finds("Description", "What I typed")
	p.opened(1).finds("Role ARN", "arn:aws:iam::1:role/Deployer")
	p.opened(2).finds("Name", "readonly")
	p.opened(1).fills("Role ARN", arn("Deployer"))
	p.presses("Update Integration")
	p.eventually("only one field is wrong", "document.querySelectorAll('[aria-invalid]').length === 1")
	p.opened(2).findsFault("Name", "readonly")
	p.opened(2).fills("Name", "off")

	p.fills("Name", "staging")
	p.presses("Update Integration")
	p.findsFault("Name", "staging")
	p.finds("Name", "staging")
	p.finds("Description", "What I typed")
	p.sees("Nothing was saved:")
	p.fills("Name", "production") // which is right, so nothing is wrong any more
	p.eventually("the error is gone", "!document.querySelector('[aria-invalid], .faults, .problem, .offer')")
	p.presses("Update Integration")
	p.sees("Updated.", "What I typed")
}

// The browser asks before it leaves a form with unsaved changes.
func TestLeavingWithUnsavedChanges(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	tb.Agent("intern")
	p := admin(t, tb)
	p.edits("production")
	p.presses("Agents")
	p.arrives("Agents")
	if p.asked() != 0 {
		t.Error("whoever changed nothing is asked whether to leave")
	}

	p.edits("production")
	p.opened(1).fills("Region", "sa-east-1")
	p.answers(true)
	p.presses("Agents")
	p.until("being asked", p.wasAsked)
	p.opened(1).finds("Region", "sa-east-1")
	p.answers(false)
	p.presses("Cancel")
	p.arrives("production")
	p.edits("production")
	p.opened(1).finds("Region", "eu-west-1")
	p.asked()

	p.presses("Add Role") // an unsaved change, as typing is
	p.typesRole(3, "tester", "Tester", "us-east-1")
	p.presses("Agents")
	p.arrives("Agents")
	if p.asked() != 1 {
		t.Error("whoever added a role is not asked whether to leave")
	}
}

// Every other form that people fill in asks too: once something was changed, and while what was typed is not saved.
func TestLeavingEveryForm(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	p.makesRule("reads")
	leaves := func(name string, asked int) {
		t.Helper()
		p.presses("Overview")
		p.arrives("Overview")
		if n := p.asked(); n != asked {
			t.Errorf("%s: whoever leaves is asked %d times, not %d", name, n, asked)
		}
	}
	for _, form := range []struct{ path, field, wrong, button string }{
		{"/agents/scout/limits/production", "Allowed calls that return credentials", "not an action", "Save"},
		{"/agents/new", "Name", "not a name", "Create Agent"},
		{"/agents/scout/edit", "Name", "not a name", "Update Agent"},
		{"/approval-rules/reads/edit", "For at most", "for ever", "Update Rule"},
		{"/approval-rules/new", "For at most", "for ever", "Create Rule"},
		{"/runners/eks-staging/edit", "Name", "not a name", "Update Runner"},
		{"/runners/new", "Name", "not a name", "Create Runner"},
	} {
		p.opens(form.path)
		leaves(form.path+" as it was", 0)
		p.opens(form.path)
		p.fills(form.field, form.wrong)
		leaves(form.path+" with a change", 1)
		p.opens(form.path)
		p.fills(form.field, form.wrong)
		p.presses(form.button)
		p.findsFault(form.field, "")
		if p.asked() != 0 {
			t.Errorf("%s: whoever saves is asked whether to leave", form.path)
		}
		leaves(form.path+" that was not saved", 1)
	}

	// Adding an integration to a new agent, and a preset, are changes, and saving one is none.
	p.opens("/agents/new")
	p.fills("Integration", "staging")
	p.presses("Add")
	p.in("#choosing").sees("staging default")
	leaves("a new agent with an integration", 1)
	p.opens("/agents/scout/limits/production")
	p.presses("Reads, changes nothing")
	p.sees("not saved")
	leaves("a preset", 1)
	p.opens("/agents/scout/limits/production")
	p.presses("Reads, changes nothing")
	p.sees("not saved")
	p.presses("Save")
	p.sees("may read, and change nothing")
	leaves("what is saved", 0)
}

// An outcome stays with its role while other roles come and go, until the role is
// changed.
func TestOutcomesStayWithTheirRoles(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	p.edits("staging")
	p.presses("Validate")
	p.role(0).sees("assumable")
	p.role(1).sees("assumable")
	p.eventually("the button can be pressed again, and has the focus",
		"document.activeElement === button('body', 'Validate')")
	p.presses("Add Role")
	p.typesRole(2, "billing", "BillingExport", "us-east-1")
	p.role(0).sees("assumable")
	p.presses("Validate")
	p.role(2).sees("failed", "AWS does not let the server assume the role")
	p.sees("1 of 3 selected roles cannot be assumed yet.")
	p.opened(0).presses("Remove role readonly")
	p.sees("Remove readonly?")
	p.presses("Remove Role")
	p.eventually("the role is gone", "!document.querySelector('#role-2')")
	p.opened(0).finds("Name", "terraform")
	p.role(0).sees("assumable")
	p.role(1).sees("failed", "AWS does not let the server assume the role")

	p.opened(1).fills("Role ARN", arn("Tester"))
	p.role(1).seesNot("failed", "AWS does not let the server assume the role")
	p.role(0).sees("assumable")
	p.sees("Roles are validated when you save, or now with Validate.")
	p.eventually("the steps are not complete any more",
		"document.querySelectorAll('section.step.complete').length === 0")
}

// The setup follows the typed roles, also an added one.
func TestTheSetupFollowsWhatIsTyped(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.edits("staging")
	p.presses("AWS CLI")
	p.opened(0).fills("Role ARN", arn("First"))
	p.eventually("the commands follow", "!!box('body', (e) => e.textContent.includes('First'))")
	p.presses("Add Role")
	p.typesRole(2, "added", "Second", "us-east-1")
	p.eventually("the commands follow", "!!box('body', (e) => e.textContent.includes('Second') && "+
		"e.textContent.includes('First'))")
}

// If two people edit, neither loses what the other one did not touch.
func TestTwoPeopleEdit(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	first, second := admin(t, tb), admin(t, tb)
	first.edits("production")
	second.edits("production")
	first.fills("Description", "By the first")
	second.opened(1).fills("Region", "us-west-2")
	first.presses("Update Integration")
	first.sees("Updated.")

	second.presses("Update Integration")
	second.sees("Updated, and what somebody else changed meanwhile is kept.", "By the first")
	second.line("deployer").sees("us-west-2")
	first.opens("/integrations/production/edit")
	first.opened(1).finds("Region", "us-west-2")
}

// What both changed is shown with both values, where the second one looks, and nothing is overwritten by a button that
// does not say so.
func TestTwoPeopleChangeTheSame(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	first, second := admin(t, tb), admin(t, tb)
	first.edits("production")
	second.edits("production")
	first.fills("Description", "By the first")
	first.opened(1).fills("Region", "eu-west-3")
	first.presses("Update Integration")
	first.sees("Updated.")
	second.fills("Description", "By the second")
	asks := func() {
		t.Helper()
		second.sees("Nothing was saved: somebody else saved production while you were editing",
			"Both of you changed", "By the first", "By the second")
		second.eventually("the conflict has the focus, in view", `document.activeElement.id === "conflict" &&
			document.activeElement.getBoundingClientRect().top >= 0 &&
			document.activeElement.getBoundingClientRect().top < innerHeight`)
	}
	second.presses("Update Integration")
	asks()
	second.finds("Description", "By the second")
	second.opened(1).finds("Region", "eu-west-3") // which only the first one changed
	second.maybeTakes("conflict")
	second.presses("Keep What Is Saved")
	second.eventually("it is not asked any more", `!document.querySelector("#conflict")`)
	second.finds("Description", "By the first")

	second.fills("Description", "By the second")
	first.edits("production")
	first.fills("Description", "By the first again")
	first.presses("Update Integration")
	first.sees("Updated.")
	second.presses("Update Integration")
	second.sees("By the first again")
	second.in("#conflict").presses("Replace 1 Saved Value with Mine")
	second.sees("Updated.", "By the second")
}

// If somebody deletes an integration, a person who edits it keeps what they typed.
func TestDeletingWhileAnotherEdits(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	first, second := admin(t, tb), admin(t, tb)
	second.edits("staging")
	second.fills("Description", "What I typed")
	first.looksAt("staging")
	first.presses("More")
	first.presses("Delete")
	first.arrives("Delete staging?")
	first.presses("Delete Integration")
	first.arrives("Integrations")
	first.sees("Deleted.")

	second.presses("Update Integration")
	second.sees("Somebody deleted staging while you were editing.", "What you typed is still here.")
	second.finds("Description", "What I typed")
	second.opened(1).finds("Name", "tester")
	second.presses("Create Integration")
	second.sees("Created.", "What I typed")
}

// A person who is signed out in another tab loses nothing that was typed.
func TestBeingSignedOutInAnotherTab(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.edits("production")
	p.fills("Description", "What I typed")
	other := p.another()
	other.opens("/settings")
	other.presses("Sign out")
	other.arrives("Sign in")
	for _, button := range []string{"Validate", "Add Role", "Update Integration"} {
		p.presses(button)
		p.sees("You are signed out. Sign in in another tab, then press the button again; nothing here is lost.")
		p.finds("Description", "What I typed")
		p.eventually("it is not said any more", "document.querySelector('#foot').replaceChildren(), true")
	}
	other.signsIn()
	p.presses("Update Integration")
	p.sees("Updated.", "What I typed")
}
