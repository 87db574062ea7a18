package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
)

// testCutOff checks that the agent, its sessions, its access requests and the event change together, or not at all.
func testCutOff(s *suite) {
	in := s.createIntegration("production", "a", "b")
	scout, other := s.createAgent("scout", in), s.createAgent("other", in)
	g := &generations{suite: s, agents: []*rolebroker.Agent{scout, other}}
	g.before, g.keys = g.now()
	at := t0.Add(time.Minute)
	pending := s.ask(request(scout, in, "one"))
	granted := s.approved(s.ask(request(scout, in, "two")), t0)
	s.must(s.store.DecideAccessRequest(s.ctx, granted, Event()))
	others := s.ask(request(other, in, "three"))
	live := s.record(session(scout, in, in.Roles[0], t0))
	lives := s.record(session(other, in, in.Roles[0], t0))

	cut := *scout
	cut.Disabled, cut.Version = true, scout.Version+1
	cut.CutOff = rolebroker.CutOffMark{At: at, By: "admin", Reason: "leaked ½", Disabled: true}
	ending := rolebroker.Ending{Agent: scout.ID, At: at, By: "admin"}
	event := eventAt(at, "agent.cut-off", "scout")
	event.After = rolebroker.Facts{"disabled": "true"}
	_, err := s.store.CutOff(s.ctx, &cut, scout.Version+1, ending, "leaked ½", event)
	s.code(err, rolebroker.CodeStale, "")
	s.hasAgent(scout)
	s.hasRequest(pending)
	s.hasSessions(rolebroker.SessionFilter{Agent: "scout"}, live)
	s.events(rolebroker.AuditFilter{Action: "agent.cut-off"})
	s.hasCutOffs(scout)

	got, err := s.store.CutOff(s.ctx, &cut, scout.Version, ending, "leaked ½", event)
	s.must(err)
	s.equal(got, rolebroker.CutOff{ID: got.ID, Agent: scout.ID, AgentName: "scout", At: at, By: "admin", Reason: "leaked ½",
		Ended: rolebroker.Ended{Sessions: 1, Until: live.ExpiresAt}, Requests: 2})
	s.hasAgent(&cut)
	s.hasAgent(other)
	s.hasCutOffs(scout, got)
	live.EndedAt, live.EndedBy = at, "admin"
	s.hasSessions(rolebroker.SessionFilter{Agent: "scout"}, live)
	s.hasSessions(rolebroker.SessionFilter{Agent: "other"}, lives)
	pending.EndedAt, pending.EndedBy = at, "admin"
	granted.EndedAt, granted.EndedBy = at, "admin"
	s.hasRequest(pending)
	s.hasRequest(granted)
	s.hasRequest(others)
	s.events(rolebroker.AuditFilter{Action: "agent.cut-off"}, "agent.cut-off scout")
	g.raises(nil, "scout production/a", "scout production/b")

	// One role: only requests and sessions for it end.
	role := rolebroker.EndedRole{Integration: in.ID, Role: in.Roles[1].ID, Reference: "production/b"}
	of := *other
	of.Version++
	got, err = s.store.CutOff(s.ctx, &of, other.Version, rolebroker.Ending{Agent: other.ID,
		Roles: []rolebroker.EndedRole{role}, At: at, By: "admin"}, "", Event())
	s.must(err)
	first := got
	s.equal(got.Ended.Sessions+got.Requests, 0)
	g.raises(nil, "other production/b")
	role.Role = in.Roles[0].ID
	of.Version++
	got, err = s.store.CutOff(s.ctx, &of, of.Version-1, rolebroker.Ending{Agent: other.ID,
		Roles: []rolebroker.EndedRole{role}, At: at.Add(time.Second), By: "admin"}, "", Event())
	s.must(err)
	s.equal(got.Ended.Sessions+got.Requests, 2)
	s.hasCutOffs(other, got, first)
	s.must(s.store.DeleteAgent(s.ctx, other.ID, 0, Event()))
	s.hasCutOffs(other, got, first)
}

// hasCutOffs checks the cut-offs of an agent, the newest first.
func (s *suite) hasCutOffs(a *rolebroker.Agent, want ...rolebroker.CutOff) {
	s.Helper()
	for i := range want {
		want[i].Ended.Until = time.Time{}
	}
	got, err := s.store.CutOffs(s.ctx, a.ID, 10)
	s.must(err)
	s.equal(got, want)
	if len(want) > 1 {
		got, err = s.store.CutOffs(s.ctx, a.ID, 1)
		s.must(err)
		s.equal(got, want[:1])
	}
}

// testDenyPolicies checks that the record of a deny policy is the last one, stored with its event.
func testDenyPolicies(s *suite) {
	in := s.createIntegration("production", "a", "b")
	scout := s.createAgent("scout", in)
	policy := func(role rolebroker.Role, state rolebroker.PolicyState) rolebroker.DenyPolicy {
		return rolebroker.DenyPolicy{Role: role.ARN, Name: "rolebroker-cut-off-scout", Agent: scout.ID,
			Integrations: []rolebroker.IntegrationID{in.ID}, Called: []string{"production/" + role.Name}, Before: t0,
			Until: t0.Add(time.Hour), State: state, At: t0, By: "admin"}
	}
	a, b := policy(in.Roles[0], rolebroker.PolicyUnknown), policy(in.Roles[1], rolebroker.PolicyUnknown)
	has := func(want ...rolebroker.DenyPolicy) {
		s.Helper()
		got, err := s.store.DenyPolicies(s.ctx, scout.ID)
		s.must(err)
		s.equal(got, want)
	}
	has()
	s.must(s.store.PutDenyPolicies(s.ctx, []rolebroker.DenyPolicy{a, b}, eventAt(t0, "agent.deny", "scout")))
	has(a, b)
	a.State, a.Problem, a.At, a.By, a.Session = rolebroker.PolicyFailed, "AWS says ½", t0.Add(time.Second), "alice", "ses_a"
	s.must(s.store.PutDenyPolicies(s.ctx, []rolebroker.DenyPolicy{a}, eventAt(t0.Add(time.Second), "agent.deny", "scout")))
	has(a, b)
	s.events(rolebroker.AuditFilter{Action: "agent.deny"}, "agent.deny scout", "agent.deny scout")
	if err := s.store.PutDenyPolicies(s.ctx, []rolebroker.DenyPolicy{b}, rolebroker.AuditEvent{}); err == nil {
		s.Error("a record was stored without an event")
	}
	none, err := s.store.DenyPolicies(s.ctx, "agt_none")
	s.must(err)
	s.equal(len(none), 0)
}
