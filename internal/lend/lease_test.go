package lend

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// inBubble runs a test on a fake lender with a simulated clock.
func inBubble(t *testing.T, test func(f *fake), change ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newFake(t, change...)) })
}

func TestRenewalsOfLoansMadeTogetherAreSpread(t *testing.T) {
	inBubble(t, func(f *fake) {
		const loans = 60
		began := time.Now()
		for i := range loans {
			f.mustLend(fmt.Sprint("task-", i))
		}
		time.Sleep(40 * time.Minute)
		renewals := f.sts.times()[loans:]
		if len(renewals) != loans {
			f.Fatalf("there were %d renewals of %d loans", len(renewals), loans)
		}
		const lifetime = time.Hour
		different := map[time.Time]bool{}
		earliest, latest := renewals[0], renewals[0]
		for _, at := range renewals {
			if age := at.Sub(began); age < lifetime/2 || age > lifetime/2+lifetime/20 {
				f.Errorf("a loan is renewed at an age of %v", age)
			}
			different[at] = true
			if at.Before(earliest) {
				earliest = at
			}
			if at.After(latest) {
				latest = at
			}
		}
		if len(different) < loans/2 || latest.Sub(earliest) < lifetime/40 {
			f.Errorf("the renewals start at %d moments within %v", len(different), latest.Sub(earliest))
		}
	})
}

// TestFailingCallsGetRarer polls without pause while STS gives nothing.
func TestFailingCallsGetRarer(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		longest time.Duration
	}{
		"unreachable": {errUnreachable, 30 * time.Second},
		"denied":      {errRefused, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fake) {
				f.sts.set(func(s *fakeSTS) { s.err = test.err })
				const poll = 10 * time.Millisecond
				for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(poll) {
					if _, err := f.lend(""); err == nil {
						f.Fatal("it was lent")
					}
				}
				times := f.sts.times()
				last := map[time.Duration]bool{}
				for i := 1; i < len(times); i++ {
					pause, want := times[i].Sub(times[i-1]), min(time.Second<<min(i-1, 10), test.longest)
					if pause < want || pause > want+want/4+poll {
						f.Errorf("after %d failures the pause is %v, want %v, or a quarter more", i, pause, want)
					}
					if want == test.longest {
						last[pause] = true
					}
				}
				if len(last) < 3 {
					f.Errorf("the longest pauses are all alike: %v", last)
				}
			})
		})
	}
}

func TestPausesStartOverAfterASuccess(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.err = errUnreachable })
		for range 60 { // until the pauses are long
			_, _ = f.lend("")
			time.Sleep(5 * time.Second)
		}
		f.sts.set(func(s *fakeSTS) { s.err = nil })
		for {
			if _, err := f.lend(""); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		f.sts.set(func(s *fakeSTS) { s.err = errUnreachable; s.calls = nil })
		time.Sleep(35 * time.Minute)
		times := f.sts.times()
		if len(times) < 2 {
			f.Fatalf("there were %d calls", len(times))
		}
		if pause := times[1].Sub(times[0]); pause > 2*time.Second {
			f.Errorf("the first pause after a success is %v", pause)
		}
	})
}

// ageToRenewal makes a loan and lets it become so old that a request waits for
// its renewal, which did not succeed.
func (f *fake) ageToRenewal() *rolebroker.Loan {
	f.Helper()
	loan := f.mustLend("")
	f.sts.set(func(s *fakeSTS) { s.err = errUnreachable })
	time.Sleep(50 * time.Minute)
	if left := time.Until(loan.Credentials.Expires); left > 20*time.Minute {
		f.Fatalf("the loan has %v left", left)
	}
	// Let the pause after the last failure end when no call is under way.
	l := f.lease()
	l.stopTimer()
	time.Sleep(time.Minute)
	return loan
}

func TestARequestWaitsForAQuickRenewal(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.ageToRenewal()
		f.sts.set(func(s *fakeSTS) { s.err, s.takes = nil, 900*time.Millisecond })
		if loan := f.mustLend(""); loan == old {
			f.Error("a request did not wait 900 ms for the renewal")
		}
	})
}

func TestARequestDoesNotWaitForASlowRenewal(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.ageToRenewal()
		f.sts.set(func(s *fakeSTS) { s.err, s.takes = nil, 5*time.Second })
		began := time.Now()
		if loan := f.mustLend(""); loan != old {
			f.Error("it got another loan")
		}
		if waited := time.Since(began); waited != time.Second {
			f.Errorf("it waited %v", waited)
		}
		time.Sleep(5 * time.Second)
		if loan := f.mustLend(""); loan == old {
			f.Error("the renewal did not go on without the request")
		}
	})
}

func TestARequestThatGivesUpGetsNoLoan(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.ageToRenewal()
		f.sts.set(func(s *fakeSTS) { s.err, s.takes = nil, 5*time.Second })
		hasty, cancel := context.WithTimeout(f.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := f.lender.Lend(hasty, scout, rolebroker.Request{})
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			f.Errorf("a request that gave up got %v", err)
		}
	})
}

// TestARequestAfterTheExpiryWaitsForTheCall that began before it, for as long as
// that takes.
func TestARequestAfterTheExpiryWaitsForTheCall(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.ageToRenewal()
		time.Sleep(time.Until(old.Credentials.Expires) - 2*time.Second)
		f.sts.set(func(s *fakeSTS) { s.err, s.takes = nil, 10*time.Second })
		if f.mustLend("") != old { // which starts the call
			f.Fatal("it got another loan")
		}
		time.Sleep(2 * time.Second)
		if loan := f.mustLend(""); loan == old {
			f.Error("an expired loan was handed out")
		}
	})
}

// TestALoanThatExpiresDuringTheWaitIsNotHandedOut asks at the last moment.
func TestALoanThatExpiresDuringTheWaitIsNotHandedOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.ageToRenewal()
		time.Sleep(time.Until(old.Credentials.Expires) - 500*time.Millisecond)
		f.sts.set(func(s *fakeSTS) { s.err, s.takes = nil, 5*time.Second })
		lease := f.lease()
		go func() { // what Lend would not hand out is not what the lease gives, either
			if loan, err := lease.wait(f.Context(), scout); err == nil && !loan.isValid(time.Now()) {
				f.Error("the lease gives an expired loan")
			}
		}()
		if loan, err := f.lend(""); loan == old {
			f.Error("an expired loan was handed out")
		} else if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			f.Error(err)
		}
	})
}

// TestALoanThatExpiresBeforeItIsHandedOutIsNot: after the wait Lend decides again,
// and the records may be slow.
func TestALoanThatExpiresBeforeItIsHandedOutIsNot(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.records.change(rolebroker.Change{}, func(r *fakeRecords) { r.deaf = true }) // so that each decision reads
		f.sts.set(func(s *fakeSTS) { s.takes, s.lifetime = time.Second, time.Second })
		time.AfterFunc(500*time.Millisecond, func() {
			release := f.records.hold()
			time.AfterFunc(5*time.Second, release)
		})
		if loan := f.mustLend(""); !time.Now().Before(loan.Credentials.Expires) {
			f.Errorf("a loan that expired %v ago was handed out", time.Since(loan.Credentials.Expires))
		}
	})
}

// TestALeaseMayBeDroppedUnderARequest between the moment it finds the lease and
// the moment it uses it.
func TestALeaseMayBeDroppedUnderARequest(t *testing.T) {
	const ( // how far Lend has come
		asleep = iota
		decides
		hasLease // the next look at the clock
	)
	var stage atomic.Int32
	var expired *lease
	inBubble(t, func(f *fake) {
		old := f.mustLend("")
		expired = f.lease()
		expired.stopTimer()
		time.Sleep(2 * time.Hour)
		stage.Store(decides)
		loan := f.mustLend("")
		if stage.Load() != asleep {
			f.Fatal("the lease was not dropped")
		}
		if loan == old {
			f.Error("an expired loan was handed out")
		}
		if leases, scouts, _, _ := f.counts(); leases != 1 || scouts != 1 {
			f.Errorf("there are %d leases, and %d are counted", leases, scouts)
		}
		if n := len(f.sts.made()); n != 2 {
			f.Errorf("there were %d calls", n)
		}
	}, func(o *Options) {
		o.Serves = func(*rolebroker.Integration) error {
			stage.CompareAndSwap(decides, hasLease)
			return nil
		}
		o.Now = func() time.Time {
			if stage.CompareAndSwap(hasLease, asleep) {
				expired.onTimer()
			}
			return time.Now()
		}
	})
}

// TestARenewalThatJustEndedIsNotRepeated: a request may look before it ended and
// join after it.
func TestARenewalThatJustEndedIsNotRepeated(t *testing.T) {
	inBubble(t, func(f *fake) {
		loan := f.mustLend("")
		got, err := f.lease().join(scout).wait(f.Context())
		if err != nil || got.Loan != loan || len(f.sts.made()) != 1 {
			f.Errorf("after %d calls it got %v, %v", len(f.sts.made()), got, err)
		}
	})
}

func TestLeasesAreDropped(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		lent func(f *fake)
	}{
		"one that STS refused":       {errRefused, func(f *fake) { f.refuses(rolebroker.CodeDenied) }},
		"one nobody uses":            {nil, func(f *fake) { f.mustLend("") }},
		"one that cannot be renewed": {nil, func(f *fake) { f.ageToRenewal(); f.mustLend("") }},
		"one whose agent is gone": {nil, func(f *fake) {
			f.mustLend("")
			f.deleteAgent()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fake) {
				f.sts.set(func(s *fakeSTS) { s.err = test.err })
				test.lent(f)
				if f.lender.leaseCount() != 1 {
					f.Fatal("there is no lease")
				}
				time.Sleep(3 * time.Hour)
				if leases, _, agents, _ := f.counts(); leases != 0 || agents != 0 {
					f.Errorf("%d leases and %d agents are left", leases, agents)
				}
			})
		})
	}
}

// TestAnAgentHasOnlySoManySessions in use at a time, however slowly it starts them.
func TestAnAgentHasOnlySoManySessions(t *testing.T) {
	inBubble(t, func(f *fake) {
		for i := range 3 {
			f.mustLend(fmt.Sprint("task-", i))
			time.Sleep(10 * time.Second)
		}
		if _, err := f.lend("task-3"); rolebroker.CodeOf(err) != rolebroker.CodeThrottled {
			f.Errorf("one more than are allowed: %v", err)
		}
		f.mustLend("task-0")
		time.Sleep(45 * time.Second)
		f.mustLend("task-3") // in place of task-1
		if n := len(f.leases()); n != 3 {
			f.Errorf("there are %d leases", n)
		}
	}, func(o *Options) { o.SessionsPerAgent = 3 })
}

// TestADroppedLeaseDoesNotRefillTheAllowance: an agent whose sessions all end may
// not start as many again at once.
func TestADroppedLeaseDoesNotRefillTheAllowance(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.err = errRefused })
		for i := range 3 {
			_, _ = f.lend(fmt.Sprint("task-", i))
		}
		time.Sleep(time.Second)
		for _, l := range f.leases() {
			l.stopTimer()
			l.onTimer()
		}
		if n := f.lender.leaseCount(); n != 0 {
			f.Fatalf("%v leases are left", n)
		}
		for i := range 3 {
			_, err := f.lend(fmt.Sprint("task-", i))
			if throttled := rolebroker.CodeOf(err) == rolebroker.CodeThrottled; throttled != (i > 0) {
				f.Errorf("a second after all are used up, session %d: %v", i, err)
			}
		}
	}, func(o *Options) { o.SessionsPerAgent = 3 })
}

// TestARenewalIsNotCharged: what an agent has does not depend on how much it
// starts.
func TestARenewalIsNotCharged(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.ageToRenewal()
		f.sts.set(func(s *fakeSTS) { s.err = nil })
		for range 2 * DefaultSessionsPerAgent { // until nothing is left
			f.lender.chargeRetry(scout)
		}
		if f.mustLend("") == old {
			f.Error("the loan was not renewed")
		}
	})
}

func TestRenewalIsOnBehalfOfWhoAskedLast(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.mustLend("")
		second := rolebroker.Caller{Agent: "scout", Token: "second"}
		f.records.change(rolebroker.Change{Agent: "scout"}, func(r *fakeRecords) {
			r.tokens["second"] = &rolebroker.Token{ID: "second", Agent: "scout"}
		})
		if _, err := f.lender.Lend(f.Context(), second, rolebroker.Request{}); err != nil {
			f.Fatal(err)
		}
		f.records.change(rolebroker.Change{Agent: "scout"}, func(r *fakeRecords) { delete(r.tokens, scout.Token) })
		time.Sleep(40 * time.Minute)
		if n := len(f.sts.made()); n != 2 {
			f.Errorf("there were %d calls, the first and one renewal are expected", n)
		}
	})
}

func TestARenewedSessionHasTheNamesOfNow(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.mustLend("")
		f.update(func(in *rolebroker.Integration) {
			in.Name, in.Roles[0].Name, in.DefaultRole = "prod", "reader", "reader"
		})
		time.Sleep(40 * time.Minute)
		began, _ := f.records.sessions()
		if len(began) != 2 {
			f.Fatalf("there are %d sessions", len(began))
		}
		if s := began[1]; s.IntegrationName != "prod" || s.RoleName != "reader" {
			f.Errorf("the renewal is recorded as %s/%s", s.IntegrationName, s.RoleName)
		}
	})
}

// TestWhatChangedIsNotRenewed: the loan is what nobody would get any more.
func TestWhatChangedIsNotRenewed(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.mustLend("")
		f.update(func(in *rolebroker.Integration) { in.Roles[0].ARN.Name = "Other" })
		time.Sleep(2 * time.Hour)
		if n := len(f.sts.made()); n != 1 {
			f.Errorf("there were %d calls", n)
		}
	})
}

func TestRenewalGoesOnWhileTheRecordsCannotBeRead(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.mustLend("")
		f.records.change(rolebroker.Change{}, func(r *fakeRecords) { r.deaf = true })
		f.records.fail("Token", errAway)
		time.Sleep(40 * time.Minute)
		if n := len(f.sts.made()); n != 2 {
			f.Errorf("there were %d calls, the first and one renewal are expected", n)
		}
	})
}

// TestEverythingThatShapesCredentialsIsInTheKey changes one thing at a time: the
// very next request gets credentials that are made for it.
func TestEverythingThatShapesCredentialsIsInTheKey(t *testing.T) {
	type in = rolebroker.Integration
	type as = rolebroker.Assumption
	plain := as{
		ARN: production().Roles[0].ARN, Region: "us-east-1", SessionName: "scout",
		ExternalID: "external", Duration: time.Hour,
	}
	tags := rolebroker.Tags{Agent: "scout", Integration: "production", Role: "readonly"}
	for name, test := range map[string]struct {
		update func(*in)
		expect func(*as) // in what the second call differs from the first
	}{
		"ARN":             {func(i *in) { i.Roles[0].ARN.Name = "Other" }, func(a *as) { a.ARN.Name = "Other" }},
		"region":          {func(i *in) { i.Roles[0].Region = "eu-west-1" }, func(a *as) { a.Region = "eu-west-1" }},
		"duration":        {func(i *in) { i.Roles[0].SessionDuration = 7200e9 }, func(a *as) { a.Duration = 7200e9 }},
		"external ID":     {func(i *in) { i.ExternalID = "next" }, func(a *as) { a.ExternalID = "next" }},
		"source identity": {func(i *in) { i.SourceIdentity = true }, func(a *as) { a.SourceIdentity = "scout" }},
		"tags":            {func(i *in) { i.SessionTags = true }, func(a *as) { a.Tags = tags }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fake) {
				f.mustLend("")
				f.update(test.update)
				f.mustLend("")
				f.mustLend("")
				want := plain
				test.expect(&want)
				calls := f.sts.made()
				if len(calls) != 2 || calls[0].Assumption != plain || calls[1].Assumption != want {
					f.Errorf("the calls are %+v", calls)
				}
			})
		})
	}
	inBubble(t, func(f *fake) {
		f.mustLend("")
		f.mustLend("deploy")
		if calls := f.sts.made(); len(calls) != 2 || calls[1].SessionName != "scout@deploy" {
			f.Errorf("with a task, the calls are %+v", calls)
		}
	})
}

func TestACallIsCutOffAfterAWhile(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.takes = time.Hour })
		began := time.Now()
		f.refuses(rolebroker.CodeUnavailable)
		if waited := time.Since(began); waited != 20*time.Second {
			f.Errorf("the call was cut off after %v", waited)
		}
		if _, s := f.records.sessions(); len(s) != 1 || s[0].State != rolebroker.SessionFailed {
			f.Errorf("the record says %+v", s)
		}
	})
}

func TestIsTemporary(t *testing.T) {
	for _, err := range []error{errUnreachable, &rolebroker.Refusal{Kind: rolebroker.RefusedThrottled}, errAway} {
		if !isTemporary(err) {
			t.Errorf("%v is not temporary", err)
		}
	}
	for _, err := range []error{
		nil, errRefused, &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity},
		errors.New("broken"), rolebroker.Errorf(rolebroker.CodeDenied, "no"),
	} {
		if isTemporary(err) {
			t.Errorf("%v is temporary", err)
		}
	}
}
