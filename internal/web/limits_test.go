package web_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// The page of a connection shows and sets what the agent may do, and a button makes it read-only at once.
func TestAPageLimitsAConnection(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	ctx := context.Background()
	agent, err := s.broker.CreateAgent(ctx, root, broker.AgentSpec{Name: "scout", Connections: broker.ConnectTo("production")})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	page := "/agents/" + string(agent.ID)
	form := page + "/limits/" + string(in.ID)
	is := func(want rolebroker.Access, roles int, version string) {
		t.Helper()
		now, err := s.broker.Agent(ctx, root, "scout")
		if err != nil {
			t.Fatal(err)
		}
		if c := now.Connections[0]; c.Access != want || len(c.Roles) != roles {
			t.Errorf("it is %s with %v, want %s with %d roles", c.Access, c.Roles, want, roles)
		}
		b.shows(form, `name="version" value="`+version+`"`)
	}
	role := string(in.Roles[0].ID)

	b.shows(page, "Make read-only", ">full<")
	b.answers(b.post(form, "version", "1", "access", "read-only"), http.StatusSeeOther)
	is(rolebroker.AccessReadOnly, 0, "2")
	b.shows(page, ">read-only<")
	b.answers(b.post(form, "form", "limits", "version", "2", "access", "view-only", "scope", "some", "role", role,
		"approval", "none"), http.StatusSeeOther)
	is(rolebroker.AccessViewOnly, 1, "3")

	// Nothing is changed by a form that is wrong, or was made from an earlier version, or by a reader.
	wrong := func(status int, says string, fields ...string) {
		t.Helper()
		b.answers(b.post(form, append(fields, "form", "limits", "approval", "none")...), status, says)
		is(rolebroker.AccessViewOnly, 1, "3")
	}
	const refused = http.StatusUnprocessableEntity
	wrong(refused, "is not one of full", "version", "3", "access", "all")
	wrong(refused, "required with access policy", "version", "3", "access", "policy")
	wrong(refused, "Statement[0].Principal", "version", "3", "access", "policy", "session_policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}`)
	wrong(refused, "Choose a role", "version", "3", "access", "full", "scope", "some")
	wrong(refused, "cannot wait for a person before a write", "version", "3", "access", "full", "approval", "write")
	wrong(http.StatusConflict, "", "version", "2", "access", "full")
	wrong(http.StatusConflict, "", "access", "full")
	reader := s.as(s.reader)
	reader.answers(reader.post(form, "form", "limits", "version", "3", "access", "full"), http.StatusForbidden)
	is(rolebroker.AccessViewOnly, 1, "3")

	b.answers(b.post(form, "form", "limits", "version", "3", "access", "policy", "approval", "borrow", "session_policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`), http.StatusSeeOther)
	is(rolebroker.AccessPolicy, 0, "4")
	b.shows(form, "&#34;s3:Get*&#34;")
	b.shows(page, "a person approves first")
}
