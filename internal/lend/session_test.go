package lend

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// TestTheRecordSaysTheLatestExpiryUntilSTSAnswers: the credentials of a session
// whose outcome is never recorded may work until then.
func TestTheRecordSaysTheLatestExpiryUntilSTSAnswers(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.lifetime = 50 * time.Minute })
		began := time.Now()
		loan := f.mustLend("")
		asked, finished := f.records.sessions()
		latest := began.Add(time.Hour + 5*time.Minute) // by a clock that differs from ours
		if s := asked[0]; s.State != rolebroker.SessionRequested || !s.ExpiresAt.Equal(latest) {
			f.Errorf("before STS answers the record is %+v", s)
		}
		if s := finished[0]; s.State != rolebroker.SessionActive || !s.ExpiresAt.Equal(loan.Credentials.Expires) {
			f.Errorf("afterwards it is %+v", s)
		}
	})
}

func TestCredentialsThatHaveExpiredByOurClockAreRefused(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.lifetime = -time.Minute })
		_, err := f.lend("")
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "set the clock right") {
			f.Errorf("it is refused with %v", err)
		}
		_, finished := f.records.sessions()
		if s := finished[0]; s.State != rolebroker.SessionFailed || s.RequestID != "request" ||
			!strings.Contains(s.Failure, "clock") {
			f.Errorf("the record is %+v", s)
		}
	})
}

func TestCredentialsWhoseOutcomeIsNotRecordedAreNotHandedOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.records.fail("FinishSession", errAway)
		f.refuses(rolebroker.CodeUnavailable)
		f.records.fail("FinishSession", nil)
		time.Sleep(10 * time.Second)
		f.mustLend("")
	})
}

// TestAFailureThatCannotBeRecordedIsStillAnswered as STS gave it.
func TestAFailureThatCannotBeRecordedIsStillAnswered(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.err = errRefused })
		f.records.fail("FinishSession", errAway)
		f.refuses(rolebroker.CodeDenied)
	})
}

func TestRefusalsOfSTSAreExplained(t *testing.T) {
	for kind, want := range map[rolebroker.RefusalKind]struct {
		code    rolebroker.Code
		says    string
		advises string
	}{
		rolebroker.RefusedDenied: {rolebroker.CodeDenied, "AWS does not let the server assume role",
			"integration validate production"},
		rolebroker.RefusedDuration: {rolebroker.CodeDenied, "AWS does not give sessions of 1h",
			"shorten the role's sessions"},
		rolebroker.RefusedRegion: {rolebroker.CodeDenied, "STS is not activated in us-east-1",
			"activate the region"},
		rolebroker.RefusedOther: {rolebroker.CodeDenied, "STS refuses role production/readonly",
			"integration validate production"},
		rolebroker.RefusedThrottled: {rolebroker.CodeUnavailable, "STS is throttling",
			"try again in a few seconds"},
		rolebroker.RefusedUnreachable: {rolebroker.CodeUnavailable, "STS in us-east-1 gave no answer",
			"try again; the"},
		rolebroker.RefusedNoIdentity: {rolebroker.CodeUnavailable, "the server has no AWS identity of its own",
			"the operator"},
		rolebroker.RefusedIdentity: {rolebroker.CodeUnavailable, "AWS does not accept the server's own AWS credentials",
			"the operator"},
		rolebroker.RefusedIdentityExpired: {rolebroker.CodeUnavailable, "the server's own AWS credentials expired",
			"the operator"},
	} {
		inBubble(t, func(f *fake) {
			f.sts.set(func(s *fakeSTS) { s.err = &rolebroker.Refusal{Kind: kind, Message: "no"} })
			_, err := f.lend("")
			e := rolebroker.AsError(err)
			if e.Code != want.code || !strings.Contains(e.Message, want.says) ||
				!strings.Contains(e.Hint.String(), want.advises) {
				f.Errorf("%s is answered with %s, %q (%s)", kind, e.Code, e.Message, e.Hint)
			}
		})
	}
}

// TestRefusalsAreLoggedWithTheirCause: as a warning where the operator has to do
// something.
func TestRefusalsAreLoggedWithTheirCause(t *testing.T) {
	var log strings.Builder
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.err = errUnreachable })
		f.refuses(rolebroker.CodeUnavailable)
		if got := log.String(); !strings.Contains(got, `level=WARN msg="refused to lend"`) ||
			!strings.Contains(got, `cause="STS cannot be reached"`) {
			f.Errorf("an outage is logged as %s", got)
		}
		log.Reset()
		_, err := f.lender.Lend(f.Context(), scout, rolebroker.Request{Role: "admin"})
		if rolebroker.CodeOf(err) != rolebroker.CodeNotFound || !strings.Contains(log.String(), "level=INFO") ||
			!strings.Contains(log.String(), " agent=scout agent_id="+string(scout.Agent)+" ") {
			f.Errorf("a role that is not there gives %v, and is logged as %s", err, log.String())
		}
	}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
}

// TestASessionLastsNotMuchLongerThanItsApproval: STS is asked for as long as the approval lasts, for its least at the
// least, and for nothing once the approval is over.
func TestASessionLastsNotMuchLongerThanItsApproval(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]time.Duration{
		2 * time.Hour: time.Hour, time.Hour: time.Hour, 20 * time.Minute: 20*time.Minute + time.Second,
		10 * time.Minute: 15 * time.Minute, time.Second: 15 * time.Minute, 0: 0, -time.Second: 0,
	} {
		key := leaseKey{assumption: rolebroker.Assumption{Duration: time.Hour}}.under(
			rolebroker.OpenRequest{ID: "req_a", Until: now.Add(left)})
		got, err := key.assumptionAt(now)
		if want == 0 && rolebroker.CodeOf(err) != rolebroker.CodeApproval || want > 0 && (err != nil || got.Duration != want) {
			t.Errorf("with %s left STS is asked for %s (%v), want %s", left, got.Duration, err, want)
		}
		if s := newSession(key, roleNames{}, rolebroker.Caller{}, now, got.Duration); want > 0 &&
			s.ExpiresAt.After(now.Add(left)) {
			t.Errorf("with %s left the record says that the session lasts until %s", left, s.ExpiresAt)
		}
		if end := now.Add(left).Format(time.RFC3339); want > 0 && !strings.Contains(got.Policy, end) {
			t.Errorf("with %s left the session policy has no end at %s: %s", left, end, got.Policy)
		}
	}
}

// TestASessionHasTheRequestThatAskedForIt: the records are found by its ID. No request asks for a renewal.
func TestASessionHasTheRequestThatAskedForIt(t *testing.T) {
	inBubble(t, func(f *fake) {
		ask := func(id rolebroker.RequestID) {
			who := scout
			who.Request = id
			if _, err := f.lender.Lend(f.Context(), who, rolebroker.Request{}); err != nil {
				f.Fatal(err)
			}
		}
		ask("cold")
		ask("warm")
		time.Sleep(40 * time.Minute)
		synctest.Wait()
		ask("renewed")
		f.lease().drop()
		ask("cold again")
		began, _ := f.records.sessions()
		var got []rolebroker.RequestID
		for _, session := range began {
			got = append(got, session.Request)
		}
		if want := []rolebroker.RequestID{"cold", "", "cold again"}; !slices.Equal(got, want) {
			f.Errorf("the sessions have the requests %q, want %q", got, want)
		}
	})
}

// TestAWarmRequestAllocatesNothing, though each has another ID.
func TestAWarmRequestAllocatesNothing(t *testing.T) {
	f := newFake(t)
	who, ids, n := scout, []rolebroker.RequestID{"one", "two"}, 0
	if allocations := testing.AllocsPerRun(100, func() {
		who.Request = ids[n%2]
		n++
		if _, err := f.lender.Lend(t.Context(), who, rolebroker.Request{}); err != nil {
			t.Fatal(err)
		}
	}); allocations != 0 {
		t.Errorf("it makes %v allocations", allocations)
	}
}
