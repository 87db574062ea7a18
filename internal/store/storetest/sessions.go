package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
)

// session is one of the agent for the role, requested at the time.
func session(a *rolebroker.Agent, in *rolebroker.Integration, role rolebroker.Role, at time.Time) *rolebroker.Session {
	return &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested,
		Agent: a.ID, AgentName: a.Name, Integration: in.ID, IntegrationName: in.Name, Role: role.ID,
		RoleName: role.Name,
		ARN:      role.ARN, Region: role.Region, Task: "tidy",
		Workload: rolebroker.Workload{Namespace: "agents", ServiceAccount: "scout", Pod: "scout-0"},
		Access:   rolebroker.AccessReadOnly, Narrowed: true, Keys: rolebroker.KeysWithheld,
		SessionName: a.Name + "@tidy", Token: "tok_of_" + rolebroker.TokenID(a.ID), RequestedAt: at,
		Address:   "192.0.2.7",
		ExpiresAt: at.Add(time.Hour)}
}

func (s *suite) record(se *rolebroker.Session) *rolebroker.Session {
	s.Helper()
	s.must(s.store.RecordSession(s.ctx, se, Event()))
	return se
}

func (s *suite) sessions(filter rolebroker.SessionFilter) []rolebroker.Session {
	s.Helper()
	got, err := s.store.Sessions(s.ctx, filter, rolebroker.Page{Limit: 1000})
	s.must(err)
	return got
}

func (s *suite) hasSessions(filter rolebroker.SessionFilter, want ...*rolebroker.Session) {
	s.Helper()
	wanted := []rolebroker.Session{}
	for _, se := range want {
		wanted = append(wanted, *se)
	}
	got := append([]rolebroker.Session{}, s.sessions(filter)...)
	s.equal(got, wanted)
	turned, err := s.store.Sessions(s.ctx, filter, rolebroker.Page{Limit: 1000, Sort: rolebroker.SortCreated})
	s.must(err)
	slices.Reverse(wanted)
	s.equal(append([]rolebroker.Session{}, turned...), wanted)
}

func testSession(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	se := s.record(session(a, in, in.Roles[0], t0))
	s.hasSessions(rolebroker.SessionFilter{}, se)
	another := *se
	another.SessionName = "another"
	s.code(s.store.RecordSession(s.ctx, &another, Event()), rolebroker.CodeConflict,
		"another session has the ID "+string(se.ID)+" already")
	unrecorded := session(a, in, in.Roles[0], t0)
	s.code(s.store.RecordSession(s.ctx, unrecorded, rolebroker.AuditEvent{}), rolebroker.CodeUnavailable, "")
	s.hasSessions(rolebroker.SessionFilter{}, se)

	done := *se
	done.State, done.ExpiresAt, done.AccessKeyID, done.RequestID = rolebroker.SessionActive, t2, "ASIAEXAMPLE", "f00"
	done.AgentName, done.RequestedAt = "not stored by FinishSession", t2
	s.must(s.store.FinishSession(s.ctx, &done, Event()))
	done.AgentName, done.RequestedAt = se.AgentName, se.RequestedAt
	s.hasSessions(rolebroker.SessionFilter{}, &done)

	failed := session(a, in, in.Roles[0], t1)
	s.code(s.store.FinishSession(s.ctx, failed, Event()), rolebroker.CodeNotFound, `there is no session "`+string(failed.ID)+`"`)
	s.record(failed)
	failed.State, failed.Failure = rolebroker.SessionFailed, "AccessDenied: not you"
	s.must(s.store.FinishSession(s.ctx, failed, Event()))
	bare := s.record(&rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested,
		RequestedAt: t2, ExpiresAt: t2})
	s.hasSessions(rolebroker.SessionFilter{}, bare, failed, &done)
}

func testSessionsByPage(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	var want []*rolebroker.Session
	for i := range 23 { // some have the same time, and are ordered by ID
		want = append(want, s.record(session(a, in, in.Roles[0], t0.Add(time.Duration(i/4)*time.Millisecond))))
	}
	slices.SortFunc(want, func(x, y *rolebroker.Session) int {
		return cmp.Or(y.RequestedAt.Compare(x.RequestedAt), cmp.Compare(y.ID, x.ID))
	})
	for _, sort := range []rolebroker.Sort{"", rolebroker.SortCreated} {
		for _, limit := range []int{1, 3, 23, 100} {
			got := pages(s, limit, func(p rolebroker.Page) ([]rolebroker.Session, error) {
				p.Sort = sort
				filter := rolebroker.SessionFilter{Agent: "scout", Since: t0, Until: t1}
				return s.store.Sessions(s.ctx, filter, p)
			}, rolebroker.SessionCursor)
			s.equal(len(got), len(want))
			for i := range got {
				s.equal(&got[i], want[i])
			}
		}
		slices.Reverse(want)
	}
	for _, cursor := range []string{"x", "12", "x.ses_1", "9999999999999999999.ses_1", "1.\xff"} {
		_, err := s.store.Sessions(s.ctx, rolebroker.SessionFilter{}, rolebroker.Page{Limit: 1, After: cursor})
		s.code(err, rolebroker.CodeInvalid, "the cursor is not one of a list of sessions")
	}
}

func testSessionFilter(s *suite) {
	production, staging := s.createIntegration("production", "readonly", "deployer"),
		s.createIntegration("staging", "readonly")
	scout, builder := s.createAgent("scout"), s.createAgent("builder")
	production.Roles[1].ARN.Account = "999988887777"
	one := s.record(session(scout, production, production.Roles[0], t0.Add(1)))
	two := s.record(session(scout, staging, staging.Roles[0], t0.Add(1*time.Second)))
	three := s.record(session(builder, production, production.Roles[1], t0.Add(2*time.Second)))
	old := session(builder, production, production.Roles[1], t0.Add(3*time.Second))
	old.Token = rolebroker.NewTokenID()
	old.AgentName, old.IntegrationName, old.RoleName = "mason", "prod", "ship" // their names at that time
	old.AccessRequest = rolebroker.NewAccessRequestID()
	s.record(old)
	one.RequestedAt, one.ExpiresAt = t0, t0.Add(time.Hour) // to the millisecond

	type filter = rolebroker.SessionFilter
	s.hasSessions(filter{}, old, three, two, one)
	s.hasSessions(filter{Agent: "scout"}, two, one)
	s.hasSessions(filter{Agent: string(builder.ID)}, old, three)
	s.hasSessions(filter{Agent: "builder"}, three)
	s.hasSessions(filter{Agent: "mason"}, old)
	s.hasSessions(filter{Integration: "production"}, three, one)
	s.hasSessions(filter{Integration: string(production.ID)}, old, three, one)
	s.hasSessions(filter{Role: "readonly"}, two, one)
	s.hasSessions(filter{Role: string(production.Roles[1].ID)}, old, three)
	s.hasSessions(filter{Role: production.Roles[1].ARN.String()}, old, three)
	s.hasSessions(filter{Role: production.Roles[0].ARN.String()}, two, one)
	id := func(in *rolebroker.Integration) string { return string(in.ID) }
	s.hasSessions(filter{Role: "production/readonly"}, one)
	s.hasSessions(filter{Role: "production/deployer"}, three)
	s.hasSessions(filter{Role: "prod/ship"}, old)
	s.hasSessions(filter{Role: "prod/deployer"})
	s.hasSessions(filter{Role: "staging/deployer"})
	s.hasSessions(filter{Role: id(production) + "/ship"}, old)
	s.hasSessions(filter{Role: id(production) + "/" + string(production.Roles[1].ID)}, old, three)
	s.hasSessions(filter{Role: "production/" + string(production.Roles[1].ID)}, three)
	s.hasSessions(filter{Role: "production/readonly", Integration: "staging"})
	s.hasSessions(filter{Role: "production/readonly", Integration: id(production), Agent: "scout"}, one)
	s.hasSessions(filter{Role: "production/"})
	s.hasSessions(filter{Role: "/readonly"})
	s.hasSessions(filter{Role: "/"})
	s.hasSessions(filter{Role: "production/readonly/"})
	s.hasSessions(filter{Token: old.Token}, old)
	s.hasSessions(filter{Token: old.Token, Role: "prod/ship", Account: "999988887777", Agent: "mason"}, old)
	s.hasSessions(filter{Token: old.Token, Account: production.Roles[0].ARN.Account})
	s.hasSessions(filter{Token: rolebroker.NewTokenID()})
	s.hasSessions(filter{Request: old.AccessRequest}, old)
	s.hasSessions(filter{Request: old.AccessRequest, Agent: "mason", Role: "ship"}, old)
	s.hasSessions(filter{Request: old.AccessRequest, Agent: "scout"})
	s.hasSessions(filter{Request: rolebroker.NewAccessRequestID()})
	s.hasSessions(filter{Account: "999988887777"}, old, three)
	s.hasSessions(filter{Account: production.Roles[0].ARN.Account}, two, one)
	s.hasSessions(filter{Account: "9999"})
	for account, want := range map[string]bool{"012345678901": true, "999988887777": false, "01234567890": false} {
		has, err := s.store.HasAccount(s.ctx, account)
		s.must(err)
		s.equal(has, want)
	}
	s.hasSessions(filter{Since: t0.Add(time.Second)}, old, three, two)
	s.hasSessions(filter{Since: t0.Add(time.Second + time.Millisecond)}, old, three)
	s.hasSessions(filter{Until: t0.Add(2 * time.Second)}, two, one)
	s.hasSessions(filter{Since: t0.Add(time.Second), Until: t0.Add(3 * time.Second), Role: "deployer"}, three)
	s.hasSessions(filter{Since: t0, Until: t0})
	s.hasSessions(filter{LiveAt: t0, Since: t0.Add(2 * time.Second)}, old, three)
	s.hasSessions(filter{LiveAt: t0, Since: t0.Add(-1000 * time.Hour)}, old, three, two, one)
	s.hasSessions(filter{Agent: "scout", Integration: "production"}, one)
	s.hasSessions(filter{Agent: "scout", Integration: string(staging.ID), Role: "readonly"}, two)
	s.hasSessions(filter{Agent: "scout", Role: "deployer"})
	s.hasSessions(filter{Agent: "nobody"})
	s.hasSessions(filter{Agent: "a\x00"})
	s.hasSessions(filter{Role: "arn:\xff"})
}

func testLiveSessions(s *suite) {
	in := s.createIntegration("production", "readonly")
	a, other := s.createAgent("scout"), s.createAgent("other")
	live := s.record(session(a, in, in.Roles[0], t0))
	failed := session(a, in, in.Roles[0], t0.Add(time.Second))
	failed.State = rolebroker.SessionFailed
	s.record(failed)
	active := session(other, in, in.Roles[0], t0.Add(-11*time.Hour))
	active.State, active.ExpiresAt = rolebroker.SessionActive, t0.Add(30*time.Minute)
	s.record(active)
	at := func(d time.Duration) rolebroker.SessionFilter { return rolebroker.SessionFilter{LiveAt: t0.Add(d)} }
	s.hasSessions(at(0), live, active)
	s.hasSessions(at(30*time.Minute-time.Millisecond), live, active)
	s.hasSessions(at(30*time.Minute), live)
	s.hasSessions(at(time.Hour-time.Millisecond), live)
	s.hasSessions(at(time.Hour))
	filtered := at(0)
	filtered.Agent = "other"
	s.hasSessions(filtered, active)
	for _, se := range s.sessions(rolebroker.SessionFilter{}) { // the list and the noun agree
		if now := t0.Add(30 * time.Minute); se.Live(now) != (se.ID == live.ID) {
			s.Errorf("session %s is live: %v", se.ID, se.Live(now))
		}
	}
}

func testFetches(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	var want []*rolebroker.Session
	fetches := []rolebroker.Fetch{{Session: rolebroker.NewSessionID(), Count: 3, Last: t1},
		{Session: "\x00", Count: 1, Last: t1}}
	for i := range 60 {
		se := s.record(session(a, in, in.Roles[0], t2.Add(time.Duration(-i)*time.Second)))
		se.Fetches, se.FetchedAt = 7, t1
		fetches = append(fetches, rolebroker.Fetch{Session: se.ID, Count: 4, Last: t1},
			rolebroker.Fetch{Session: se.ID, Count: 3, Last: t0})
		want = append(want, se)
	}
	s.must(s.store.RecordFetches(s.ctx, fetches))
	s.hasSessions(rolebroker.SessionFilter{}, want...)
	s.must(s.store.RecordFetches(s.ctx, []rolebroker.Fetch{{Session: want[0].ID, Count: 1, Last: t0}}))
	want[0].Fetches = 8 // FetchedAt never moves backward
	s.must(s.store.RecordFetches(s.ctx, nil))
	s.hasSessions(rolebroker.SessionFilter{}, want...)

	for _, err := range atOnce(8, func(int) error { return s.store.RecordFetches(s.ctx, fetches) }) {
		s.must(err)
	}
	s.equal(s.sessions(rolebroker.SessionFilter{})[0].Fetches, int64(8+8*7))

	// Runners cannot count for each other's sessions, and the count cannot overflow.
	id := want[0].ID
	s.must(s.store.RecordFetches(s.ctx, []rolebroker.Fetch{{Session: id, Count: 1, Last: t2, Runner: "eks"}}))
	s.equal(s.sessions(rolebroker.SessionFilter{})[0].Fetches, int64(8+8*7))
	for range 4 {
		s.must(s.store.RecordFetches(s.ctx, []rolebroker.Fetch{{Session: id, Count: 1 << 62, Last: t2}}))
	}
	if n := s.sessions(rolebroker.SessionFilter{})[0].Fetches; n < 1<<62 {
		s.Errorf("the count is %d", n)
	}
}

func testFirstLike(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	var oldest *rolebroker.Session
	for i, runner := range []string{"eks", "eks", "gke", ""} {
		se := session(a, in, in.Roles[0], t2.Add(time.Duration(-i)*time.Second))
		se.Runner, se.RunnerID = runner, rolebroker.RunnerID(runner)
		s.record(se)
		if i == 1 {
			oldest = se
		}
	}
	like := *oldest
	like.ID = rolebroker.NewSessionID()
	found, err := s.store.FirstLike(s.ctx, &like)
	s.must(err)
	s.equal(found.ID, oldest.ID)
	for _, change := range []func(*rolebroker.Session){
		func(se *rolebroker.Session) { se.RunnerID = "aks" },
		func(se *rolebroker.Session) { se.SessionName += "@x" },
		func(se *rolebroker.Session) { se.Agent = rolebroker.NewAgentID() },
		func(se *rolebroker.Session) { se.Role = rolebroker.NewRoleID() },
		func(se *rolebroker.Session) { se.Integration = rolebroker.NewIntegrationID() },
		func(se *rolebroker.Session) { se.ARN.Name = "Admin" },
	} {
		other := like
		change(&other)
		if _, err := s.store.FirstLike(s.ctx, &other); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			s.Errorf("%+v is like one: %v", other, err)
		}
	}
}

func testDeleteSessions(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	var want []*rolebroker.Session
	for i := range 10 {
		want = append(want, s.record(session(a, in, in.Roles[0], t0.Add(time.Duration(-i)*time.Minute))))
	}
	for _, step := range []struct {
		before             time.Time
		limit, gone, stays int
	}{
		{t0, 100, 0, 10},
		{t0.Add(time.Hour), 0, 0, 10},
		{t0.Add(time.Hour), -1, 0, 10},
		{t0.Add(time.Hour), 4, 4, 6}, // the oldest first
		{t0.Add(time.Hour), 100, 5, 1},
		{t0.Add(time.Hour), 100, 0, 1}, // which expires at that very time
	} {
		n, err := s.store.DeleteSessions(s.ctx, step.before, step.limit)
		s.must(err)
		s.equal(n, step.gone)
		s.hasSessions(rolebroker.SessionFilter{}, want[:step.stays]...)
	}
}

func testSessionsOutliveTheRest(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	se := s.record(session(a, in, in.Roles[0], t0))
	s.must(s.store.DeleteAgent(s.ctx, a.ID, 0, Event()))
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.hasSessions(rolebroker.SessionFilter{Agent: "scout", Integration: "production", Role: "readonly"}, se)
}
