package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

const asksBeforeChanges = "Reads freely, asks a person before each change"

// A newcomer lets an agent read, and demands a yes for everything else, with and without scripts.
func TestAnAgentThatAsksBeforeEachChange(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := testbed.New(t, nil)
			p := admin(t, tb)
			if !scripts {
				p.withoutScripts()
			}
			p.opens("/agents/new")
			p.fills("Name", "reader")
			p.fills("Integration", "staging")
			p.presses("Add")
			p.sees("In staging, reader reads whatever the roles allow by itself; every change waits for a person’s yes. " +
				"It holds no AWS key.")
			p.ticks("Everything the roles allow")
			if scripts {
				p.sees("In staging, reader may do everything that the roles allow. It gets AWS keys, and asks nobody.")
			}
			p.fills("Another integration", "production")
			p.presses("Add")
			p.sees("In production, reader reads whatever the roles allow")
			p.presses("Remove staging")
			p.eventually("staging is gone", "!document.querySelector('#choosing').textContent.includes('In staging')")
			p.ticks("Reads, changes nothing")
			p.ticks(asksBeforeChanges)
			if scripts {
				p.sees("every change waits for a person’s yes. It holds no AWS key.")
			}
			p.finds("Name", "reader")
			p.presses("Create Agent")
			p.arrives("reader enabled")
			p.sees("It has no token yet.",
				"It reads whatever the roles allow by itself; every change waits for a person’s yes. It holds no AWS key.",
				"Its AWS keys are withheld: rolebroker exec sends the calls of its programs through this server.",
				"rolebroker exec -- aws sts get-caller-identity")
			p.presses("Create Token")
			p.eventually("the page of the tokens", "!window.before && ready()")
			p.presses("Create Token")
			p.arrives("New token of reader")
			p.sees("Its AWS keys are withheld")

			agent, err := tb.Admin.Agent(t.Context(), "reader")
			if err != nil {
				t.Fatal(err)
			}
			if c := agent.Connections[0]; len(agent.Connections) != 1 || c.Integration != "production" ||
				c.Access != "full" || c.Keys != "withheld" || c.Approval != "write" ||
				agent.DefaultIntegration != "production" {
				t.Errorf("it is connected as %+v", agent)
			}
		})
	}
}

// Who creates an agent that has to ask is told in time that somebody else says yes, and where to make a key for them.
func TestNewAgentSaysWhoCannotApprove(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	const nobody, leads = "Nobody can say yes yet", `href="/settings?access=approver#keys"`
	const alone = "No person can approve what it asks for: it is owned by the API key admin"
	b := s.as(s.admin)
	b.create("production")
	s.deleteKey("reader")
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	preset := "preset." + string(in.ID)
	b.shows("/agents/new", "production", nobody, leads) // the only integration is chosen
	b.lacks("/agents/new?integration=nothing", nobody)
	answer := b.post("/agents/new", "name", "x", "integration", string(in.ID), preset, "full", "action", "say")
	if b.answers(answer, http.StatusOK, "asks nobody"); strings.Contains(answer.Body.String(), nobody) {
		t.Error("an agent that asks nobody needs somebody who says yes")
	}
	b.answers(b.post("/agents/new", "name", "scout", "integration", string(in.ID), "action", "create"),
		http.StatusSeeOther)
	b.answers(b.post("/agents/new", "name", "free", "integration", string(in.ID), preset, "full", "action", "create"),
		http.StatusSeeOther)
	b.shows("/agents/scout", alone, leads)
	b.lacks("/agents/free", alone)
	b.shows("/settings?access=approver", `value="approver" selected`, "that takes another key")

	s.key("dana", rolebroker.KeyReadOnly)
	b.shows("/agents/scout", alone)
	s.key("eve", rolebroker.KeyApprover)
	b.lacks("/agents/scout", alone)
	b.lacks("/agents/new", nobody)
}

// Names of 500 integrations come while somebody types, and what is wrong is said at its field.
func TestNewAgentAmong500Integrations(t *testing.T) {
	t.Parallel()
	s := crowdedSite(t)
	b := s.as(s.admin)
	page := b.get("/agents/new").Body.String()
	if n := strings.Count(page, "<option"); n != 100 {
		t.Errorf("%d names are offered, not 100", n)
	}
	if strings.Contains(page, "team-300") {
		t.Error("a name is offered that is not one of the first 100")
	}
	b.shows("/agents/new?another=eam-30", `<option value="team-300">`, `<option value="team-309">`)
	in, err := s.broker.Integration(t.Context(), root, "team-300")
	if err != nil {
		t.Fatal(err)
	}
	id := string(in.ID)
	form := func(status int, fields []string, says ...string) string {
		t.Helper()
		answer := b.post("/agents/new", fields...)
		b.answers(answer, status, says...)
		return answer.Body.String()
	}
	const wrong = http.StatusUnprocessableEntity
	form(wrong, []string{"name", "x", "another", "team-900", "action", "create"}, "team-900", `href="#another"`)
	form(wrong, []string{"name", "x", "another", "", "action", "add"}, "Enter the name of an integration.")
	form(wrong, []string{"name", "x", "integration", id, "another", "team-300", "action", "add"},
		"The integration team-300 is chosen already.")
	form(http.StatusConflict, []string{"name", "scout", "action", "create"}, "Use scout-1", `href="#name"`)
	form(wrong, []string{"name", "a b", "action", "create"}, "Use a-b",
		"It cannot be created yet: 1 field is not right.")
	form(wrong, []string{"name", "", "action", "create"}, "Enter the name.")
	shown := form(http.StatusOK, []string{"name", "scout", "use", "name=scout-1", "integration", id,
		"preset." + id, "read-only"},
		`value="scout-1"`, "may read, and change nothing")
	if strings.Contains(shown, `<option value="team-300">`) {
		t.Error("an integration that is chosen is offered")
	}
	form(http.StatusOK, []string{"name", "y", "another", "team-300", "action", "enter"}, `value="`+id+`"`)

	// What is typed and not added counts all the same.
	form(http.StatusSeeOther, []string{"name", "y", "another", "team-300", "action", "create"})
	form(http.StatusSeeOther, []string{"name", "z", "integration", id, "preset." + id, "ask-roles", "action", "create"})
	approvals := map[string]rolebroker.Approval{"y": rolebroker.ApprovalWrite, "z": rolebroker.ApprovalBorrow}
	for name, want := range approvals {
		agent, err := s.broker.Agent(t.Context(), root, name)
		if err != nil {
			t.Fatal(err)
		}
		if c := agent.Connections; len(c) != 1 || c[0].Integration != in.ID || c[0].Approval != want {
			t.Errorf("%s is connected as %+v", name, c)
		}
	}
}
