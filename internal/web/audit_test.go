package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// The page of an event with hundreds of fields has the first ones, and says how many it leaves out.
func TestAnEventWithManyFields(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.reader)
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	body := b.get("/integrations/" + string(in.ID) + "/activity").Body.String()
	if !strings.Contains(body, " more fields, which the export of these events has") || len(body) > maxPage/4 {
		t.Errorf("its page has %d bytes: %.3000s", len(body), body)
	}
}

// Readers see who did what, with filters in the address, what changed, and where to go from there.
func TestTheActivity(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	b.answers(b.post("/agents/new", "name", "scout", "description", "first <one>"), http.StatusSeeOther)
	s.now = s.now.Add(time.Minute)
	for range 60 {
		_, _, err := s.broker.CreateToken(context.Background(), root, "scout", broker.TokenSpec{})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.now = s.now.Add(time.Minute)
	reader := s.as(s.key("viewer", rolebroker.KeyReadOnly))
	reader.answers(reader.post("/agents/scout/disable"), http.StatusForbidden)

	reader.shows("/audit", "agent.disable", "refused", "is read-only", "token.create", `href="/audit?after=`,
		"rolebroker audit verify", "No key signs the trail")
	older := reader.get("/audit").Body.String()
	_, older, _ = strings.Cut(older, `<a href="/audit?after=`)
	older, _, _ = strings.Cut(older, `"`)
	reader.shows("/audit?after="+older, "agent.create", "first &lt;one&gt;", "Newest", `href="`+path)

	only := func(address string, shown, hidden string) {
		t.Helper()
		body := reader.get(address).Body.String()
		if !strings.Contains(body, shown) || strings.Contains(body, hidden) {
			t.Errorf("%s has not %s, or has %s", address, shown, hidden)
		}
	}
	only("/audit?outcome=refused", "agent.disable", "token.create")
	only("/audit?actor=viewer", "agent.disable", "token.create")
	only("/audit?action=agent.create", "first &lt;one&gt;", "token.create")
	only("/audit?subject=production", "integration.create", "token.create")
	only("/audit?address=192.0.2.1&action=agent", "agent.create", "token.create")
	only("/audit?until=2001-01-01T00:00", "No event matches", "token.create")
	only("/audit?since=2001-01-01&action=token", "token.create", "agent.create")
	only("/audit?actor=nobody", "No event matches", "token.create")
	reader.shows("/audit?since=yesterday", "From must be a time in UTC")
	reader.shows("/audit?address=here", "Address must be one IP address")
	reader.shows("/audit?outcome=perhaps", "Outcome must be done or refused")
	reader.shows("/audit?since=2001-01-01T00:00&subject=a%20b", "rolebroker audit list --subject &#39;a b&#39; "+
		"--since 2001-01-01T00:00:00Z")
	reader.shows("/agents/scout/activity", `href="/audit?subject=agt_`)
	reader.shows(path+"/activity", "integration.create", `href="/audit?subject=int_`,
		`href="/audit/export?subject=int_`)
	export := reader.get("/audit/export?action=token")
	if lines := strings.Count(export.Body.String(), "\n"); lines != 60 ||
		strings.Count(export.Body.String(), `"action":"token.create"`) != 60 {
		t.Errorf("the export has %d lines: %.300s", lines, export.Body)
	}
	reader.answers(reader.get("/audit/export?since=yesterday"), http.StatusUnprocessableEntity)
}
