package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// A role has a page with its state, its ARN, the agents that may borrow it and its activity. Events, searches, sessions
// and the line of the role lead there.
func TestThePageOfARole(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	role := &in.Roles[0]
	page := "/roles/" + string(role.ID)
	for agent, limits := range map[string]*broker.Limits{"scout": nil, "narrow": {Roles: &[]string{role.Name}}} {
		if _, err := s.broker.CreateAgent(t.Context(), root, broker.AgentSpec{Name: agent}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.broker.Connect(t.Context(), root, agent, "production", limits, 0); err != nil {
			t.Fatal(err)
		}
	}
	reader := s.as(s.reader)
	reader.shows(page, "<title>production/readonly", `href="`+path+`">production</a>`, role.ARN.String(),
		">scout</a>", ">narrow</a>", `href="`+page+`/activity"`, "/setup?role=readonly", "its default role")
	reader.lacks(page, `action="`+path+`/roles"`)
	reader.shows(path, `href="`+page+`"`)
	agent, err := s.broker.Agent(t.Context(), root, "scout")
	if err != nil {
		t.Fatal(err)
	}
	session := "/sessions/" + string(s.lends(agent, in, "readonly").ID)
	reader.shows(page+"/activity", "session.begin", "/audit?subject="+string(role.ID))
	for _, at := range []string{session, "/audit"} {
		reader.shows(at, `href="`+page+`"`)
	}
	if to := reader.get("/search?q=" + string(role.ID)).Header().Get("Location"); to != page {
		t.Errorf("searching its ID leads to %q", to)
	}
	for _, none := range []string{"/roles/rol_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/roles/readonly"} {
		if answer := reader.get(none); answer.Code != http.StatusNotFound {
			t.Errorf("%s answers %d", none, answer.Code)
		}
	}
}

// The buttons of a role's page change the role, and lead back to it.
func TestChangingARoleOnItsPage(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	role := func() rolebroker.Role {
		t.Helper()
		in, err := s.broker.Integration(t.Context(), root, "production")
		if err != nil {
			t.Fatal(err)
		}
		return in.Roles[0]
	}
	id := string(role().ID)
	page := "/roles/" + id
	presses := func(version, action, done string) {
		t.Helper()
		answer := b.post(path+"/roles", "version", version, "role", id, "of", id, "action", action)
		if to := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || to != page+"?done="+done {
			t.Errorf("%s answers %d and leads to %q", action, answer.Code, to)
		}
	}
	b.shows(page, `name="of" value="`+id+`"`, `value="validate"`, `value="disable"`)
	presses("1", "validate", "validated")
	presses("1", "disable", "updated")
	if role().Enabled {
		t.Error("it is enabled")
	}
	b.shows(page, "It is not selected", "not selected</span>", `value="enable"`)
	b.lacks(page, `value="disable"`, `value="validate"`)
	presses("2", "enable", "updated")
	if !role().Enabled {
		t.Error("it is not enabled")
	}
	stale := b.post(path+"/roles", "version", "1", "role", id, "of", id, "action", "disable")
	b.answers(stale, http.StatusConflict, "Nothing was changed")
	removing := b.post(path+"/roles", "version", "3", "role", id, "action", "remove")
	if !strings.Contains(removing.Body.String(), "Remove 1 role from production?") {
		t.Errorf("removing it answers %d: %s", removing.Code, removing.Body)
	}
}
