package lend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

func TestLendGivesTheRoleThatIsNamedAndAWSAgrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for reference, want := range map[string]string{
			"":                    "ReadOnly",
			"readonly":            "ReadOnly",
			"deployer":            "Deployer",
			"production/deployer": "Deployer",
			"arn:aws:iam::444455556666:role/Deployer": "Deployer",
		} {
			loan := w.mustLend(reference)
			got, want := w.identity(loan.Credentials), "arn:aws:sts::444455556666:assumed-role/"+want+"/scout"
			if got != want {
				t.Errorf("for %q AWS says %s, want %s", reference, got, want)
			}
		}
		if n := w.aws.Calls("AssumeRole"); n != 2 {
			t.Errorf("five references to two roles made %d AssumeRole calls", n)
		}
	})
}

func TestLendNamesTheTaskAndSendsTheExternalID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		loan, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Task: "nightly"})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.identity(loan.Credentials); !strings.HasSuffix(got, "/scout@nightly") {
			t.Errorf("AWS says %s", got)
		}
		in, err := w.store.Integration(w.ctx, "production")
		if err != nil {
			t.Fatal(err)
		}
		if got := w.aws.Assumed()[0].ExternalID; got == "" || got != in.ExternalID {
			t.Errorf("the external ID sent is %q, want %q", got, in.ExternalID)
		}
	})
}

func TestLendRefusesAndSaysWhatIsAvailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, c := range []struct {
			reference string
			code      rolebroker.Code
			says      string
		}{
			{"admin", rolebroker.CodeNotFound, "available are readonly (default), deployer"},
			{"staging/tester", rolebroker.CodeNotFound, "available are readonly (default), deployer"},
			{"tester", rolebroker.CodeNotFound, "available are readonly (default), deployer"},
			{"off", rolebroker.CodeDenied, "is disabled in integration production"},
			{"production/off", rolebroker.CodeDenied, "is disabled in integration production"},
			{"arn:aws:iam::444455556666:role/Tester", rolebroker.CodeNotFound, "available are"},
			{"arn:aws:iam::444455556666:role/readonly", rolebroker.CodeNotFound, "available are"},
			{"READONLY", rolebroker.CodeNotFound, "available are"},
			{"production/", rolebroker.CodeNotFound, "available are"},
			{"/readonly", rolebroker.CodeNotFound, "available are"},
			{"production/readonly/x", rolebroker.CodeNotFound, "available are"},
			{" ", rolebroker.CodeNotFound, "available are"},
			{"\x00", rolebroker.CodeNotFound, "available are"},
		} {
			if message := w.refuses(c.reference, c.code); !strings.Contains(message, c.says) {
				t.Errorf("%q is refused with %q, want %q in it", c.reference, message, c.says)
			}
		}

		if _, err := w.broker.Connect(w.ctx, admin, "scout", "staging", nil, 0); err != nil {
			t.Fatal(err)
		}
		message := w.refuses("readonly", rolebroker.CodeInvalid)
		if !strings.Contains(message, "production/readonly, staging/readonly") {
			t.Errorf("an ambiguous reference is refused with %q", message)
		}
		if loan := w.mustLend(""); loan.Role.Name != "readonly" {
			t.Errorf("the default is %s", loan.Role.Name)
		}
		if n := w.aws.Calls("AssumeRole"); n != 1 {
			t.Errorf("refusals made %d AssumeRole calls", n-1)
		}
	})
}

func TestTakingSomethingAwayRefusesTheVeryNextRequest(t *testing.T) {
	type step struct{ take, giveBack func(*world) error }
	update := func(change func(*rolebroker.Integration)) func(*world) error {
		return func(w *world) error {
			in, err := w.broker.Integration(w.ctx, admin, "production")
			if err != nil {
				return err
			}
			change(in)
			_, err = w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0, rolebroker.ValidateSkip.Saving())
			return err
		}
	}
	disable := func(disabled bool) func(*world) error {
		return func(w *world) error {
			spec := broker.AgentSpec{Name: "scout", Disabled: disabled}
			_, err := w.broker.UpdateAgent(w.ctx, admin, "scout", spec, 0)
			return err
		}
	}
	for name, s := range map[string]step{
		"disabling the role": {
			update(func(in *rolebroker.Integration) { in.Role("deployer").Enabled = false }),
			update(func(in *rolebroker.Integration) { in.Role("deployer").Enabled = true })},
		"disabling the integration": {
			update(func(in *rolebroker.Integration) { in.Enabled = false }),
			update(func(in *rolebroker.Integration) { in.Enabled = true })},
		"disabling the agent": {disable(true), disable(false)},
		"disconnecting": {
			func(w *world) error {
				_, err := w.broker.Disconnect(w.ctx, admin, "scout", "production")
				return err
			},
			func(w *world) error {
				_, err := w.broker.Connect(w.ctx, admin, "scout", "production", nil, 0)
				return err
			}},
		"removing the role": {
			update(func(in *rolebroker.Integration) { in.Roles = in.Roles[:1] }),
			update(func(in *rolebroker.Integration) { in.Roles = append(in.Roles, role("deployer", "Deployer")) })},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				for range 3 {
					before := w.mustLend("deployer")
					if err := s.take(w); err != nil {
						t.Fatal(err)
					}
					if _, err := w.lend("deployer"); err == nil {
						t.Fatal("it is lent after it was taken away")
					}
					if w.holds("deployer", before) == nil {
						t.Fatal("it holds after it was taken away")
					}
					if err := s.giveBack(w); err != nil {
						t.Fatal(err)
					}
					if w.mustLend("deployer").Credentials.AccessKeyID == before.Credentials.AccessKeyID {
						t.Fatal("after it was given back the old key is handed out")
					}
					if w.holds("deployer", before) == nil {
						t.Fatal("after it was given back the old loan holds")
					}
				}
			})
		})
	}
}

func (w *world) holds(reference string, loan *rolebroker.Loan) error {
	return w.lender.Holds(w.ctx, w.scout, rolebroker.Request{Role: reference}, loan)
}

func TestALoanHoldsUntilLendingEnds(t *testing.T) {
	w := newWorld(t)
	loan := w.mustLend("deployer")
	w.agent("other", "staging") // changes that do not concern it
	w.limit(broker.Limits{})
	if err := w.holds("deployer", loan); err != nil {
		t.Errorf("a loan does not hold: %v", err)
	}
	w.limit(broker.Limits{Access: rolebroker.AccessReadOnly})
	if err := w.holds("deployer", loan); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
		t.Errorf("with less access it holds: %v", err)
	}
	loan = w.mustLend("deployer")
	if err := w.broker.RevokeToken(w.ctx, admin, "scout", w.scout.Token); err != nil {
		t.Fatal(err)
	}
	if err := w.holds("deployer", loan); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
		t.Errorf("with a token that was revoked it holds: %v", err)
	}
}

func TestAThousandColdRequestsMakeOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Slow(200 * time.Millisecond))
		start := time.Now()
		seen := make([]*rolebroker.Loan, 1000)
		together(len(seen), func(i int) { seen[i], _ = w.lend("") })
		if took := time.Since(start); took > 201*time.Millisecond {
			t.Errorf("the last one waited %v", took)
		}
		for i, loan := range seen {
			if loan == nil || loan != seen[0] {
				t.Fatalf("request %d got another loan than request 0", i)
			}
		}
		if n := w.aws.Calls("AssumeRole"); n != 1 {
			t.Errorf("there were %d AssumeRole calls", n)
		}
	})
}

func TestARequestThatGivesUpDoesNotDisturbTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Slow(time.Second))
		hasty, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
		defer cancel()
		_, err := w.lender.Lend(hasty, w.scout, rolebroker.Request{})
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("a request that gave up got %v", err)
		}
		w.mustLend("")
		if n := w.aws.Calls("AssumeRole"); n != 1 {
			t.Errorf("there were %d AssumeRole calls", n)
		}
	})
}

func TestRenewalHappensInTheBackgroundWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("")
		w.aws.Inject(awssim.Slow(500 * time.Millisecond))
		for range 24 * 60 { // a day of asking once a minute
			time.Sleep(time.Minute)
			before := time.Now()
			loan := w.mustLend("")
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a request waited %v", waited)
			}
			if left := time.Until(loan.Credentials.Expires); left < 20*time.Minute {
				t.Fatalf("credentials with %v left were handed out", left)
			}
		}
		if n := w.aws.Calls("AssumeRole"); n > 49 {
			t.Errorf("a day took %d AssumeRole calls", n)
		}
	})
}

func TestWhatIsNoLongerUsedIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("")
		time.Sleep(24 * time.Hour)
		if n := w.aws.Calls("AssumeRole"); n != 2 {
			t.Errorf("one use led to %d AssumeRole calls; the first and one renewal are expected", n)
		}
		w.mustLend("")
	})
}

func TestWhatWasTakenAwayIsNotRenewed(t *testing.T) {
	for name, take := range map[string]func(*world) error{
		"a disabled integration": func(w *world) error {
			in, err := w.broker.Integration(w.ctx, admin, "production")
			if err != nil {
				return err
			}
			in.Enabled = false
			_, err = w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0, rolebroker.ValidateSkip.Saving())
			return err
		},
		"a revoked token": func(w *world) error { return w.broker.RevokeToken(w.ctx, admin, "scout", w.scout.Token) },
		"a deleted agent": func(w *world) error { return w.broker.DeleteAgent(w.ctx, admin, "scout", 0) },
		"a deleted integration": func(w *world) error {
			return w.broker.DeleteIntegration(w.ctx, admin, "production", 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.mustLend("")
				if err := take(w); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Hour)
				if n := w.aws.Calls("AssumeRole"); n != 1 {
					t.Errorf("there were %d AssumeRole calls", n)
				}
			})
		})
	}
}

func TestAnOutageDoesNotDisturbThoseWhoHoldCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first := w.mustLend("")
		time.Sleep(10 * time.Minute)
		repair := w.aws.Inject(awssim.Fail(503))
		for time.Until(first.Credentials.Expires) > time.Minute {
			before := time.Now()
			if got := w.mustLend(""); got != first {
				t.Fatal("during an outage another loan was handed out")
			}
			if waited := time.Since(before); waited > time.Second {
				t.Fatalf("a request waited %v with valid credentials there", waited)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Until(first.Credentials.Expires))
		w.refuses("", rolebroker.CodeUnavailable)
		repair()
		time.Sleep(time.Minute)
		if loan := w.mustLend(""); !time.Now().Before(loan.Credentials.Expires) {
			t.Error("expired credentials were handed out")
		}
	})
}

func TestStoppedTrustEndsWithTheFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("")
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting("999999999999"))
		time.Sleep(35 * time.Minute)
		w.mustLend("") // renewal was refused, but more than a third is left
		time.Sleep(10 * time.Minute)
		message := w.refuses("", rolebroker.CodeDenied)
		if !strings.Contains(message, "AccessDenied") || !strings.Contains(message, "request ID") {
			t.Errorf("the refusal says %q", message)
		}
	})
}

// TestADayOfTrouble asks in an irregular rhythm while STS fails in every way,
// and checks the promises of every single hand-out.
func TestADayOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.SetLifetime(15 * time.Minute)
		troubles := []awssim.Fault{
			awssim.Fail(500), awssim.Throttle(), awssim.Drop(), awssim.Slow(15 * time.Second), awssim.Slow(time.Minute),
		}
		end := time.Now().Add(24 * time.Hour)
		repair := func() {}
		lent := 0
		for i := 0; time.Now().Before(end); i++ {
			troubled := i%40 >= 20
			switch i % 40 {
			case 20:
				repair = w.aws.Inject(troubles[i/40%len(troubles)])
			case 0:
				repair()
			}
			time.Sleep(time.Duration(1+i*37%113) * time.Second)
			loan, err := w.lend("")
			if err != nil {
				if !troubled && i%40 > 5 {
					t.Fatalf("with STS well: %v", err)
				}
				continue
			}
			lent++
			left := time.Until(loan.Credentials.Expires)
			if left <= 0 {
				t.Fatalf("credentials that expired %v ago were handed out", -left)
			}
			if !troubled && i%40 > 5 && left < 5*time.Minute {
				t.Fatalf("with STS well, credentials with %v left were handed out", left)
			}
		}
		if lent < 1000 {
			t.Errorf("only %d requests were served", lent)
		}
	})
}

func TestThrottlingIsMetOnceForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Throttle())
		var refused atomic.Int32
		start := time.Now()
		together(200, func(int) {
			for time.Since(start) < 10*time.Second {
				if _, err := w.lend(""); rolebroker.CodeOf(err) == rolebroker.CodeUnavailable {
					refused.Add(1)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		if n := w.aws.Calls("AssumeRole"); n > 15 {
			t.Errorf("%d refused requests in 10 s made %d AssumeRole calls", refused.Load(), n)
		}
	})
}

func TestASessionIsRecordedBeforeSTSIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Slow(time.Second))
		go w.lend("")
		time.Sleep(500 * time.Millisecond)
		sessions := w.sessions()
		if len(sessions) != 1 || sessions[0].State != rolebroker.SessionRequested || w.aws.Calls("AssumeRole") != 1 {
			t.Fatalf("while STS thinks, the record is %+v", sessions)
		}
		time.Sleep(time.Second)
		s, loan := w.sessions()[0], w.mustLend("")
		given := loan.Credentials
		if s.State != rolebroker.SessionActive || s.AccessKeyID != given.AccessKeyID || s.RequestID == "" ||
			!s.ExpiresAt.Equal(given.Expires) {
			t.Errorf("afterwards the record is %+v", s)
		}
	})
}

func TestWhatSTSRefusedIsInTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting("999999999999"))
		w.refuses("", rolebroker.CodeDenied)
		s := w.sessions()[0]
		if s.State != rolebroker.SessionFailed || !strings.Contains(s.Failure, "AccessDenied") || s.RequestID == "" {
			t.Errorf("the record is %+v", s)
		}
	})
}

// deaf is a store that cannot record sessions.
type deaf struct{ lend.Records }

func (deaf) RecordSession(context.Context, *rolebroker.Session, rolebroker.AuditEvent) error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the database cannot be used now: %w", errors.New("disk full"))
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *lend.Options) { o.Records = deaf{o.Records} })
		w.refuses("", rolebroker.CodeUnavailable)
		if n := w.aws.Calls("AssumeRole"); n != 0 {
			t.Errorf("there were %d AssumeRole calls", n)
		}
	})
}

func TestAnAgentCannotMakeUsCallSTSWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ask := func(i int) error {
			_, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Task: fmt.Sprint("task", i)})
			return err
		}
		for i := range 1000 {
			err := ask(i)
			if want := i >= lend.DefaultSessionsPerAgent; (rolebroker.CodeOf(err) == rolebroker.CodeThrottled) != want {
				t.Fatalf("task %d: %v", i, err)
			}
		}
		for range 1000 {
			if err := ask(0); err != nil {
				t.Fatalf("a warm answer is limited: %v", err)
			}
		}
		if n := w.aws.Calls("AssumeRole"); n != lend.DefaultSessionsPerAgent {
			t.Errorf("there were %d AssumeRole calls", n)
		}
		time.Sleep(3 * time.Hour)
		if err := ask(5000); err != nil {
			t.Errorf("after the sessions ended: %v", err)
		}
	})
}

func TestAgentsDoNotShareSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		other := w.agent("rover", "production")
		mine := w.mustLend("")
		theirs, err := w.lender.Lend(w.ctx, other, rolebroker.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if mine.Credentials.AccessKeyID == theirs.Credentials.AccessKeyID {
			t.Error("two agents got the same credentials")
		}
	})
}

func TestUseIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := func() time.Time {
			known, err := w.store.Token(w.ctx, w.scout.Token)
			if err != nil {
				t.Fatal(err)
			}
			return known.UsedAt
		}
		for range 5 {
			if _, err := w.lender.Token(w.ctx, w.scout.Token); err != nil {
				t.Fatal(err)
			}
			w.mustLend("")
		}
		for range 2 {
			if err := w.lender.RecordUse(w.ctx); err != nil {
				t.Fatal(err)
			}
			if s := w.sessions()[0]; s.Fetches != 5 || !s.FetchedAt.Equal(time.Now().UTC()) {
				t.Errorf("the record says %d fetches, the last at %v", s.Fetches, s.FetchedAt)
			}
			if used := token(); !used.Equal(time.Now().Truncate(time.Minute)) {
				t.Errorf("the token was last used at %v", used)
			}
		}
	})
}

func TestOnlyAgentsBorrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, who := range []rolebroker.Caller{{}, admin} {
			_, err := w.lender.Lend(w.ctx, who, rolebroker.Request{})
			if rolebroker.CodeOf(err) != rolebroker.CodeDenied {
				t.Errorf("%+v got %v", who, err)
			}
		}
	})
}

func TestWhatWasTakenAwayWhileSTSWasAskedIsNotHandedOut(t *testing.T) {
	for name, take := range map[string]func(*world) error{
		"the token": func(w *world) error { return w.broker.RevokeToken(w.ctx, admin, "scout", w.scout.Token) },
		"the agent": func(w *world) error {
			_, err := w.broker.UpdateAgent(w.ctx, admin, "scout", broker.AgentSpec{Name: "scout", Disabled: true}, 0)
			return err
		},
		"the connection": func(w *world) error {
			_, err := w.broker.Disconnect(w.ctx, admin, "scout", "production")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.aws.Inject(awssim.Slow(10 * time.Second))
				answered := make(chan error, 1)
				go func() {
					_, err := w.lend("")
					answered <- err
				}()
				time.Sleep(time.Second)
				if err := take(w); err != nil {
					t.Fatal(err)
				}
				if err := <-answered; err == nil {
					t.Error("it was handed out nine seconds after it was taken away")
				}
			})
		})
	}
}

func TestWhatChangedWhileSTSWasAskedIsAskedForAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Slow(10 * time.Second))
		lent := make(chan *rolebroker.Loan, 1)
		go func() { lent <- w.mustLend("readonly") }()
		time.Sleep(time.Second)
		in, err := w.broker.Integration(w.ctx, admin, "production")
		if err != nil {
			t.Fatal(err)
		}
		in.Role("readonly").ARN.Name = "Tester"
		_, err = w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0, rolebroker.ValidateSkip.Saving())
		if err != nil {
			t.Fatal(err)
		}
		if loan := <-lent; loan.Role.ARN.Name != "Tester" {
			t.Errorf("after the role's ARN changed, %s was handed out", loan.Role.ARN)
		}
	})
}

func TestTasksThatAreRefusedAreLimitedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting("999999999999"))
		const minutes = 5
		for end := time.Now().Add(minutes * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			for i := range lend.DefaultSessionsPerAgent {
				_, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Task: fmt.Sprint("task", i)})
				if err == nil {
					t.Fatal("a role that does not trust us was lent")
				}
			}
		}
		if n, most := w.aws.Calls("AssumeRole"), lend.DefaultSessionsPerAgent+60*minutes; n > most {
			t.Errorf("one agent caused %d AssumeRole calls in %d minutes; at most %d are allowed", n, minutes, most)
		}
	})
}

func TestTheLastUseOfARevokedTokenIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("")
		if err := w.broker.RevokeToken(w.ctx, admin, "scout", w.scout.Token); err != nil {
			t.Fatal(err)
		}
		if err := w.lender.RecordUse(w.ctx); err != nil {
			t.Fatal(err)
		}
		if known, err := w.store.Token(w.ctx, w.scout.Token); err != nil || known.UsedAt.IsZero() {
			t.Errorf("the record says it was used at %v, %v", known.UsedAt, err)
		}
	})
}
