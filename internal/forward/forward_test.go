package forward

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// world is a Lender with a server that can be changed while it runs.
type world struct {
	*testing.T
	*Lender
	log bytes.Buffer

	mu     sync.Mutex
	asked  int
	answer func(ctx context.Context, req rolebroker.Request) (*rolebroker.Loan, error)
}

// inWorld runs a test on a simulated clock. The server lends loans of an hour.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		w.Lender = New(Options{Server: w.server(), Log: slog.New(slog.NewTextHandler(&w.log, nil))})
		defer w.Close()
		w.lends(time.Hour)
		test(w)
	})
}

// serverFunc is a Server.
type serverFunc func(context.Context, rolebroker.Caller, rolebroker.Request) (*rolebroker.Loan, error)

func (f serverFunc) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	return f(ctx, who, req)
}

func (w *world) server() Server {
	return serverFunc(func(ctx context.Context, _ rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
		w.mu.Lock()
		w.asked++
		answer := w.answer
		w.mu.Unlock()
		return answer(ctx, req)
	})
}

func (w *world) answers(answer func(context.Context, rolebroker.Request) (*rolebroker.Loan, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// lends has the server lend from now on, for so long.
func (w *world) lends(life time.Duration) {
	w.answers(func(context.Context, rolebroker.Request) (*rolebroker.Loan, error) { return loan(life), nil })
}

func loan(life time.Duration) *rolebroker.Loan {
	return &rolebroker.Loan{Credentials: rolebroker.Credentials{Expires: time.Now().Add(life)}}
}

// fails has the server answer with an error from now on.
func (w *world) fails(code rolebroker.Code) {
	w.answers(func(context.Context, rolebroker.Request) (*rolebroker.Loan, error) {
		return nil, rolebroker.Errorf(code, "no")
	})
}

// hangs has the server answer only when the question is given up.
func (w *world) hangs() {
	w.answers(func(ctx context.Context, _ rolebroker.Request) (*rolebroker.Loan, error) {
		<-ctx.Done()
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "did not answer in time")
	})
}

// gets checks the outcome of a request for the role: a code, "" for a loan.
func (w *world) gets(role string, want rolebroker.Code) *rolebroker.Loan {
	w.Helper()
	loan, err := w.Lend(w.Context(), role, rolebroker.Caller{}, rolebroker.Request{Role: role})
	if rolebroker.CodeOf(err) != want {
		w.Errorf("asking for %q gave %v, want code %q", role, err, want)
	}
	if err == nil && !loan.Credentials.Expires.After(time.Now()) {
		w.Errorf("handed out what expired at %s, and it is %s", loan.Credentials.Expires, time.Now())
	}
	return loan
}

func TestOutageHandsOutWhatIsValid(t *testing.T) {
	for _, code := range []rolebroker.Code{rolebroker.CodeUnavailable, rolebroker.CodeInternal,
		rolebroker.CodeThrottled} {
		t.Run(string(code), func(t *testing.T) {
			inWorld(t, func(w *world) {
				lent := w.gets("deployer", "")
				w.fails(code)
				if again := w.gets("deployer", ""); again != lent {
					w.Error("it is another loan")
				}
				w.gets("readonly", code) // was not lent before
				time.Sleep(59 * time.Minute)
				w.gets("deployer", "")
				time.Sleep(time.Minute)
				w.gets("deployer", code) // has expired
				w.lends(time.Hour)
				w.gets("deployer", "")
			})
		})
	}
}

func TestRefusalTakesEffectAtTheNextRequest(t *testing.T) {
	for _, code := range []rolebroker.Code{rolebroker.CodeDenied, rolebroker.CodeExpired, rolebroker.CodeNotFound,
		rolebroker.CodeUnauthenticated, "of_a_newer_server"} {
		t.Run(string(code), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.gets("deployer", "")
				w.gets("readonly", "")
				w.fails(code)
				w.gets("deployer", code)
				w.fails(rolebroker.CodeUnavailable)
				w.gets("deployer", rolebroker.CodeUnavailable) // the refusal made it forget the loan
				w.gets("readonly", "")                         // and no other
			})
		})
	}
}

func TestServerThatHangsIsNotWaitedForLong(t *testing.T) {
	inWorld(t, func(w *world) {
		w.gets("deployer", "")
		w.hangs()
		waits := func(role string, code rolebroker.Code, want time.Duration) {
			w.Helper()
			begun := time.Now()
			w.gets(role, code)
			if waited := time.Since(begun); waited != want {
				w.Errorf("a request for %s waited %s, want %s", role, waited, want)
			}
		}
		waits("deployer", "", patience)
		waits("readonly", rolebroker.CodeUnavailable, askTimeout)           // was not lent before
		waits("deployer", "", failingPatience)                              // the server is known not to answer
		time.Sleep(time.Hour - askTimeout - patience - failingPatience*3/2) // it expires while the request waits
		waits("deployer", rolebroker.CodeUnavailable, failingPatience)
	})
}

// A late answer still counts: the next request gets it.
func TestAnswersThatComeLateCount(t *testing.T) {
	inWorld(t, func(w *world) {
		old := w.gets("deployer", "")
		w.answers(func(context.Context, rolebroker.Request) (*rolebroker.Loan, error) {
			time.Sleep(3 * time.Second)
			return loan(2 * time.Hour), nil
		})
		if w.gets("deployer", "") != old {
			w.Error("the request waited for the answer")
		}
		time.Sleep(3 * time.Second)
		w.hangs()
		if w.gets("deployer", "") == old {
			w.Error("the late answer was not remembered")
		}
	})
}

func TestCallersThatAskAlikeShareAQuestion(t *testing.T) {
	inWorld(t, func(w *world) {
		w.answers(func(context.Context, rolebroker.Request) (*rolebroker.Loan, error) {
			time.Sleep(time.Second)
			return loan(time.Hour), nil
		})
		impatient, leave := context.WithCancel(w.Context())
		var all sync.WaitGroup
		all.Go(func() { // the first one, who goes away
			_, err := w.Lend(impatient, "deployer", rolebroker.Caller{}, rolebroker.Request{})
			if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
				w.Errorf("who went away got %v", err)
			}
		})
		synctest.Wait()
		for range 100 {
			all.Go(func() { w.gets("deployer", "") })
		}
		synctest.Wait()
		leave()
		all.Wait()
		if w.asked != 1 {
			w.Errorf("the server was asked %d times", w.asked)
		}
		w.gets("readonly", "")
		if w.asked != 2 {
			w.Errorf("for another key the server was asked %d times", w.asked)
		}
	})
}

func TestLoansThatExpiredAreForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 100 {
			w.gets(fmt.Sprint("role-", i), "")
		}
		time.Sleep(time.Hour)
		w.gets("deployer", "")
		if n := len(w.loans); n != 1 {
			w.Errorf("%d loans are remembered", n)
		}
	})
}

// A server whose clock is wrong lends nothing, and takes nothing away.
func TestWhatHasExpiredIsNoLoan(t *testing.T) {
	inWorld(t, func(w *world) {
		w.lends(0)
		w.gets("deployer", rolebroker.CodeUnavailable)
		if len(w.loans) != 0 {
			w.Errorf("%v is remembered", w.loans)
		}
		w.lends(time.Hour)
		w.gets("deployer", "")
		w.lends(-time.Second)
		w.gets("deployer", "") // the loan before it is valid
	})
}

func TestALoanThatTheServerMadeOtherwiseIsRemembered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Remember("deployer", loan(time.Hour))
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", "")
	})
}

func (w *world) logged(lines int, what string) {
	w.Helper()
	if got := w.log.String(); strings.Count(got, "\n") != lines || !strings.Contains(got, what) {
		w.Errorf("the log is %q, want %d lines with %q", got, lines, what)
	}
}

func TestAnOutageIsLoggedOnceIfALoanIsLeft(t *testing.T) {
	inWorld(t, func(w *world) {
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", rolebroker.CodeUnavailable)
		w.logged(0, "") // the caller has the error
		w.lends(time.Hour)
		w.gets("deployer", "")
		w.logged(0, "")
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", "")
		w.gets("deployer", "")
		w.logged(1, "loans that are still valid are handed out")
		w.lends(time.Hour)
		w.gets("deployer", "")
		w.logged(2, "the server lends again")
	})
}

// One role that fails among others that do not is no coming and going.
func TestOneRoleThatFailsIsLoggedOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.gets("deployer", "")
		w.gets("readonly", "")
		w.answers(func(_ context.Context, req rolebroker.Request) (*rolebroker.Loan, error) {
			if req.Role == "deployer" {
				return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "too much")
			}
			return loan(2 * time.Hour), nil
		})
		for range 10 {
			w.gets("deployer", "")
			w.gets("readonly", "")
		}
		w.logged(1, "loans that are still valid are handed out")
		time.Sleep(time.Hour) // nothing that fails is left
		w.gets("readonly", "")
		w.logged(2, "the server lends again")
	})
}

// A loan that has expired is no reason to log, even if it is not forgotten yet.
func TestExpiredLoansAreNoReasonToLog(t *testing.T) {
	inWorld(t, func(w *world) {
		w.gets("deployer", "")
		time.Sleep(time.Hour - sweepInterval/2)
		w.gets("readonly", "") // now the others are checked again in a minute
		time.Sleep(sweepInterval / 2)
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", rolebroker.CodeUnavailable)
		w.logged(0, "")
		w.gets("readonly", "")
		w.logged(1, "loans that are still valid are handed out")
		time.Sleep(time.Hour - sweepInterval)
		w.lends(time.Hour)
		w.gets("deployer", "")
		w.logged(1, "")
		time.Sleep(sweepInterval / 2)
		w.gets("deployer", "")
		w.logged(2, "the server lends again")
	})
}

// Closing breaks off the questions, and is no outage.
func TestClosing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.gets("deployer", "")
		w.hangs()
		begun := time.Now()
		go w.Close()
		w.gets("readonly", rolebroker.CodeUnavailable)
		w.gets("deployer", "")
		if waited := time.Since(begun); waited != 0 {
			w.Errorf("the callers waited %s", waited)
		}
		w.logged(0, "")
	})
}

func TestLoansAreMadeOfWholeAnswersOnly(t *testing.T) {
	secret := rolebroker.NewSecret("secret")
	const arn = "arn:aws:iam::444455556666:role/Deployer"
	made, err := NewLoan(arn, "ASIA", secret, secret, time.Now(), "full", "")
	if err != nil || made.Role.ARN.Name != "Deployer" || made.Credentials.Expires.Location() != time.UTC {
		t.Errorf("%+v, %v", made, err)
	}
	for what, err := range map[string]error{
		"no ARN":    second(NewLoan("Deployer", "ASIA", secret, secret, time.Now(), "full", "")),
		"no key":    second(NewLoan(arn, "", secret, secret, time.Now(), "full", "")),
		"no secret": second(NewLoan(arn, "ASIA", rolebroker.Secret{}, secret, time.Now(), "full", "")),
	} {
		if rolebroker.CodeOf(err) != rolebroker.CodeInternal || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second(_ *rolebroker.Loan, err error) error { return err }

// A caller that invents names of tasks leaves sessions of the agent to others. A minute
// later the names make room, and no more is remembered than before.
func TestACallerAsksForSoMuchAtATime(t *testing.T) {
	inWorld(t, func(w *world) {
		asks := func(caller rolebroker.TokenID, task string) rolebroker.Code {
			key := fmt.Sprint(caller, " ", task)
			_, err := w.Lend(w.Context(), key, rolebroker.Caller{Token: caller}, rolebroker.Request{Task: task})
			return rolebroker.CodeOf(err)
		}
		invents := func(what string, n int) (lent int) {
			for i := range n {
				if asks("first", fmt.Sprint(what, "-", i)) == "" {
					lent++
				}
			}
			return lent
		}
		if n := invents("invented", 100); n != maxKeys || w.asked != maxKeys {
			w.Errorf("%d tasks of 100 got credentials after %d questions", n, w.asked)
		}
		if asks("first", "invented-0") != "" || asks("second", "another") != "" {
			w.Error("what is in use, or another caller's, is refused")
		}
		if code := asks("first", "real"); code != rolebroker.CodeThrottled {
			w.Errorf("one more: %q", code)
		}
		time.Sleep(idleAfter - time.Second)
		asks("first", "invented-0")
		time.Sleep(time.Second)
		if n := invents("real", 100); n != maxKeys-1 || len(w.loans) != maxKeys+1 {
			w.Errorf("later %d tasks got credentials, and %d loans are remembered", n, len(w.loans))
		}
		time.Sleep(2 * time.Hour)
		asks("third", "task")
		if len(w.callers) != 1 {
			w.Errorf("%d callers are remembered", len(w.callers))
		}
	})
}

func TestWhatIsForgottenIsNotHandedOutDuringAnOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.gets("deployer", "")
		w.Forget(func(who rolebroker.Caller, _ string) bool { return who.Agent != "" })
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", "")
		w.Forget(func(rolebroker.Caller, string) bool { return true })
		w.gets("deployer", rolebroker.CodeUnavailable)

		// An answer that was under way is not remembered either.
		w.answers(func(context.Context, rolebroker.Request) (*rolebroker.Loan, error) {
			w.Forget(func(rolebroker.Caller, string) bool { return true })
			return loan(time.Hour), nil
		})
		w.gets("deployer", "")
		w.fails(rolebroker.CodeUnavailable)
		w.gets("deployer", rolebroker.CodeUnavailable)
	})
}
