package storetest

import (
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// end ends sessions and checks how many, and until when their credentials work.
func (s *suite) end(e rolebroker.Ending, sessions int, until time.Time) {
	s.Helper()
	got, err := s.store.EndSessions(s.ctx, e, Event())
	s.must(err)
	s.equal(got, rolebroker.Ended{Sessions: sessions, Until: until})
}

func testEndSession(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	a, other := s.createAgent("scout", in), s.createAgent("other", in)
	one := s.record(session(a, in, in.Roles[0], t0))
	two := s.record(session(a, in, in.Roles[0], t0.Add(time.Second)))
	g := &generations{suite: s, agents: []*rolebroker.Agent{a, other}}
	g.before, g.keys = g.now()
	at := t0.Add(time.Minute)

	_, err := s.store.EndSessions(s.ctx, rolebroker.Ending{Session: "ses_none", At: at}, Event())
	s.code(err, rolebroker.CodeNotFound, `there is no session "ses_none"`)
	s.end(rolebroker.Ending{Session: one.ID, At: at, By: "admin"}, 1, one.ExpiresAt)
	g.raises(nil, "scout production/readonly")
	one.EndedAt, one.EndedBy = at, "admin"
	s.hasSessions(rolebroker.SessionFilter{}, two, one)
	s.end(rolebroker.Ending{Session: one.ID, At: at.Add(time.Second), By: "another"}, 0, time.Time{})
	g.raises(nil)
	s.end(rolebroker.Ending{Session: two.ID, At: two.ExpiresAt, By: "admin"}, 0, time.Time{}) // it has expired
	g.raises(nil)

	// The outcome of a session that was ended before STS answered is stored.
	one.State, one.AccessKeyID = rolebroker.SessionActive, "ASIAEXAMPLE"
	s.must(s.store.FinishSession(s.ctx, one, Event()))
	s.hasSessions(rolebroker.SessionFilter{}, two, one)

	// A session outlives its agent and its role, and can be ended then.
	s.must(s.store.DeleteAgent(s.ctx, a.ID, 0, Event()))
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.end(rolebroker.Ending{Session: two.ID, At: at, By: "admin"}, 1, two.ExpiresAt)
}

func testEndSessions(s *suite) {
	in, staging := s.createIntegration("production", "a", "b"), s.createIntegration("staging", "a")
	scout, other := s.createAgent("scout", in, staging), s.createAgent("other", in)
	g := &generations{suite: s, agents: []*rolebroker.Agent{scout, other}}
	g.before, g.keys = g.now()
	at := t0.Add(time.Minute)
	role := func(in *rolebroker.Integration, i int) rolebroker.EndedRole {
		return rolebroker.EndedRole{Integration: in.ID, Role: in.Roles[i].ID}
	}
	live := func() map[string]*rolebroker.Session { // one of each kind, and some that are not live
		failed := session(scout, in, in.Roles[0], t0)
		failed.State = rolebroker.SessionFailed
		s.record(failed)
		s.record(session(scout, in, in.Roles[0], t0.Add(-time.Hour)))
		return map[string]*rolebroker.Session{
			"scout a": s.record(session(scout, in, in.Roles[0], t0)),
			"scout b": s.record(session(scout, in, in.Roles[1], t0)),
			"other a": s.record(session(other, in, in.Roles[0], t0)),
			"staging": s.record(session(scout, staging, staging.Roles[0], t0)),
		}
	}
	ends := func(e rolebroker.Ending, want ...string) {
		s.Helper()
		sessions := live()
		e.At, e.By = at, "admin"
		s.end(e, len(want), t0.Add(time.Hour))
		ended := map[rolebroker.SessionID]bool{}
		for _, name := range want {
			ended[sessions[name].ID] = true
		}
		for name, se := range sessions {
			got, err := s.store.Session(s.ctx, se.ID)
			s.must(err)
			if got.EndedAt.Equal(at) != ended[se.ID] || (got.EndedBy == "admin") != ended[se.ID] {
				s.Fatalf("%s was ended at %v by %q", name, got.EndedAt, got.EndedBy)
			}
		}
		_, err := s.store.EndSessions(s.ctx, rolebroker.Ending{Agent: scout.ID, At: at}, Event()) // for the next
		s.must(err)
		_, err = s.store.EndSessions(s.ctx, rolebroker.Ending{Agent: other.ID, At: at}, Event())
		s.must(err)
		g.before, g.keys = g.now()
	}
	ends(rolebroker.Ending{Agent: scout.ID}, "scout a", "scout b", "staging")
	ends(rolebroker.Ending{Agent: scout.ID, Roles: []rolebroker.EndedRole{role(in, 0)}}, "scout a")
	ends(rolebroker.Ending{Roles: []rolebroker.EndedRole{role(in, 0)}}, "scout a", "other a")
	ends(rolebroker.Ending{Roles: []rolebroker.EndedRole{role(staging, 0), role(in, 1)}}, "scout b", "staging")

	raises := func(e rolebroker.Ending, want ...string) {
		s.Helper()
		_, err := s.store.EndSessions(s.ctx, e, Event())
		g.raises(err, want...)
	}
	raises(rolebroker.Ending{Agent: scout.ID}, "scout production/a", "scout production/b", "scout staging/a")
	raises(rolebroker.Ending{Agent: scout.ID, Roles: []rolebroker.EndedRole{role(in, 0)}}, "scout production/a")
	raises(rolebroker.Ending{Roles: []rolebroker.EndedRole{role(in, 0)}}, "scout production/a", "other production/a")

	found := func(reference string, want ...string) {
		s.Helper()
		roles, err := s.store.RolesNamed(s.ctx, reference)
		s.must(err)
		s.equal(names(roles, func(r *rolebroker.EndedRole) string { return r.Reference }), append([]string{}, want...))
	}
	found("a", "production/a", "staging/a")
	found(in.Roles[0].ARN.String(), "production/a", "staging/a")
	found(string(staging.Roles[0].ID), "staging/a")
	found("A")
	found("\xff")
}

// testEndedWhileItChanges ends a role's sessions while its integration changes: no
// change loses an ending.
func testEndedWhileItChanges(s *suite) {
	in := s.createIntegration("production", "a")
	a := s.createAgent("scout", in)
	before, err := s.store.Grants(s.ctx, a.ID)
	s.must(err)
	const times = 20
	var both sync.WaitGroup
	both.Go(func() {
		for range times {
			in.Version++
			if err := s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()); err != nil {
				s.Errorf("changing: %v", err)
			}
		}
	})
	both.Go(func() {
		for range times {
			_, err := s.store.EndSessions(s.ctx, rolebroker.Ending{At: t0,
				Roles: []rolebroker.EndedRole{{Integration: in.ID, Role: in.Roles[0].ID}}}, Event())
			if err != nil {
				s.Errorf("ending: %v", err)
			}
		}
	})
	both.Wait()
	after, err := s.store.Grants(s.ctx, a.ID)
	s.must(err)
	s.equal(after.Integrations[0].Roles[0].Generation, before.Integrations[0].Roles[0].Generation+times)
}
