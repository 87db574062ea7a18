package lend

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// end raises the generation of scout's role, as the store does when lending ends,
// and tells of it.
func (f *fake) end(change rolebroker.Change) {
	f.Helper()
	f.generation++
	f.records.put("scout", "scout", production(func(in *rolebroker.Integration) {
		in.Roles[0].Generation = f.generation
	}))
	f.records.tell(change)
}

// An ended lease is dropped at once, and the next request starts a session.
func TestWhatEndedIsNotHandedOutAgain(t *testing.T) {
	type change = rolebroker.Change
	for name, ending := range map[string]change{
		"the agent":              {Agent: "scout", Ended: true},
		"the integration":        {Integration: "int_production", Ended: true},
		"the role":               {Integration: "int_production", Role: "rol_readonly", Ended: true},
		"the role for the agent": {Agent: "scout", Integration: "int_production", Role: "rol_readonly", Ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fake) {
				before := f.mustLend("")
				f.end(ending)
				if n := len(f.leases()); n != 0 {
					f.Errorf("%d leases are left", n)
				}
				after := f.mustLend("")
				if after.Session == before.Session || after != f.mustLend("") {
					f.Error("the next request did not start one session")
				}
				f.records.tell(change{Agent: "other", Ended: true})
				f.records.tell(change{Integration: "int_production", Role: "rol_other", Ended: true})
				if f.mustLend("") != after {
					f.Error("an ending that concerns others ended it")
				}
			})
		})
	}
}

// A call to STS that was under way when lending ended does not count: its keys may
// be older than what the operator does in IAM next.
func TestACallUnderWayWhenLendingEndsIsNotHandedOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.takes = time.Second })
		lent := make(chan rolebroker.SessionID)
		go func() { lent <- f.mustLend("").Session }()
		time.Sleep(500 * time.Millisecond)
		f.end(rolebroker.Change{Agent: "scout", Ended: true})
		session := <-lent
		began, _ := f.records.sessions()
		if len(began) != 2 || session != began[1].ID {
			f.Errorf("of %d sessions %s was handed out", len(began), session)
		}
		if f.mustLend("").Session != session {
			f.Error("the new session was not kept")
		}
		time.Sleep(2 * time.Hour)
		if leases, scouts, _, _ := f.counts(); leases != 0 || scouts != 0 {
			f.Errorf("in the end %d leases are left, and %d count", leases, scouts)
		}
	})
}

// A lender that missed the news of an ending forgets the credentials at half of
// their lifetime. It never hands them out.
func TestAMissedEndingIsFoundOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.mustLend("")
		f.end(rolebroker.Change{})
		f.lease()
		time.Sleep(40 * time.Minute)
		if n := len(f.leases()); n != 0 {
			f.Errorf("%d leases are left", n)
		}
		if n := len(f.sts.made()); n != 1 {
			f.Errorf("there were %d calls", n)
		}
	})
}

// Nobody can tell in an outage whether a loan holds, so that a long transfer goes on.
func TestALoanHoldsInAnOutage(t *testing.T) {
	inBubble(t, func(f *fake) {
		loan := f.mustLend("")
		f.records.tell(rolebroker.Change{})
		f.records.fail("Grants", errAway)
		f.records.fail("Token", errAway)
		if _, err := f.lend(""); err == nil {
			f.Error("in an outage the records are not read")
		}
		if err := f.lender.Holds(f.Context(), scout, rolebroker.Request{}, loan); err != nil {
			f.Errorf("in an outage a loan does not hold: %v", err)
		}
	})
}
