package storetest

import (
	"fmt"
	"slices"

	"github.com/rolebroker/rolebroker"
)

func testAgent(s *suite) {
	production, staging := s.createIntegration("production", "readonly"), s.createIntegration("staging", "readonly")
	a := s.agent("scout", staging, production)
	owner := key("alice", rolebroker.KeyAdmin, t2)
	s.must(s.store.CreateAPIKey(s.ctx, owner, Event()))
	a.Disabled, a.DefaultIntegration, a.Owner, a.OwnerName = true, production.ID, rolebroker.PrincipalID(owner.ID),
		"alice"
	s.must(s.store.CreateAgent(s.ctx, a, Event()))
	for _, ref := range []string{a.Name, string(a.ID)} {
		got, err := s.store.Agent(s.ctx, ref)
		s.must(err)
		s.equal(got, a)
	}
	s.hasAgent(s.createAgent("loner"))
	for _, ref := range []string{"", "Scout", "nope"} {
		_, err := s.store.Agent(s.ctx, ref)
		s.code(err, rolebroker.CodeNotFound, `there is no agent "`+ref+`"`)
	}

	// A connection has the integration's current name.
	staging.Name, staging.Version = "stage", 2
	s.must(s.store.UpdateIntegration(s.ctx, staging, 1, Event()))
	a.Connections[0].IntegrationName = "stage"
	s.hasAgent(a)

	// The owner stays when the key is gone, so that no other key becomes the owner.
	a.Owner, a.OwnerName, a.Version = "key_gone", "", 2
	s.must(s.store.UpdateAgent(s.ctx, a, 1, Event()))
	s.hasAgent(a)
}

func testAgentConflicts(s *suite) {
	in := s.createIntegration("production", "readonly")
	scout := s.createAgent("scout", in)
	s.code(s.store.CreateAgent(s.ctx, s.agent("scout"), Event()), rolebroker.CodeConflict,
		`an agent named "scout" exists already`)
	same := s.agent("same")
	same.ID = scout.ID
	s.code(s.store.CreateAgent(s.ctx, same, Event()), rolebroker.CodeConflict,
		`an agent with the ID `+string(scout.ID)+` exists already`)
	s.code(s.store.CreateAgent(s.ctx, s.agent("twice", in, in), Event()), rolebroker.CodeConflict,
		`agent "twice" is connected to an integration twice`)
	_, err := s.store.Agent(s.ctx, "twice")
	s.code(err, rolebroker.CodeNotFound, "")
}

func testUpdateAgent(s *suite) {
	var all []*rolebroker.Integration
	for _, name := range numbered("int", 60) {
		all = append(all, s.createIntegration(name, "readonly"))
	}
	a := s.createAgent("scout", all[:2]...)
	s.createAgent("other")
	slices.Reverse(all)
	changed := s.agent("ranger", all...)
	changed.ID, changed.Description, changed.Disabled, changed.Version, changed.CreatedAt = a.ID, "", true, 2, t2
	s.must(s.store.UpdateAgent(s.ctx, changed, 1, Event()))
	changed.CreatedAt = a.CreatedAt // stays
	s.hasAgent(changed)

	const stale = `agent "ranger" was changed by someone else (it is at version 2)`
	s.code(s.store.UpdateAgent(s.ctx, a, 1, Event()), rolebroker.CodeStale, stale)
	s.code(s.store.DeleteAgent(s.ctx, a.ID, 1, Event()), rolebroker.CodeStale, stale)
	taken := *changed
	taken.Name = "other"
	s.code(s.store.UpdateAgent(s.ctx, &taken, 2, Event()), rolebroker.CodeConflict,
		`an agent named "other" exists already`)
	unknown := *changed
	unknown.ID = rolebroker.NewAgentID()
	s.code(s.store.UpdateAgent(s.ctx, &unknown, 2, Event()), rolebroker.CodeNotFound,
		`there is no agent "`+string(unknown.ID)+`"`)
	s.hasAgent(changed)

	changed.Connections, changed.DefaultIntegration, changed.Version = nil, "", 3
	s.must(s.store.UpdateAgent(s.ctx, changed, 2, Event()))
	s.hasAgent(changed)
}

func testAgentOfDeletedIntegration(s *suite) {
	in, gone := s.createIntegration("production", "readonly"), s.createIntegration("gone", "readonly")
	a := s.createAgent("scout", in)
	s.must(s.store.DeleteIntegration(s.ctx, gone.ID, 0, Event()))
	want := `there is no integration "` + string(gone.ID) + `"`
	s.code(s.store.CreateAgent(s.ctx, s.agent("new", in, gone), Event()), rolebroker.CodeNotFound, want)

	changed := s.agent("scout", in, gone)
	changed.ID, changed.Version = a.ID, 2
	s.code(s.store.UpdateAgent(s.ctx, changed, 1, Event()), rolebroker.CodeNotFound, want)
	changed.Connections, changed.DefaultIntegration = changed.Connections[:1], gone.ID
	s.code(s.store.UpdateAgent(s.ctx, changed, 1, Event()), rolebroker.CodeNotFound, want)
	s.hasAgent(a)
}

func testDeleteAgent(s *suite) {
	in := s.createIntegration("production", "readonly")
	a, other := s.createAgent("scout", in), s.createAgent("other", in)
	token := rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: a.ID, Hash: []byte{1}, CreatedAt: t0}
	s.must(s.store.CreateToken(s.ctx, &token, Event()))
	s.must(s.store.DeleteAgent(s.ctx, a.ID, 1, Event()))
	s.code(s.store.DeleteAgent(s.ctx, a.ID, 0, Event()), rolebroker.CodeNotFound, `there is no agent "`+
		string(a.ID)+`"`)
	_, err := s.store.Token(s.ctx, token.ID)
	s.code(err, rolebroker.CodeNotFound, `there is no token "`+string(token.ID)+`"`)
	s.must(s.store.DeleteAgent(s.ctx, other.ID, 0, Event()))
	s.hasIntegration(in)
}

func testListAgents(s *suite) {
	in, second := s.createIntegration("production", "readonly"), s.createIntegration("staging", "readonly")
	want := map[string]*rolebroker.Agent{}
	for i, name := range numbered("agent", 11) {
		want[name] = s.createAgent(name, []*rolebroker.Integration{in, second}[:i%3]...)
	}
	for _, limit := range []int{1, 4, 11, 100} {
		got := pages(s, limit, func(p rolebroker.Page) ([]rolebroker.Agent, error) {
			return s.store.Agents(s.ctx, p)
		}, agentName)
		s.equal(names(got, agentName), numbered("agent", 11))
		for i := range got {
			s.equal(&got[i], want[got[i].Name])
		}
	}
	for nameOrID, of := range map[string]*rolebroker.Integration{"production": in, string(second.ID): second,
		"nowhere": {ID: "int_x"}} {
		got := pages(s, 2, func(p rolebroker.Page) ([]rolebroker.Agent, error) {
			p.Integration = nameOrID
			return s.store.Agents(s.ctx, p)
		}, agentName)
		connected := slices.DeleteFunc(numbered("agent", 11), func(name string) bool {
			return !want[name].Connected(of.ID)
		})
		s.equal(names(got, agentName), connected)
		for i := range got {
			s.equal(&got[i], want[got[i].Name]) // with its other connections
		}
	}
}

// grantsOf returns the grants of a new agent that is connected to the integrations.
func grantsOf(a *rolebroker.Agent, integrations ...*rolebroker.Integration) *rolebroker.Grants {
	grants := &rolebroker.Grants{Agent: *a}
	for _, in := range integrations {
		granted := *in
		granted.Roles = slices.Clone(in.Roles)
		for i := range granted.Roles {
			granted.Roles[i].Generation, granted.Roles[i].KeyGeneration = 1, 1 // the connection's
		}
		grants.Integrations = append(grants.Integrations, granted)
	}
	return grants
}

func testGrants(s *suite) {
	production := s.createIntegration("production", "readonly", "deployer")
	staging := s.createIntegration("staging", "zeta", "alpha")
	empty := s.createIntegration("empty")
	s.createIntegration("unrelated", "readonly")
	a := s.createAgent("scout", staging, empty, production)
	got, err := s.store.Grants(s.ctx, a.ID)
	s.must(err)
	s.equal(got, grantsOf(a, staging, empty, production))

	loner := s.createAgent("loner")
	got, err = s.store.Grants(s.ctx, loner.ID)
	s.must(err)
	s.equal(got, &rolebroker.Grants{Agent: *loner})

	for _, id := range []rolebroker.AgentID{"", "scout", rolebroker.NewAgentID()} { // an ID, not a name
		_, err = s.store.Grants(s.ctx, id)
		s.code(err, rolebroker.CodeNotFound, `there is no agent "`+string(id)+`"`)
	}
}

// limit limits the connections of an agent: the first in every way, the second to no role at all.
func limit(a *rolebroker.Agent, in *rolebroker.Integration, roles ...int) {
	c := &a.Connections[0]
	c.Access, c.SessionPolicy = rolebroker.AccessPolicy, `{"Version":"2012-10-17","Statement":[]}`
	c.Approval, c.Roles = rolebroker.ApprovalBorrow, []rolebroker.ConnectionRole{}
	for _, i := range roles {
		c.Roles = append(c.Roles, rolebroker.ConnectionRole{ID: in.Roles[i].ID, Name: in.Roles[i].Name})
	}
	if len(a.Connections) > 1 {
		a.Connections[1].Access, a.Connections[1].Roles = rolebroker.AccessReadOnly, []rolebroker.ConnectionRole{}
	}
}

// testLimits checks that a connection keeps what it lets the agent do, and that a role that is removed drops out and
// one that is renamed does not.
func testLimits(s *suite) {
	production := s.createIntegration("production", "readonly", "deployer", "tester", "zeta")
	staging := s.createIntegration("staging", "readonly")
	a := s.agent("scout", production, staging)
	limit(a, production, 0, 2, 3)
	s.must(s.store.CreateAgent(s.ctx, a, Event()))
	s.createAgent("other", staging, production)
	has := func() {
		s.Helper()
		s.hasAgent(a)
		listed, err := s.store.Agents(s.ctx, rolebroker.Page{Limit: 1, Search: "scout"})
		s.must(err)
		s.equal(&listed[0], a)
		granted, err := s.store.Grants(s.ctx, a.ID)
		s.must(err)
		s.equal(&granted.Agent, a)
	}
	has()

	production.Roles[2].Name, production.Version = "examiner", 2
	production.Roles = append(production.Roles[:0], production.Roles[1:]...) // without readonly
	production.DefaultRole = "deployer"
	s.must(s.store.UpdateIntegration(s.ctx, production, 1, Event()))
	a.Connections[0].Roles = a.Connections[0].Roles[1:]
	a.Connections[0].Roles[0].Name = "examiner"
	has()

	production.Roles, production.Version = production.Roles[:1], 3
	s.must(s.store.UpdateIntegration(s.ctx, production, 2, Event()))
	a.Connections[0].Roles = []rolebroker.ConnectionRole{} // and not nil, which means all
	has()

	a.Connections[0], a.Version = rolebroker.NewConnection(production, a.Connections[0].ConnectedAt), 2
	s.must(s.store.UpdateAgent(s.ctx, a, 1, Event()))
	has()
}

// testSessionPolicies checks that each policy is listed once, the longest first, with the longest names of its agents.
func testSessionPolicies(s *suite) {
	production := s.createIntegration("production", "readonly", "deployer")
	other := s.createIntegration("other", "readonly")
	connect := func(name string, change func(*rolebroker.Connection, *rolebroker.Agent)) {
		s.Helper()
		a := s.agent(name, production, other)
		if change != nil {
			change(&a.Connections[0], a)
		}
		s.must(s.store.CreateAgent(s.ctx, a, Event()))
	}
	policy := func(text string) func(*rolebroker.Connection, *rolebroker.Agent) {
		return func(c *rolebroker.Connection, _ *rolebroker.Agent) {
			c.Access, c.SessionPolicy = rolebroker.AccessPolicy, text
		}
	}
	lists := func(policies, agents int, want ...rolebroker.TriedPolicy) {
		s.Helper()
		got, err := s.store.SessionPolicies(s.ctx, production.ID, policies, agents)
		s.must(err)
		s.equal(append([]rolebroker.TriedPolicy{}, got...), append([]rolebroker.TriedPolicy{}, want...))
	}
	connect("full", nil)
	lists(9, 9)

	for _, name := range []string{"b", "long", "a", "longer"} {
		connect(name, policy("{long policy}"))
	}
	connect("short", policy("{}"))
	connect("disabled", func(c *rolebroker.Connection, a *rolebroker.Agent) {
		policy("{another policy}")(c, a)
		a.Disabled = true
	})
	connect("nothing", func(c *rolebroker.Connection, a *rolebroker.Agent) {
		policy("{another policy}")(c, a)
		c.Roles = []rolebroker.ConnectionRole{}
	})
	connect("some", func(c *rolebroker.Connection, a *rolebroker.Agent) {
		policy("{long policy}")(c, a)
		c.Roles = []rolebroker.ConnectionRole{{ID: production.Roles[1].ID, Name: "deployer"}}
	})
	connect("asks", func(c *rolebroker.Connection, _ *rolebroker.Agent) { c.Approval = rolebroker.ApprovalBorrow })
	connect("reader", func(c *rolebroker.Connection, _ *rolebroker.Agent) { c.Access = rolebroker.AccessReadOnly })
	of := func(access rolebroker.Access, text string, count int, agents ...string) rolebroker.TriedPolicy {
		return rolebroker.TriedPolicy{Access: access, SessionPolicy: text, Count: count, Agents: agents}
	}
	asks, some := of("full", "", 1, "asks"), of("policy", "{long policy}", 1, "some")
	asks.Ends, some.Roles = true, []rolebroker.RoleID{production.Roles[1].ID}
	all, short := of("policy", "{long policy}", 4, "longer", "long", "a", "b"), of("policy", "{}", 1, "short")
	lists(9, 9, all, some, short, asks, of("read-only", "", 1, "reader"))
	all.Agents = all.Agents[:2]
	lists(2, 2, all, some)
	lists(1, 2, all)
}

func testOneOfManyUpdatesWins(s *suite) {
	in := s.createIntegration("production", "a", "b")
	a := s.createAgent("scout", in)
	const n = 20
	updateIntegration := func(i int) error {
		mine := *in
		mine.Description, mine.Version = fmt.Sprint(i), 2
		return s.store.UpdateIntegration(s.ctx, &mine, 1, Event())
	}
	updateAgent := func(i int) error {
		mine := *a
		mine.Description, mine.Version = fmt.Sprint(i), 2
		return s.store.UpdateAgent(s.ctx, &mine, 1, Event())
	}
	winner := func(errs []error) string {
		s.Helper()
		won := []string{}
		for i, err := range errs {
			if err == nil {
				won = append(won, fmt.Sprint(i))
				continue
			}
			s.code(err, rolebroker.CodeStale, "")
		}
		if len(won) != 1 {
			s.Fatalf("%d of %d updates of the same version won", len(won), n)
		}
		return won[0]
	}
	in.Description = winner(atOnce(n, updateIntegration))
	in.Version = 2
	s.hasIntegration(in)
	a.Description = winner(atOnce(n, updateAgent))
	a.Version = 2
	s.hasAgent(a)
}

// testDeletionMeetsUpdates deletes integrations while agents are being connected
// to them. Each side waits for the other's rows, in either order.
func testDeletionMeetsUpdates(s *suite) {
	for round := range 10 {
		name := fmt.Sprintf("round%d", round)
		in := s.createIntegration(name, "readonly")
		a, b := s.createAgent(name+"-a", in), s.createAgent(name+"-b", in)
		errs := atOnce(4, func(i int) error {
			if i == 3 {
				return s.store.DeleteIntegration(s.ctx, in.ID, 0, Event())
			}
			mine := *[]*rolebroker.Agent{a, b, a}[i]
			mine.Version = 2
			return s.store.UpdateAgent(s.ctx, &mine, 1, Event())
		})
		s.must(errs[3])
		for _, err := range errs[:3] {
			if code := rolebroker.CodeOf(err); code != "" && code != rolebroker.CodeNotFound &&
				code != rolebroker.CodeStale {
				s.Fatalf("%v (cause: %v)", err, rolebroker.AsError(err).Cause)
			}
		}
		for _, want := range []*rolebroker.Agent{a, b} {
			got, err := s.store.Agent(s.ctx, string(want.ID))
			s.must(err)
			if len(got.Connections) != 0 || got.DefaultIntegration != "" {
				s.Fatalf("agent %s is still connected to the deleted integration: %+v", got.Name, got)
			}
		}
	}
}
