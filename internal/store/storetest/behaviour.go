package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

func testInvalidText(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	token := s.createToken(a)
	for _, text := range []string{"a\x00b", "\x00", "\xff\xfe", "caf\xe9", "\xed\xa0\x80"} {
		_, err := s.store.Integration(s.ctx, text)
		s.code(err, rolebroker.CodeNotFound, "")
		_, err = s.store.Agent(s.ctx, text)
		s.code(err, rolebroker.CodeNotFound, "")
		_, err = s.store.Grants(s.ctx, rolebroker.AgentID(text))
		s.code(err, rolebroker.CodeNotFound, "")
		_, err = s.store.Token(s.ctx, rolebroker.TokenID(text))
		s.code(err, rolebroker.CodeNotFound, "")
		_, err = s.store.APIKey(s.ctx, rolebroker.APIKeyID(text))
		s.code(err, rolebroker.CodeNotFound, "")
		s.code(s.store.RevokeToken(s.ctx, rolebroker.AgentID(text), token.ID, t0, Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.LabelToken(s.ctx, a.ID, rolebroker.TokenID(text), "x", Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.RevokeToken(s.ctx, a.ID, rolebroker.TokenID(text), t0, Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.DeleteAgent(s.ctx, rolebroker.AgentID(text), 0, Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.DeleteIntegration(s.ctx, rolebroker.IntegrationID(text), 0, Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.DeleteAPIKey(s.ctx, rolebroker.APIKeyID(text), time.Time{}, Event()), rolebroker.CodeNotFound, "")
		_, err = s.store.Runner(s.ctx, text)
		s.code(err, rolebroker.CodeNotFound, "")
		_, err = s.store.RunnerKey(s.ctx, rolebroker.RunnerKeyID(text))
		s.code(err, rolebroker.CodeNotFound, "")
		s.code(s.store.DeleteRunner(s.ctx, rolebroker.RunnerID(text), 0, Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.CreateRunner(s.ctx, runner(text), Event()), rolebroker.CodeInvalid, "")
		s.free(false, text)
		_, err = s.store.Reservation(s.ctx, rolebroker.ReservationID(text))
		s.code(err, rolebroker.CodeNotFound, "")
		s.code(s.store.ReleaseExternalID(s.ctx, rolebroker.ReservationID(text), Event()), rolebroker.CodeNotFound, "")
		s.code(s.store.ReserveExternalID(s.ctx, "", text, t0, Event()), rolebroker.CodeInvalid, "")
		s.code(s.store.ReserveExternalID(s.ctx, rolebroker.ReservationID(text), "external", t0, Event()),
			rolebroker.CodeInvalid,
			"")
		s.earlier(&rolebroker.Integration{ID: rolebroker.IntegrationID(text)}, 10)

		labelled := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: a.ID, Label: text, CreatedAt: t0}
		s.code(s.store.CreateToken(s.ctx, labelled, Event()), rolebroker.CodeInvalid,
			"text has to be valid UTF-8 without NUL characters")
		s.code(s.store.CreateAgent(s.ctx, s.agent(text), Event()), rolebroker.CodeInvalid, "")
	}
	// Records of events are stored with replacement characters rather than lost.
	se := session(a, in, in.Roles[0], t0)
	se.Task = "a\x00b"
	s.record(se)
	se.State, se.Failure, se.RequestID = rolebroker.SessionFailed, "caf\xe9", "\x00"
	s.must(s.store.FinishSession(s.ctx, se, Event()))
	se.Task, se.Failure, se.RequestID = "a\uFFFDb", "caf\uFFFD", "\uFFFD"
	s.hasSessions(rolebroker.SessionFilter{}, se)
}

// testChanges checks that the store publishes each change before the method that
// made it returns.
func testChanges(s *suite) {
	var published []rolebroker.Change
	s.store.Subscribe(func(c rolebroker.Change) {
		if c != (rolebroker.Change{}) { // a gap, which a slow machine may have
			published = append(published, c)
		}
	})
	publishes := func(err error, want ...rolebroker.Change) {
		s.Helper()
		s.must(err)
		s.equal(published, want)
		published = nil
	}
	in := s.integration("production", "readonly")
	a := s.agent("scout", in)
	ofIntegration, ofAgent := rolebroker.Change{Integration: in.ID}, rolebroker.Change{Agent: a.ID}
	publishes(s.store.CreateIntegration(s.ctx, in, Event()), ofIntegration)
	publishes(s.store.CreateAgent(s.ctx, a, Event()), ofAgent)
	in.Version, a.Version = 2, 2
	publishes(s.store.UpdateIntegration(s.ctx, in, 1, Event()), ofIntegration)
	publishes(s.store.UpdateAgent(s.ctx, a, 1, Event()), ofAgent)
	in.NextExternalID, in.Version = s.reserve("next", t0), 3
	publishes(s.store.SetExternalIDs(s.ctx, in, 2, Event()), ofIntegration)
	publishes(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{outcome(in, 0, t0)}, t0))
	_, err := s.store.ClaimIntegrations(s.ctx, t1, t1, 1)
	publishes(err)
	token := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: a.ID, CreatedAt: t0}
	publishes(s.store.CreateToken(s.ctx, token, Event()), ofAgent)
	publishes(s.store.LabelToken(s.ctx, a.ID, token.ID, "x", Event()), ofAgent)
	publishes(s.store.RevokeToken(s.ctx, a.ID, token.ID, t0, Event()), rolebroker.Change{Agent: a.ID, Ended: true})
	publishes(s.store.RevokeToken(s.ctx, a.ID, token.ID, t0, Event()))
	publishes(s.store.RecordTokenUse(s.ctx, map[rolebroker.TokenID]time.Time{token.ID: t1}))
	binding := &rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: a.ID, Account: account("scout"), CreatedAt: t0}
	publishes(s.store.CreateBinding(s.ctx, binding, Event()), ofAgent)
	other := s.agent("other")
	publishes(s.store.CreateAgent(s.ctx, other, Event()), rolebroker.Change{Agent: other.ID})
	whole := account(rolebroker.AnyAccount)
	publishes(s.store.CreateBinding(s.ctx, &rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: other.ID,
		// it takes others from that one
		Account: whole, CreatedAt: t0}, Event()), rolebroker.Change{Agent: other.ID}, ofAgent)
	publishes(s.store.DeleteBinding(s.ctx, a.ID, binding.ID, Event()), rolebroker.Change{Agent: a.ID, Ended: true})
	r := runner("eks")
	publishes(s.store.CreateRunner(s.ctx, r, Event()))
	in.Runner, in.AssumptionMode, in.Version = r.ID, rolebroker.ModeCluster, 4
	publishes(s.store.UpdateIntegration(s.ctx, in, 3, Event()), ofIntegration)
	publishes(s.store.SeeRunner(s.ctx, r.ID, t1))
	publishes(s.store.RecordRunnerReport(s.ctx, r.ID, rolebroker.RunnerReport{}, t1))
	se := session(a, in, in.Roles[0], t0)
	publishes(s.store.RecordSession(s.ctx, se, Event()))
	publishes(s.store.FinishSession(s.ctx, se, Event()))
	publishes(s.store.RecordFetches(s.ctx, []rolebroker.Fetch{{Session: se.ID, Count: 1, Last: t0}}))
	ofRole := rolebroker.Change{Integration: in.ID, Role: in.Roles[0].ID, Ended: true}
	_, err = s.store.EndSessions(s.ctx, rolebroker.Ending{Session: se.ID, At: t0}, Event())
	publishes(err, rolebroker.Change{Agent: a.ID, Integration: in.ID, Role: in.Roles[0].ID, Ended: true})
	_, err = s.store.EndSessions(s.ctx, rolebroker.Ending{Agent: a.ID, At: t0}, Event())
	publishes(err, rolebroker.Change{Agent: a.ID, Ended: true})
	roles := []rolebroker.EndedRole{{Integration: in.ID, Role: in.Roles[0].ID}}
	_, err = s.store.EndSessions(s.ctx, rolebroker.Ending{Roles: roles, At: t0}, Event())
	publishes(err, ofRole)
	in.Roles[0].Enabled, in.DefaultRole, in.Version = false, "", 5
	publishes(s.store.UpdateIntegration(s.ctx, in, 4, Event()), ofIntegration, ofRole)
	a.Disabled, a.Version = true, 3
	publishes(s.store.UpdateAgent(s.ctx, a, 2, Event()), rolebroker.Change{Agent: a.ID, Ended: true})
	a.Disabled, a.Connections, a.DefaultIntegration, a.Version = false, nil, "", 4
	publishes(s.store.UpdateAgent(s.ctx, a, 3, Event()), ofAgent,
		rolebroker.Change{Agent: a.ID, Integration: in.ID, Ended: true})
	publishes(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()), rolebroker.Change{Integration: in.ID, Ended: true})
	publishes(s.store.DeleteAgent(s.ctx, a.ID, 0, Event()), rolebroker.Change{Agent: a.ID, Ended: true})
	Eventually(s, "watching", s.store.Watching) // a slow machine may have a gap
}

func testFailedChangesAreNotPublished(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	s.store.Subscribe(func(c rolebroker.Change) { s.Errorf("published %+v", c) })
	s.code(s.store.CreateAgent(s.ctx, s.agent("scout"), Event()), rolebroker.CodeConflict, "")
	s.code(s.store.UpdateAgent(s.ctx, a, 9, Event()), rolebroker.CodeStale, "")
	s.code(s.store.DeleteAgent(s.ctx, a.ID, 9, Event()), rolebroker.CodeStale, "")
	s.code(s.store.UpdateIntegration(s.ctx, in, 9, Event()), rolebroker.CodeStale, "")
	s.code(s.store.DeleteIntegration(s.ctx, in.ID, 9, Event()), rolebroker.CodeStale, "")
	s.code(s.store.SetExternalIDs(s.ctx, in, 9, Event()), rolebroker.CodeStale, "")
	s.code(s.store.CreateIntegration(s.ctx, in, Event()), rolebroker.CodeInvalid, "")
	s.code(s.store.DeleteBinding(s.ctx, a.ID, "bnd_none", Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.UpdateRunner(s.ctx, runner("eks"), 1, Event()), rolebroker.CodeNotFound, "")
}

func testCancelled(s *suite) {
	in := s.integration("production", "readonly")
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, readErr := s.store.Agent(ctx, "scout")
	for _, err := range []error{readErr, s.store.CreateIntegration(ctx, in, Event()), s.store.Ready(ctx)} {
		s.code(err, rolebroker.CodeUnavailable, "the database cannot be used now")
		if !errors.Is(err, context.Canceled) {
			s.Errorf("the cause of %v is %v", err, rolebroker.AsError(err).Cause)
		}
	}
	s.must(s.store.Ready(s.ctx))
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
}

func testClosed(s *suite) {
	s.must(s.store.Ready(s.ctx))
	s.must(s.store.Close())
	const message = "the database cannot be used now"
	s.code(s.store.Ready(s.ctx), rolebroker.CodeUnavailable, message)
	s.code(s.store.CreateAgent(s.ctx, s.agent("scout"), Event()), rolebroker.CodeUnavailable, message)
	_, err := s.store.Sessions(s.ctx, rolebroker.SessionFilter{}, rolebroker.Page{Limit: 1})
	s.code(err, rolebroker.CodeUnavailable, message)
	s.must(s.store.Close())
}
