package web_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// many is a deployment with an integration of 300 roles, the last of which fail.
func many(t testing.TB) *testbed.Testbed {
	t.Helper()
	tb := empty(t)
	_, err := tb.Admin.CreateIntegration(t.Context(), api.IntegrationRequest{Name: "production",
		DefaultRole: "role-000", Roles: crowdedRolesOf(0, crowdedRoles)}, api.ValidateSkip)
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// The form of 300 roles is small and quick. A closed row has two fields, and saving keeps what it does not have.
func TestTheFormOfManyRolesIsSmall(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	in := rolebroker.Integration{Name: "production", Enabled: true, AssumptionMode: rolebroker.ModePlatform,
		DefaultRole: "role-000"}
	for _, r := range crowdedRolesOf(0, crowdedRoles) {
		arn, _ := rolebroker.ParseRoleARN(r.ARN)
		in.Roles = append(in.Roles, rolebroker.Role{Name: r.Name, ARN: arn, Region: rolebroker.Region(r.Region),
			Enabled: true, SessionDuration: 2 * time.Hour})
	}
	made, err := s.broker.CreateIntegration(t.Context(), root, in, rolebroker.ValidateSkip.Saving())
	if err != nil {
		t.Fatal(err)
	}
	path := string("/integrations/" + made.ID + editing)
	page := b.get(path).Body.String()
	quickest := time.Hour
	for range 5 {
		began := time.Now()
		b.get(path)
		quickest = min(quickest, time.Since(began))
	}
	t.Logf("%d bytes in %s", len(page), quickest)
	if len(page) > 200_000 {
		t.Errorf("the form has %d bytes", len(page))
	}
	if quickest > 2*time.Second { // it takes 20 ms at most on a quiet machine, without the race detector
		t.Errorf("the form takes %s", quickest)
	}
	if strings.Contains(page, `name="role.0.arn"`) {
		t.Error("a closed row has the field of the ARN")
	}
	fields := []string{"name", "production", "description", "Mine", "mode", "platform", "source_identity", "on",
		"version", regexp.MustCompile(`name="version" value="(\d+)"`).FindStringSubmatch(page)[1], "was",
		regexp.MustCompile(`name="was" value="([^"]+)"`).FindStringSubmatch(page)[1], "rows", "300", "default", "7"}
	for i, role := range made.Roles {
		fields = append(fields, fmt.Sprintf("role.%d.id", i), string(role.ID))
		if i > 0 {
			fields = append(fields, fmt.Sprintf("role.%d.enabled", i), "on")
		}
	}
	b.answers(b.post(path, append(fields, "action", "save")...), http.StatusSeeOther)
	now, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil || len(now.Roles) != 300 || now.Description != "Mine" || now.DefaultRole != "role-007" ||
		now.Roles[0].Enabled || now.Roles[9].SessionDuration != 2*time.Hour || now.Roles[9].ARN != made.Roles[9].ARN ||
		now.Roles[9].ID != made.Roles[9].ID {
		t.Errorf("it is %d roles, %q, %s, %+v: %v", len(now.Roles), now.Description, now.DefaultRole, now.Roles[9], err)
	}

	// What the form was made from is changed on its way: nothing is lost, and no memory is filled.
	for _, was := range []string{"", "{", "nonsense", "AAAA", strings.Repeat("A", 100_000)} {
		fields[11] = was
		answer := b.post(path, append(fields, "action", "save")...)
		if now, err = s.broker.Integration(t.Context(), root, "production"); err != nil || len(now.Roles) != 300 ||
			answer.Code < 400 || answer.Code >= 500 {
			t.Errorf("with %.10q the answer is %d, and %d roles are left", was, answer.Code, len(now.Roles))
		}
	}
}

// A row opens in place. Looking for roles hides the other closed rows, and selecting then is about those that are
// shown.
func TestManyRoles(t *testing.T) {
	t.Parallel()
	p := admin(t, many(t))
	p.opens("/integrations/production" + editing)
	p.eventually("all rows are there", "ready() && document.querySelectorAll('.role').length === 300")
	t.Logf("it took %.0f ms", find[float64](p, "the time", "performance.getEntriesByType('navigation')[0].domComplete"))
	if high := find[float64](p, "the height", "document.querySelector('.roles').scrollHeight/300"); high > 50 {
		t.Errorf("a row is %.0f pixels high", high)
	}
	p.opened(7).finds("Role ARN", "arn:aws:iam::300000000000:role/teams/Role-007")
	p.fills("Find a role", "-29")
	p.sees("11 of 300 shown")
	p.eventually("the open row stays", "shown(document.querySelector('#role-7'))")
	p.presses("Deselect Shown")
	p.eventually("only these are deselected",
		"document.querySelectorAll('.role input[type=checkbox]:not(:checked)').length === 11")
	p.role(290).sees("not selected")
	p.ticks("Failing only")
	p.sees("1 of 300 shown")
	p.unticks("Failing only")

	// A row that is not right is shown, whatever the filter says.
	p.opened(7).fills("Region", "mars")
	p.fills("Find a role", "role-299")
	p.presses("Update Integration")
	p.role(7).findsFault("Region", `Region "mars" is not an AWS region`)
	p.sees("Nothing was saved: 1 field is not right.")
	p.finds("Find a role", "role-299")
	p.opened(7).fills("Region", "us-east-1")
	p.maybeTakes("form-many")
	p.presses("Update Integration")
	p.sees("Updated.")
	in, err := p.tb.Admin.Integration(t.Context(), "production")
	if err != nil || in.Roles[7].Region != "us-east-1" || in.Roles[290].Enabled || !in.Roles[0].Enabled ||
		len(in.Roles) != 300 {
		t.Error(err, in.Roles[7], in.Roles[290])
	}
}

// Of many roles that fail for one reason, the first ones say it. The others say it when they are opened.
func TestManyRolesThatFail(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	if _, err := tb.Admin.CreateIntegration(t.Context(), api.IntegrationRequest{Name: "production",
		DefaultRole: "role-000", Roles: crowdedRolesOf(0, 10)}, api.ValidateWarn); err != nil {
		t.Fatal(err)
	}
	p := admin(t, tb)
	p.opens("/integrations/production" + editing)
	const why = "AWS does not let the server assume the role"
	p.role(0).sees("failed", why, "Show the fix")
	p.role(7).sees("failed")
	p.role(7).seesNot(why)
	p.maybeTakes("form-failing")
	p.role(7).unticks("Select role-007")
	p.role(7).sees("not selected")
	p.ticks("Failing only")
	p.sees("10 of 10 shown") // although one is not selected
	p.role(7).ticks("Select role-007")
	p.role(7).sees("failed")
	p.opened(7).sees(why, "Show the fix")
}

// The same without scripts.
func TestManyRolesWithoutScripts(t *testing.T) {
	t.Parallel()
	p := admin(t, many(t))
	p.withoutScripts()
	p.opens("/integrations/production" + editing)
	p.fills("Find a role", "-29")
	p.presses("Filter")
	p.sees("10 of 300 shown")
	p.presses("Deselect Shown")
	p.role(290).sees("not selected")
	p.opened(291).fills("Region", "us-east-1")
	p.presses("Update Integration")
	p.sees("Updated.")
	in, err := p.tb.Admin.Integration(t.Context(), "production")
	if err != nil || in.Roles[291].Region != "us-east-1" || in.Roles[290].Enabled || !in.Roles[0].Enabled {
		t.Error(err, in.Roles[290], in.Roles[291])
	}
}

// The form of many roles follows the rules, closed and open, and fits narrow and wide windows.
func TestTheFormOfManyRolesIsAccessible(t *testing.T) {
	t.Parallel()
	p := admin(t, many(t))
	p.opens("/integrations/production" + editing)
	p.opened(3).fills("Region", "mars")
	p.presses("Update Integration")
	p.role(3).findsFault("Region", "mars")
	p.isAccessible("the form of many roles")
	for _, width := range []int64{1280, 1920} {
		p.turns("light", width)
		if got := find[int64](p, "the width", "document.scrollingElement.scrollWidth"); got > width {
			t.Errorf("at %d pixels it is %d wide", width, got)
		}
	}
}

// A role that somebody else removed meanwhile is not made again by a form that has it closed. If the form changes it, a
// person decides, also after another button.
func TestAClosedRoleThatSomebodyElseRemoves(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	arn := func(name string) rolebroker.RoleARN {
		return rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: name}
	}
	in := rolebroker.Integration{Name: "production", Enabled: true, AssumptionMode: rolebroker.ModePlatform,
		DefaultRole: "a", Roles: []rolebroker.Role{{Name: "a", ARN: arn("A"), Region: "us-east-1", Enabled: true},
			{Name: "b", ARN: arn("B"), Region: "us-east-1", Enabled: true}}}
	made, err := s.broker.CreateIntegration(t.Context(), root, in, rolebroker.ValidateSkip.Saving())
	if err != nil {
		t.Fatal(err)
	}
	path := "/integrations/" + string(made.ID) + editing
	hidden := func(page, name string) string {
		t.Helper()
		found := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("there is no %s in %s", name, page)
		}
		return found[1]
	}
	page := b.get(path).Body.String()
	form := func(page, description string) []string {
		return []string{"name", "production", "description", description, "mode", "platform", "source_identity", "on",
			"version", hidden(page, "version"), "was", hidden(page, "was"), "rows", "2", "default", "0",
			"role.0.id", string(made.Roles[0].ID), "role.0.enabled", "on", "role.1.id", string(made.Roles[1].ID)}
	}
	now := *made
	now.Roles = now.Roles[:1]
	_, err = s.broker.UpdateIntegration(t.Context(), root, "production", now, 1, rolebroker.ValidateSkip.Saving())
	if err != nil {
		t.Fatal(err)
	}

	// I deselected it.
	answer := b.post(path, append(form(page, ""), "action", "save")...)
	b.answers(answer, http.StatusConflict, ">Role b<", ">changed<", ">removed<")
	again := append(form(answer.Body.String(), ""), "conflict", "gone b", "role.1.name", "b",
		"role.1.arn", arn("B").String(), "role.1.region", "us-east-1")
	again[slices.Index(again, string(made.Roles[1].ID))] = ""
	b.answers(b.post(path, append(again, "action", "add-role")...), http.StatusOK, ">Role b<", ">changed<", ">removed<")

	// I did not touch it.
	untouched := append(form(page, "Mine"), "role.1.enabled", "on", "action", "save")
	b.answers(b.post(path, untouched...), http.StatusSeeOther)
	saved, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil || len(saved.Roles) != 1 || saved.Description != "Mine" {
		t.Errorf("it is %+v: %v", saved, err)
	}
}

// pastes pastes a text into what has the focus.
func (p *person) pastes(text string) {
	p.Helper()
	find[bool](p, "pasting", `(() => { const d = new DataTransfer(); d.setData("text", `+quoted(text)+`);
		const e = document.activeElement;
		if (e.dispatchEvent(new ClipboardEvent("paste", {clipboardData: d, bubbles: true, cancelable: true})))
			document.execCommand("insertText", false, `+quoted(text)+`);
		return true })()`)
}

// Several ARNs that are pasted make several roles: the name is that of the ARN, the region that of the row above.
func TestPastingARNs(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.begins("payments")
	p.opened(0).fills("Role ARN", "")
	p.pastes(arn("ReadOnly") + "\n" + arn("ci/Deployer") + "\n" + arn("Tester"))
	p.sees("Added 3 roles.")
	p.eventually("the first region is next", "document.activeElement === field('#role-0', 'Region')")
	p.opened(1).finds("Name", "Deployer")
	p.role(0).fills("Region", "us-east-1")
	p.does("leaving the field", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Tab))
	p.role(2).finds("Region", "us-east-1")
	p.presses("Create Integration")
	p.arrives("payments")
	in, err := p.tb.Admin.Integration(t.Context(), "payments")
	if err != nil || len(in.Roles) != 3 || in.Roles[2].Name != "Tester" || in.Roles[2].Region != "us-east-1" ||
		in.DefaultRole != "ReadOnly" {
		t.Errorf("%+v: %v", in, err)
	}
}

// A list is CSV, or the config file of the AWS CLI, also without scripts. What is left out is said, and keys are not
// shown.
func TestAddingSeveral(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts: %t", scripts), func(t *testing.T) {
			t.Parallel()
			p := admin(t, empty(t))
			if !scripts {
				p.withoutScripts()
			}
			p.begins("payments")
			p.presses("Add several")
			p.fills("ARNs, one a line; CSV", "name,arn,region\na,"+arn("A")+",eu-west-1\nb c,"+arn("B"))
			p.presses("Add Roles")
			p.findsFault("ARNs, one a line; CSV", `Line 3, column 1 (name): "b c" has the character ' '`)
			p.fills("ARNs, one a line; CSV", "name,arn,region\na,"+arn("A")+",eu-west-1\n,"+arn("B"))
			p.presses("Add Roles")
			p.sees("Added 2 roles.")
			p.role(1).sees("B", arn("B"), "eu-west-1")
			p.presses("Add several")
			p.fills("ARNs, one a line; CSV", "[default]\naws_access_key_id = AKIAVERYSECRET\n"+
				"[profile ops]\nrole_arn = "+arn("Ops")+"\n")
			p.presses("Add Roles")
			p.sees("Added 1 role.", "profile default: it has access keys, which are not imported, and no role_arn")
			p.seesNot("AKIAVERYSECRET")
			if scripts {
				p.maybeTakes("form-import")
			}
			p.presses("Create Integration")
			p.arrives("payments")
			in, err := p.tb.Admin.Integration(t.Context(), "payments")
			if err != nil || len(in.Roles) != 3 || in.Roles[2].Name != "ops" || in.Roles[2].Region != "eu-west-1" {
				t.Errorf("%+v: %v", in, err)
			}
		})
	}
}

// Enter in a role leads to the next one, and adds one after the last; it never creates the integration. Ctrl-Enter
// does.
func TestEnterInARole(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.begins("payments")
	p.typesRole(0, "readonly", "ReadOnly", "us-east-1")
	p.does("pressing Enter", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Enter))
	p.eventually("the next role has the focus", "document.activeElement === field('#role-1', 'Name')")
	p.role(1).finds("Region", "us-east-1")
	p.role(1).fills("Role ARN", arn("Tester"))
	p.does("pressing Enter", chromedp.KeyEvent(kb.Enter))
	p.eventually("the next role has the focus", "document.activeElement === field('#role-2', 'Name')")
	p.opened(1).finds("Name", "Tester")
	p.does("pressing Enter in a blank role", chromedp.KeyEvent(kb.Enter))
	p.eventually("nothing was added", "document.querySelectorAll('.role').length === 3")
	p.does("pressing Ctrl-Enter", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.eventually("it is created", "location.pathname !== '/integrations/new/aws'")
	p.until("it has two roles", func() error {
		in, err := p.tb.Admin.Integration(t.Context(), "payments")
		if err == nil && len(in.Roles) != 2 {
			err = fmt.Errorf("it has %d roles", len(in.Roles))
		}
		return err
	})
}

// Without scripts, Enter in a role adds one too.
func TestEnterInARoleWithoutScripts(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.withoutScripts()
	p.begins("payments")
	p.typesRole(0, "readonly", "ReadOnly", "us-east-1")
	p.does("pressing Enter", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Enter))
	p.role(1).finds("Region", "us-east-1")
	p.arrives("Connect AWS")
}

// Each wrong field says once what to do. The links of the summary focus the fields, and a button fills in a valid name.
func TestEveryErrorNamesItsField(t *testing.T) {
	t.Parallel()
	p := admin(t, empty(t))
	p.begins("Production AWS")
	p.presses("Create Integration")
	p.sees("Nothing was saved: 4 fields are not right.", "Enter the ARN: a role's ARN has the form",
		"Enter the region, as in us-east-1.", "Enter the name.")
	p.seesNot("is required", "Is required", "one of .")
	p.eventually("the first one has the focus", "document.activeElement === field('body', 'Name')")
	p.eventually("the summary is in view", `(() => {
		const r = document.querySelector("#faults").getBoundingClientRect();
		return r.top >= 0 && r.bottom <= innerHeight })()`)
	p.maybeTakes("form-problems")
	p.in("#faults").presses("Region of role 1")
	p.eventually("the region has the focus, in view", `document.activeElement === field("#role-0", "Region") &&
		document.activeElement.getBoundingClientRect().bottom <
			document.querySelector(".foot").getBoundingClientRect().top`)
	p.presses("Use production-aws")
	p.finds("Name", "production-aws")
	p.role(0).fills("Role ARN", arn("ReadOnly"))
	p.role(0).fills("Region", "us-east-1")
	p.does("leaving the field", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Tab))
	p.presses("Create Integration")
	p.arrives("production-aws")
}

// The first role of a new integration has the region that most others have, and none if there are none.
func TestTheFirstRoleHasTheUsualRegion(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	region := func(want string) {
		t.Helper()
		b.shows("/integrations/new/aws?external_id="+b.begin(), `name="role.0.region" value="`+want+`"`)
	}
	region("")
	b.create("production")
	region("us-east-1")
}

// The same button without scripts, and the default role that somebody has to choose.
func TestErrorsWithoutScripts(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.withoutScripts()
	p.begins("Production AWS")
	p.typesRole(0, "readonly", "ReadOnly", "us-east-1")
	p.presses("Create Integration")
	p.presses("Use production-aws")
	p.finds("Name", "production-aws")
	p.presses("Add Role")
	p.typesRole(1, "deployer", "Deployer", "us-east-1")
	p.presses("Add Role")
	p.typesRole(2, "tester", "Tester", "us-east-1")
	p.presses("Remove role readonly")
	p.presses("Create Integration")
	p.findsFault("Default role", "Choose the default role: deployer or tester.")
	p.chooses("Default role", "tester")
	p.presses("Create Integration")
	p.arrives("production-aws")
}

// Only what would be saved is a change: neither a tab, nor an open row, nor a search, nor validating.
func TestLookingIsNoChange(t *testing.T) {
	t.Parallel()
	p := admin(t, many(t))
	p.opens("/integrations/production" + editing)
	p.presses("AWS CLI")
	p.opened(1).finds("Region", "eu-central-1")
	p.fills("Find a role", "role-00")
	p.presses("Integrations")
	p.arrives("Integrations")
	if p.asked() != 0 {
		t.Error("whoever looked is asked whether to leave")
	}
	p.opens("/integrations/production" + editing)
	p.role(2).unticks("Select")
	p.presses("Integrations")
	p.arrives("Integrations")
	if p.asked() != 1 {
		t.Error("whoever deselected a role is not asked whether to leave")
	}
}

// A long word does not widen the page.
func TestALongWordInTheForm(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	long := strings.Repeat("w", 500)
	p.begins(strings.Repeat("n", 64))
	p.fills("Description", long)
	p.role(0).fills("Name", "a b"+strings.Repeat("n", 60))
	p.role(0).fills("Role ARN", arn(long))
	p.role(0).fills("Region", long)
	p.presses("Create Integration")
	p.sees("Nothing was saved")
	for _, width := range []int64{360, 1280, 1920} {
		p.turns("light", width)
		if got := find[int64](p, "the width", "document.scrollingElement.scrollWidth"); got > width {
			t.Errorf("at %d pixels it is %d wide: %s", width, got, find[[]string](p, "what is wide",
				fmt.Sprintf("[...document.querySelectorAll('main *')].filter((e) => e.scrollWidth > %d && "+
					"!e.closest('pre')).map((e) => e.outerHTML.slice(0, 100))", width)))
		}
	}
}

// Three validated roles, from the first page, in at most 11 clicks and 100 keys.
func TestTheShortestPath(t *testing.T) {
	t.Parallel()
	tb := empty(t)
	p := admin(t, tb)
	clicks, keys := 0, 0
	press := func(name string) { t.Helper(); clicks++; p.presses(name) }
	typed := func(text string) { t.Helper(); keys += len(text); p.does("typing", chromedp.KeyEvent(text)) }
	press("Connect AWS")
	p.arrives("Connect AWS")
	typed("production") // the name has the focus
	clicks++
	p.clicks("the ARN", "field('#role-0', 'Role ARN')")
	keys++
	p.pastes(arn("ReadOnly") + "\n" + arn("Deployer") + "\n" + arn("Tester"))
	p.eventually("the region is next", "document.activeElement === field('#role-0', 'Region')")
	typed("us-east-1")
	press("Validate")
	p.sees("3 selected roles can be assumed.")
	press("Create Integration")
	p.arrives("production")
	if clicks > 11 || keys > 100 {
		t.Errorf("it takes %d clicks and %d keys", clicks, keys)
	}
	t.Logf("%d clicks and %d keys", clicks, keys)
}

// editing is the end of the address of the form of a saved integration.
const editing = "/edit"
