package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

var ciKey = rolebroker.NewAPIKeyID()

// eventAt returns an event of an agent, at a time.
func eventAt(at time.Time, action rolebroker.Action, agent string) rolebroker.AuditEvent {
	return rolebroker.AuditEvent{ID: rolebroker.NewAuditEventID(), At: at, Action: action,
		Actor:    rolebroker.Caller{APIKey: ciKey, Name: "ci", Address: "192.0.2.7"},
		Subjects: []rolebroker.Subject{{Kind: rolebroker.KindAgent, ID: "agt_" + agent, Name: agent}}}
}

// events lists what a filter selects, as actions and names of agents.
func (s *suite) events(filter rolebroker.AuditFilter, want ...string) {
	s.Helper()
	var got []string
	page := rolebroker.Page{Limit: 2} // so that every list has several pages
	for {
		found, err := s.store.AuditEvents(s.ctx, filter, page)
		s.must(err)
		for _, r := range found {
			e, err := trail.Event(r.Record)
			s.must(err)
			if e.ID != string(r.ID) || !e.Time.Equal(r.At) {
				s.Errorf("the record of %s says %s at %s", r.ID, e.ID, e.Time)
			}
			got = append(got, e.Action+" "+e.Subjects[0].Name)
			page.After = rolebroker.AuditCursor(&r)
		}
		if len(found) < page.Limit {
			break
		}
	}
	s.equal(append([]string{}, got...), append([]string{}, want...))
}

// testAudit stores events with changes, and none of what changed nothing.
func testAudit(s *suite) {
	a, b := s.agent("scout"), s.agent("ranger")
	s.must(s.store.CreateAgent(s.ctx, a, eventAt(t0, "agent.create", "scout")))
	s.must(s.store.CreateAgent(s.ctx, b, eventAt(t1, "agent.create", "ranger")))
	twin := s.agent("scout")
	s.code(s.store.CreateAgent(s.ctx, twin, eventAt(t1, "agent.create", "twin")), rolebroker.CodeConflict, "")
	token := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: a.ID, CreatedAt: t0}
	s.must(s.store.CreateToken(s.ctx, token, eventAt(t1, "token.create", "scout")))
	for range 2 { // the second time it changes nothing
		s.must(s.store.RevokeToken(s.ctx, a.ID, token.ID, t2, eventAt(t2, "token.revoke", "scout")))
	}
	refused := eventAt(t2.Add(time.Minute), "agent.delete", "scout")
	refused.Actor = rolebroker.Caller{Agent: "agt_scout", Name: "scout", Token: "tok_scout", Address: "192.0.2.8", Request: "r7"}
	refused.Refusal = rolebroker.Errorf(rolebroker.CodeDenied, "no")
	s.must(s.store.RecordEvent(s.ctx, refused))
	s.code(s.store.DeleteAgent(s.ctx, a.ID, 0, rolebroker.AuditEvent{}), rolebroker.CodeUnavailable, "")
	s.hasAgent(a)

	all := []string{"agent.delete scout", "token.revoke scout", "agent.create ranger", "agent.create scout"}
	sameTime, err := s.store.AuditEvents(s.ctx, rolebroker.AuditFilter{Since: t1, Until: t2}, rolebroker.Page{Limit: 9})
	s.must(err)
	s.equal(len(sameTime), 2)
	s.events(rolebroker.AuditFilter{Subject: "scout", Since: t2}, all[0], all[1])
	s.events(rolebroker.AuditFilter{Subject: "agt_scout", Until: t1}, all[3])
	s.events(rolebroker.AuditFilter{Subject: "ranger"}, all[2])
	s.events(rolebroker.AuditFilter{Subject: "nobody"})
	s.events(rolebroker.AuditFilter{Actor: "ci", Action: "agent"}, all[2], all[3])
	s.events(rolebroker.AuditFilter{Actor: string(ciKey), Action: "token.revoke"}, all[1])
	s.events(rolebroker.AuditFilter{Outcome: rolebroker.OutcomeRefused}, all[0])
	s.events(rolebroker.AuditFilter{Action: "agent", Outcome: rolebroker.OutcomeDone}, all[2], all[3])
	s.events(rolebroker.AuditFilter{Actor: "scout", Subject: "scout", Action: "agent",
		Outcome: rolebroker.OutcomeRefused}, all[0])
	s.events(rolebroker.AuditFilter{Actor: "ci", Outcome: rolebroker.OutcomeRefused})
	s.events(rolebroker.AuditFilter{Token: "tok_scout"}, all[0])
	s.events(rolebroker.AuditFilter{Address: "192.0.2.7", Since: t2}, all[1])
	s.events(rolebroker.AuditFilter{Request: "r7"}, all[0])
	s.events(rolebroker.AuditFilter{Request: "r7", Token: "tok_scout", Address: "192.0.2.8", Actor: "scout",
		Subject: "scout", Action: "agent.delete", Outcome: rolebroker.OutcomeRefused}, all[0])
	s.events(rolebroker.AuditFilter{Request: "r7", Address: "192.0.2.7"})
}

// testAuditTrail gives events their places, and verifies an export of them.
func testAuditTrail(s *suite) {
	key, _, err := trail.NewKey()
	s.must(err)
	grow := func(want int) {
		s.Helper()
		placed, err := s.store.GrowTrail(s.ctx, 4, t1, key.Sign)
		s.must(err)
		s.equal(placed, want)
	}
	grow(0)
	for n := range 7 {
		s.must(s.store.RecordEvent(s.ctx, eventAt(t0.Add(time.Duration(n)), "agent.create", fmt.Sprintf("scout-%d", n))))
	}
	for _, err := range atOnce(3, func(int) error { _, err := s.store.GrowTrail(s.ctx, 4, t1, key.Sign); return err }) {
		s.must(err)
	}
	grow(0)
	report, err := s.verify(key)
	s.must(err)
	s.equal(report.Records, int64(7))
	s.equal(report.Covered, int64(7))
	last, err := s.store.LastCheckpoint(s.ctx)
	s.must(err)
	s.equal(last.Size, int64(7))

	s.must(s.store.RecordEvent(s.ctx, eventAt(t2, "agent.delete", "scout-1")))
	failed := errors.New("the key is gone")
	_, err = s.store.GrowTrail(s.ctx, 4, t2, func(trail.Tree) (string, error) { return "", failed })
	s.equal(errors.Is(err, failed), true)
	grow(1)
	report, err = s.verify(key)
	s.must(err)
	s.equal(report.Covered, int64(8))
}

// testForgetEvents deletes the front of the trail, and verifies what remains.
func testForgetEvents(s *suite) {
	key, _, err := trail.NewKey()
	s.must(err)
	for n := range 6 {
		s.must(s.store.RecordEvent(s.ctx, eventAt(t0.Add(time.Duration(n)*time.Minute), "agent.create", fmt.Sprint("scout-", n))))
		if n%2 == 1 { // checkpoints of 2, 4 and 6 events
			_, err := s.store.GrowTrail(s.ctx, 4, t1, key.Sign)
			s.must(err)
		}
	}
	forget := func(before time.Time, want int64) {
		s.Helper()
		deleted, err := s.store.ForgetEvents(s.ctx, before, 100, func(from, to int64) rolebroker.AuditEvent {
			return eventAt(t2, rolebroker.ActionAuditForget, fmt.Sprint(from, "-", to))
		})
		s.must(err)
		s.equal(deleted, want)
	}
	forget(t0, 0)
	forget(t0.Add(5*time.Minute), 4) // the fifth shares a checkpoint with the sixth
	base, err := s.store.Trail(s.ctx)
	s.must(err)
	s.equal(base.Size, int64(4))
	s.events(rolebroker.AuditFilter{Action: "audit"}, "audit.forget 0-4")
	s.events(rolebroker.AuditFilter{Subject: "scout-0"})
	_, err = s.store.GrowTrail(s.ctx, 4, t2, key.Sign)
	s.must(err)
	report, err := s.verify(key)
	s.must(err)
	s.equal(report.First, int64(4))
	s.equal(report.Records, int64(3))
	s.equal(report.Covered, int64(3))
	_, err = s.store.TreeAt(s.ctx, 3)
	s.code(err, rolebroker.CodeInvalid, "")
	_, err = s.store.TreeAt(s.ctx, 8)
	s.code(err, rolebroker.CodeInvalid, "")
	five, err := s.store.TreeAt(s.ctx, 5)
	s.must(err)
	s.equal(five.Size, int64(5))
	since, err := s.store.SequenceSince(s.ctx, t0.Add(5*time.Minute), 7)
	s.must(err)
	s.equal(since, int64(5))
	forget(t2.Add(time.Hour), 3)
	report, err = s.verify(key)
	s.must(err)
	s.equal(report.Records, int64(0))
}

// verify exports the trail and verifies that.
func (s *suite) verify(key *trail.Key) (report trail.Report, err error) {
	s.Helper()
	state, err := s.store.AuditTrail(s.ctx)
	s.must(err)
	base, err := s.store.Trail(s.ctx)
	s.must(err)
	var out bytes.Buffer
	s.must(trail.Export(s.ctx, s.store, base.Size, state.Size, trail.NewExporter(&out, rolebroker.AuditJSONL)))
	keys, err := trail.Keys(key.Public())
	s.must(err)
	return trail.Verify(&out, trail.Expect{Keys: keys})
}
