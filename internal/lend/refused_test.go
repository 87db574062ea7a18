package lend

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// inFakeTrail has what the lender tells of refusals noted, as "code role times".
func inFakeTrail(t *testing.T, test func(f *fake, told *[]string)) {
	inBubble(t, func(f *fake) {
		var told []string
		f.lender.OnRefusal(func(_ context.Context, r rolebroker.AgentRefusal) {
			told = append(told, fmt.Sprint(r.Refusal.Code, " ", r.Subject.Name, " ", r.Times))
			if r.Who.Name != "scout" || r.Who.Token != scout.Token {
				t.Errorf("it is told of %+v", r.Who)
			}
		})
		test(f, &told)
	})
}

// An agent that asks in a loop for what it may not have is told once, and then once a minute with the count.
func TestARefusalInALoopIsToldOnceAMinute(t *testing.T) {
	inFakeTrail(t, func(f *fake, told *[]string) {
		ask := func(role string) { _, _ = f.lender.Lend(f.Context(), scout, rolebroker.Request{Role: role}) }
		for range 100 {
			ask("admin")
		}
		use := func() {
			if err := f.lender.RecordUse(f.Context()); err != nil {
				f.Error(err)
			}
		}
		use()
		time.Sleep(time.Minute)
		use()
		time.Sleep(time.Minute)
		use() // nothing came since
		ask("admin")
		want := []string{"not_found admin 1", "not_found admin 99", "not_found admin 1"}
		if !slices.Equal(*told, want) {
			f.Errorf("told was %q, want %q", *told, want)
		}
	})
}

// An agent that invents names has five of them told, and all others as one.
func TestInventedNamesAreToldAsOne(t *testing.T) {
	inFakeTrail(t, func(f *fake, told *[]string) {
		for i := range 1000 {
			_, _ = f.lender.Lend(f.Context(), scout, rolebroker.Request{Role: fmt.Sprint("admin-", i)})
		}
		if len(*told) != guard.MaxKinds+1 {
			f.Errorf("told was %q", *told)
		}
		if err := f.lender.Close(context.Background()); err != nil { // it tells what it counted
			f.Error(err)
		}
		if last := (*told)[len(*told)-1]; len(*told) != guard.MaxKinds+2 || last != "not_found admin-999 994" {
			f.Errorf("told was %q", *told)
		}
		if f.lender.repeats.Len() != 1 {
			f.Errorf("it remembers %d agents", f.lender.repeats.Len())
		}
	})
}

// What STS refuses is in the record of the session, and an outage is no refusal.
func TestWhatIsNoRefusalIsNotTold(t *testing.T) {
	inFakeTrail(t, func(f *fake, told *[]string) {
		f.sts.set(func(s *fakeSTS) { s.err = errRefused })
		f.refuses(rolebroker.CodeDenied)
		f.records.change(rolebroker.Change{}, func(r *fakeRecords) { r.failing["Grants"] = errAway })
		f.refuses(rolebroker.CodeUnavailable)
		f.records.fail("Grants", nil)
		_, _ = f.lender.Lend(f.Context(), scout, rolebroker.Request{Task: "no good"})
		if len(*told) != 0 {
			f.Errorf("told was %q", *told)
		}
		events := f.records.recorded()
		if len(events) != 2 || events[0].Action != rolebroker.ActionSessionBegin ||
			events[1].Action != rolebroker.ActionSessionAssume || events[1].Refusal == nil {
			f.Errorf("the events are %+v", events)
		}
	})
}

// A session has the address that its agent asked from, and one event when it begins and one when STS has answered.
// Credentials that are handed out again leave none; a renewal is a new session.
func TestASessionLeavesTwoEvents(t *testing.T) {
	inBubble(t, func(f *fake) {
		who := scout
		lend := func(address string) {
			who.Address = address
			if _, err := f.lender.Lend(f.Context(), who, rolebroker.Request{Task: "tidy"}); err != nil {
				f.Error(err)
			}
		}
		lend("192.0.2.7")
		lend("192.0.2.8")
		lend("192.0.2.8")
		began, _ := f.records.sessions()
		if len(began) != 1 || began[0].Address != "192.0.2.7" || len(f.records.recorded()) != 2 {
			f.Errorf("the sessions are %+v, with %d events", began, len(f.records.recorded()))
		}
		time.Sleep(40 * time.Minute) // it is renewed for who asked last
		synctest.Wait()
		began, _ = f.records.sessions()
		if len(began) != 2 || began[1].Address != "192.0.2.8" || len(f.records.recorded()) != 4 {
			f.Errorf("after the renewal the sessions are %+v, with %d events", began, len(f.records.recorded()))
		}
		for i, e := range f.records.recorded() {
			if e.Actor.Agent != "scout" || e.Actor.Name != "scout" || e.Actor.Token != scout.Token ||
				e.Actor.Address != began[i/2].Address || e.Subjects[0].ID != string(began[i/2].ID) {
				f.Errorf("the event %d is %+v", i, e)
			}
		}
	})
}
