package lend

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// times lends n times and returns the session.
func (f *fake) times(n int) rolebroker.SessionID {
	f.Helper()
	var session rolebroker.SessionID
	for range n {
		session = f.mustLend("").Session
	}
	return session
}

// cannotRecord tries to record while the records are away.
func (f *fake) cannotRecord() {
	f.Helper()
	f.records.fail("RecordFetches", errAway)
	if err := f.lender.RecordUse(f.Context()); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		f.Errorf("recording gave %v", err)
	}
	f.records.fail("RecordFetches", nil)
}

// recordsUse records once more and checks the counts in the record.
func (f *fake) recordsUse(want map[rolebroker.SessionID]int64) {
	f.Helper()
	if err := f.lender.RecordUse(f.Context()); err != nil {
		f.Error(err)
	}
	if got := f.records.counted(); !maps.Equal(got, want) {
		f.Errorf("the record counts %v, want %v", got, want)
	}
}

// TestFailingToRecordLosesNoCounts nor has any counted twice, while a loan is
// there, when it was replaced, and when its lease was dropped.
func TestFailingToRecordLosesNoCounts(t *testing.T) {
	inBubble(t, func(f *fake) {
		first := f.times(3)
		f.cannotRecord()
		f.times(2)
		f.cannotRecord()
		f.cannotRecord()
		time.Sleep(35 * time.Minute) // renewed meanwhile
		second := f.times(4)
		if second == first {
			f.Fatal("the loan was not replaced")
		}
		f.cannotRecord()
		f.cannotRecord()
		f.recordsUse(map[rolebroker.SessionID]int64{first: 5, second: 4})
		f.recordsUse(map[rolebroker.SessionID]int64{first: 5, second: 4})
		f.times(1)
		f.cannotRecord()
		f.deleteAgent() // so that it is not renewed
		time.Sleep(2 * time.Hour)
		if f.lender.leaseCount() != 0 {
			f.Fatal("the lease is still there")
		}
		f.cannotRecord()
		f.recordsUse(map[rolebroker.SessionID]int64{first: 5, second: 5})
		f.recordsUse(map[rolebroker.SessionID]int64{first: 5, second: 5})
		if _, _, _, retired := f.counts(); retired != 0 {
			f.Errorf("%d loans are kept for nothing", retired)
		}
	})
}

// TestUseOfADroppedLeaseIsRecorded once it is gone, without a failure before.
func TestUseOfADroppedLeaseIsRecorded(t *testing.T) {
	inBubble(t, func(f *fake) {
		session := f.times(2)
		f.deleteAgent()
		time.Sleep(2 * time.Hour)
		f.recordsUse(map[rolebroker.SessionID]int64{session: 2})
	})
}

// TestUseOfAReplacedLoanIsRecorded without a failure before.
func TestUseOfAReplacedLoanIsRecorded(t *testing.T) {
	inBubble(t, func(f *fake) {
		first := f.times(2)
		time.Sleep(35 * time.Minute)
		second := f.times(1)
		if second == first {
			f.Fatal("the loan was not replaced")
		}
		f.recordsUse(map[rolebroker.SessionID]int64{first: 2, second: 1})
	})
}

// TestCountsAreExactWhileRequestsGoOn records, and fails to, in between.
func TestCountsAreExactWhileRequestsGoOn(t *testing.T) {
	inBubble(t, func(f *fake) {
		const agents, each = 20, 200
		session := f.times(1)
		var wg sync.WaitGroup
		for range agents {
			wg.Go(func() { f.times(each) })
		}
		for range 50 {
			f.cannotRecord()
			_ = f.lender.RecordUse(f.Context())
		}
		wg.Wait()
		f.recordsUse(map[rolebroker.SessionID]int64{session: agents*each + 1})
	})
}
