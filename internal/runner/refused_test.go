package runner

import (
	"cmp"
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// asksFrom has scout ask the runner for a role, from an address.
func (w *world) asksFrom(address, role string) int {
	r := httptest.NewRequest("GET", "/v1/credentials/"+role, nil)
	r.RemoteAddr = address + ":40000"
	r.Header.Set("Authorization", w.scout.Reveal())
	r.Header.Set(api.RequestIDHeader, "from-"+address)
	answer := httptest.NewRecorder()
	w.runner.http.Handler.ServeHTTP(answer, r)
	return answer.Code
}

// lending are the audit events of what agents did, the oldest first.
func (w *world) lending() (all []api.AuditEvent) {
	w.Helper()
	for e, err := range w.admin.AllAuditEvents(context.Background(), api.AuditFilter{Action: "session"}) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b api.AuditEvent) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(b.Action, a.Action)) // one clock tick has both of a session
	})
	return all
}

// The audit trail has what a runner lent, with the address that the runner saw, and what it refused.
func TestTheTrailHasWhatARunnerLentAndRefused(t *testing.T) {
	inWorld(t, func(w *world) {
		if status := w.asksFrom("10.0.3.4", "inner"); status != 200 {
			w.Fatalf("scout gets %d", status)
		}
		sessions := w.sessions()
		if len(sessions) != 1 || sessions[0].Address != "10.0.3.4" {
			w.Errorf("on record is %+v", sessions)
		}
		for range 10 {
			w.asksFrom("10.0.3.5", "admin")
		}
		w.eventually("the refusal is on record", func() bool { return len(w.lending()) == 3 })
		for range 10 {
			w.asksFrom("10.0.3.6", "admin")
		}
		w.eventually("the repeated refusals are on record", func() bool { return len(w.lending()) == 4 })
		for i, want := range []struct{ action, outcome, address, role, times string }{
			{"session.begin", "done", "10.0.3.4", "cluster/inner", ""},
			{"session.assume", "done", "10.0.3.4", "cluster/inner", ""},
			{"session.begin", "refused", "10.0.3.5", "admin", ""},
			{"session.begin", "refused", "10.0.3.6", "admin", "19"},
		} {
			e := w.lending()[i]
			role := slices.IndexFunc(e.Subjects, func(s api.AuditSubject) bool { return s.Kind == "role" })
			eks := slices.IndexFunc(e.Subjects, func(s api.AuditSubject) bool { return s.Kind == "runner" })
			if e.Action != want.action || e.Outcome != want.outcome || e.Actor.Address != want.address ||
				e.RequestID != "from-"+want.address ||
				e.Actor.Name != "scout" || e.Actor.Token == "" || e.After["times"] != want.times ||
				role < 0 || e.Subjects[role].Name != want.role || eks < 0 || e.Subjects[eks].Name != "eks" {
				w.Errorf("the event %d is %+v", i, e)
			}
		}
	})
}
