package storetest

import (
	"github.com/rolebroker/rolebroker"
)

// generations watches the generations of all roles of two agents.
type generations struct {
	*suite
	agents []*rolebroker.Agent
	before map[string]int64
	keys   map[string]int64 // the generations of keys for the gateway before
}

// now returns the generations by the names of agent and role, and those of keys for the gateway.
func (g *generations) now() (all, keys map[string]int64) {
	g.Helper()
	all, keys = map[string]int64{}, map[string]int64{}
	for _, a := range g.agents {
		grants, err := g.store.Grants(g.ctx, a.ID)
		g.must(err)
		for _, in := range grants.Integrations {
			for _, r := range in.Roles {
				name := a.Name + " " + in.Name + "/" + r.Name
				all[name], keys[name] = r.Generation, r.KeyGeneration
			}
		}
	}
	return all, keys
}

// raises checks which generations a change raised, of roles and of keys for them: no other changed.
func (g *generations) raises(err error, want ...string) {
	g.Helper()
	g.must(err)
	g.equal(g.raisedKeys(), named(want))
	g.equal(g.raised(), named(want))
}

// raisesButKeys is raises for a change that leaves the keys for the gateway of other tokens.
func (g *generations) raisesButKeys(err error, want ...string) {
	g.Helper()
	g.must(err)
	g.equal(g.raisedKeys(), named(nil))
	g.equal(g.raised(), named(want))
}

func (g *generations) raised() map[string]bool {
	g.Helper()
	before := g.before
	g.before, _ = g.now()
	return grown(before, g.before)
}

func (g *generations) raisedKeys() map[string]bool {
	g.Helper()
	before := g.keys
	_, g.keys = g.now()
	return grown(before, g.keys)
}

// grown says of the numbers that changed whether they grew.
func grown(before, now map[string]int64) map[string]bool {
	changed := map[string]bool{}
	for role, generation := range now {
		if was, known := before[role]; known && generation != was {
			changed[role] = generation > was
		}
	}
	return changed
}

func named(roles []string) map[string]bool {
	all := map[string]bool{}
	for _, role := range roles {
		all[role] = true
	}
	return all
}

// testGenerations checks that whatever ends lending raises the generations that it
// concerns, and that nothing lowers one or raises another.
func testGenerations(s *suite) {
	production, staging := s.createIntegration("production", "a", "b"), s.createIntegration("staging", "c")
	scout, other := s.createAgent("scout", production, staging), s.createAgent("other", production)
	token, binding := s.createToken(scout), s.createBinding(scout, account("scout"))
	g := &generations{suite: s, agents: []*rolebroker.Agent{scout, other}}
	g.before, g.keys = g.now()
	update := func(a *rolebroker.Agent, change func(*rolebroker.Agent)) error {
		version := a.Version
		change(a)
		a.Version++
		return s.store.UpdateAgent(s.ctx, a, version, Event())
	}
	edit := func(in *rolebroker.Integration, change func(*rolebroker.Integration)) error {
		version := in.Version
		change(in)
		in.Version++
		return s.store.UpdateIntegration(s.ctx, in, version, Event())
	}
	ofScout := []string{"scout production/a", "scout production/b", "scout staging/c"}

	g.raises(update(scout, func(a *rolebroker.Agent) { a.Disabled = true }), ofScout...)
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Description = "still disabled" }))
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Disabled = false }))
	g.raisesButKeys(s.store.RevokeToken(s.ctx, scout.ID, token.ID, t1, Event()), ofScout...)
	g.raisesButKeys(s.store.RevokeToken(s.ctx, scout.ID, token.ID, t1, Event())) // it was revoked already
	g.raisesButKeys(s.store.DeleteBinding(s.ctx, scout.ID, binding.ID, Event()), ofScout...)

	connections := scout.Connections
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Connections = connections[1:] })) // staging stays as it is
	connected, _ := g.now()
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Connections = connections }))
	again, _ := g.now()
	s.equal(connected["scout staging/c"], again["scout staging/c"])
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Connections = connections[:1] }))
	g.raises(update(scout, func(a *rolebroker.Agent) { a.Connections = connections }))

	ofProduction := []string{"scout production/a", "scout production/b"}
	for _, change := range []func(c *rolebroker.Connection){
		func(c *rolebroker.Connection) { c.Access = rolebroker.AccessReadOnly },
		func(c *rolebroker.Connection) { c.Access, c.SessionPolicy = rolebroker.AccessPolicy, "{}" },
		func(c *rolebroker.Connection) { c.SessionPolicy = `{"Statement":[]}` },
		func(c *rolebroker.Connection) {
			c.Roles = []rolebroker.ConnectionRole{{ID: production.Roles[0].ID, Name: "a"}}
		},
		func(c *rolebroker.Connection) { c.Roles = []rolebroker.ConnectionRole{} },
		func(c *rolebroker.Connection) { c.Roles = nil },
		func(c *rolebroker.Connection) { c.Keys = rolebroker.KeysWithheld },
		func(c *rolebroker.Connection) { c.AllowedActions = []string{"sts:AssumeRole", "ec2:GetPasswordData"} },
		func(c *rolebroker.Connection) { c.AllowedActions = []string{"sts:AssumeRole"} },
		func(c *rolebroker.Connection) { c.Approval = rolebroker.ApprovalBorrow },
		func(c *rolebroker.Connection) { *c = rolebroker.NewConnection(production, c.ConnectedAt) },
	} {
		g.raises(update(scout, func(a *rolebroker.Agent) { change(&a.Connections[0]) }), ofProduction...)
		g.raises(update(scout, func(a *rolebroker.Agent) { a.Description += "." }))
	}

	both := []string{"scout production/a", "other production/a"}
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Roles[0].Enabled = false }), both...)
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Description = "still disabled" }))
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Roles[0].Enabled = true }))
	arn := production.Roles[0].ARN
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Roles[0].ARN.Name = "Other" }), both...)
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Roles[0].ARN = arn }), both...)
	all := []string{"scout production/a", "scout production/b", "other production/a", "other production/b"}
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Enabled = false }), all...)
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Description = "still disabled" }))
	g.raises(edit(production, func(in *rolebroker.Integration) { in.Enabled = true }))
	g.raises(edit(production, func(in *rolebroker.Integration) { in.AssumptionMode = rolebroker.ModeCluster }),
		all...)
}

// testReconnected checks that a connection that was ended and made again has a
// generation that none of the agent's connections had.
func testReconnected(s *suite) {
	in := s.createIntegration("production", "a")
	a := s.createAgent("scout", in)
	connections, seen := a.Connections, map[int64]bool{}
	for range 3 {
		grants, err := s.store.Grants(s.ctx, a.ID)
		s.must(err)
		generation := grants.Integrations[0].Roles[0].Generation
		if seen[generation] {
			s.Fatalf("generation %d comes back", generation)
		}
		seen[generation] = true
		for _, now := range [][]rolebroker.Connection{nil, connections} {
			a.Connections, a.Version = now, a.Version+1
			s.must(s.store.UpdateAgent(s.ctx, a, a.Version-1, Event()))
		}
	}
}
