package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// manyRoles makes an integration with 300 roles, and returns the address of its page.
func (b *browser) manyRoles() (path string, in *rolebroker.Integration) {
	b.Helper()
	path = b.create("production")
	ctx := context.Background()
	in, err := b.broker.Integration(ctx, root, "production")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 299 {
		arn, err := rolebroker.ParseRoleARN(fmt.Sprintf("arn:aws:iam::444455556666:role/teams/Payments%03d", i))
		if err != nil {
			b.Fatal(err)
		}
		in.Roles = append(in.Roles, rolebroker.Role{Name: fmt.Sprintf("payments-%03d", i), ARN: arn,
			Region: "eu-west-1", Enabled: i%3 != 0})
	}
	in, err = b.broker.UpdateIntegration(ctx, root, "production", *in, 0, rolebroker.ValidateSkip.Saving())
	if err != nil {
		b.Fatal(err)
	}
	return path, in
}

// 300 roles are one page, and are changed together. Nothing that somebody else saved meanwhile is lost.
func TestManyRolesAreChangedTogether(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path, in := b.manyRoles()
	ctx := context.Background()
	for _, name := range []string{"scout", "intern"} {
		spec := broker.AgentSpec{Name: name, Connections: broker.ConnectTo("production")}
		if _, err := s.broker.CreateAgent(ctx, root, spec); err != nil {
			t.Fatal(err)
		}
	}
	b.answers(b.post(path+"/roles", "action", "validate-all"), http.StatusSeeOther) // none of them is in AWS
	b.shows(path, "What happened, and what to do", "failed")
	page := b.get(path).Body
	if size := page.Len(); size > 200_000 || strings.Count(page.String(), "<li data-role=") != 300 {
		t.Errorf("300 roles are %d bytes", size)
	}
	for address, want := range map[string]int{path: 2, path + "?search=payments-298": 1, path + "?search=nothing": 0,
		path + "/edit": 4, "/roles/" + string(in.Roles[299].ID): 1} {
		if n := strings.Count(b.get(address).Body.String(), `class="advice"`); n != want {
			t.Errorf("GET %s has the advice for %d roles, not %d", address, n, want)
		}
	}
	b.shows(path+"?show=off", `Not selected <span class="count">100<`, "payments-000", "payments-297")
	if body := b.get(path + "?search=payments-17").Body.String(); strings.Count(body, "<li data-role=") != 10 {
		t.Errorf("the search shows %d roles", strings.Count(body, "<li data-role="))
	}
	b.shows(path+"?search=nothing&show=failing", "No role matches")
	if all := b.get(path + "?select=all").Body.String(); strings.Count(all, `" checked>`) != 300 {
		t.Errorf("%d roles are chosen", strings.Count(all, `" checked>`))
	}

	id := func(name string) string { return string(in.Role(name).ID) }
	version := func() string { return fmt.Sprint(in.Version) }
	now := func() *rolebroker.Integration {
		t.Helper()
		in, err := s.broker.Integration(ctx, root, "production")
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	b.answers(b.post(path+"/roles", "action", "disable", "version", version()), http.StatusUnprocessableEntity,
		"Choose a role first.")
	answer := b.post(path+"/roles", "action", "disable", "version", version(), "show", "failing",
		"role", id("payments-001"), "role", id("payments-002"))
	b.answers(answer, http.StatusSeeOther)
	if to := answer.Header().Get("Location"); !strings.Contains(to, "show=failing") {
		t.Errorf("it leads to %s", to)
	}
	if in := now(); in.Role("payments-001").Enabled || in.Role("payments-002").Enabled || len(in.Roles) != 300 {
		t.Error("the roles are not disabled, or others are lost")
	}

	// The page is of before: nothing changes, and what was chosen stays chosen.
	stale := b.post(path+"/roles", "action", "enable", "version", version(), "role", id("payments-001"))
	b.answers(stale, http.StatusConflict, "somebody else saved production", `value="`+id("payments-001")+`"`,
		`aria-label="Choose payments-001" checked`)
	in = now()
	b.answers(b.post(path+"/roles", "action", "default."+id("payments-004"), "version", version()), http.StatusSeeOther)
	if in = now(); in.DefaultRole != "payments-004" {
		t.Errorf("the default role is %s", in.DefaultRole)
	}

	// Removing asks, and needs another default role.
	remove := []string{"role", id("payments-004"), "role", id("payments-005"), "version", version()}
	b.answers(b.post(path+"/roles", append(remove, "action", "remove")...), http.StatusOK,
		"Remove 2 roles from production?", "2 agents (intern, scout) lose them", "New default role")
	if len(now().Roles) != 300 {
		t.Error("roles are removed before anybody answered")
	}
	b.answers(b.post(path+"/roles", append(remove, "action", "really-remove")...), http.StatusUnprocessableEntity,
		"Choose another default role.")
	b.answers(b.post(path+"/roles", append(remove, "action", "really-remove", "default", "readonly")...),
		http.StatusSeeOther)
	if in := now(); len(in.Roles) != 298 || in.DefaultRole != "readonly" {
		t.Errorf("there are %d roles, and the default is %s", len(in.Roles), in.DefaultRole)
	}
}

// Roles are chosen, disabled and removed on the page, without scripts too.
func TestChangingRolesOnTheirPage(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	p := admin(t, tb)
	p.looksAt("production")
	p.ticks("Choose deployer")
	p.presses("Disable Chosen")
	p.sees("Updated.")
	p.line("deployer").sees("not selected")
	cannotBorrow(t, tb, tb.Scout, "deployer")
	p.withoutScripts()
	p.ticks("Choose deployer")
	p.presses("Remove Chosen")
	p.arrives("Remove 1 role from production?")
	p.sees("Agent scout loses it.")
	p.presses("Remove Role")
	p.arrives("production")
	p.eventually("the role is gone", "document.querySelectorAll('[data-role]').length === 2")
	p.presses("Validate")
	p.arrives("production")
	p.sees("Validated.")
}
