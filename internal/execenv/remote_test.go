//go:build unix

package execenv

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
	"github.com/rolebroker/rolebroker/client"
)

var distant = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)

// lender is a remote lender whose server can be changed while it runs.
type lender struct {
	*remote
	t      *testing.T
	server *fake
}

func newLender(t *testing.T) *lender {
	server := newFake()
	r := newRemote(options(server).withDefaults())
	t.Cleanup(r.close)
	return &lender{remote: r, t: t, server: server}
}

// answers has the server lend from now on, for so long.
func (l *lender) answers(life time.Duration) {
	l.set(func(_ context.Context, role, _ string) (*client.Credentials, error) {
		return lentFor(role, time.Now().Add(life)), nil
	})
}

func (l *lender) fails(code rolebroker.Code) {
	l.set(func(context.Context, string, string) (*client.Credentials, error) {
		return nil, rolebroker.Errorf(code, "no")
	})
}

// hangs has the server say nothing until it is not waited for any more.
func (l *lender) hangs() {
	l.set(func(ctx context.Context, _, _ string) (*client.Credentials, error) {
		<-ctx.Done()
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "did not answer in time")
	})
}

func (l *lender) set(lend func(context.Context, string, string) (*client.Credentials, error)) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.server.lend = lend
}

// lends checks what a request for the role comes to: a code, "" for a loan.
func (l *lender) lends(role string, want rolebroker.Code) {
	l.t.Helper()
	loan, err := l.Lend(l.t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: role})
	if rolebroker.CodeOf(err) != want {
		l.t.Errorf("asking for %q gave %v, want code %q", role, err, want)
	}
	if err == nil && !loan.Credentials.Expires.After(time.Now()) {
		l.t.Errorf("handed out what expired at %s, and it is %s", loan.Credentials.Expires, time.Now())
	}
}

func TestOutageHandsOutWhatIsValid(t *testing.T) {
	for _, code := range []rolebroker.Code{rolebroker.CodeUnavailable, rolebroker.CodeInternal, rolebroker.CodeThrottled} {
		t.Run(string(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLender(t)
				l.answers(time.Hour)
				l.lends("deployer", "")
				l.fails(code)
				l.lends("deployer", "")
				l.lends("readonly", code) // was not lent before
				advance(59 * time.Minute)
				l.lends("deployer", "")
				advance(time.Minute)
				l.lends("deployer", code) // has expired
				l.answers(time.Hour)
				l.lends("deployer", "")
			})
		})
	}
}

// The role in use is remembered under the name that exec goes on asking for.
func TestOutageAfterTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.answers(time.Hour)
		loan, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{})
		if err != nil {
			t.Fatal(err)
		}
		l.using(l.server.offers[0], loan)
		l.fails(rolebroker.CodeUnavailable)
		l.lends("", "")
	})
}

func TestWhatHasExpiredIsNoLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.answers(0)
		l.lends("deployer", rolebroker.CodeUnavailable)
		if len(l.loans) != 0 {
			t.Errorf("%v is remembered", l.loans)
		}
		l.answers(time.Hour)
		l.lends("deployer", "")
		l.answers(-time.Second)
		l.lends("deployer", "") // what was lent before is valid
	})
}

func TestAnOutageIsToldOnceIfAnythingIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		var log bytes.Buffer
		l.log = slog.New(slog.NewTextHandler(&log, nil))
		says := func(lines int, what string) {
			t.Helper()
			if got := log.String(); strings.Count(got, "\n") != lines || !strings.Contains(got, what) {
				t.Errorf("the log is %q, want %d lines with %q", got, lines, what)
			}
		}
		l.fails(rolebroker.CodeUnavailable)
		l.lends("deployer", rolebroker.CodeUnavailable)
		says(0, "")
		l.answers(time.Hour)
		l.lends("deployer", "")
		says(0, "")
		l.fails(rolebroker.CodeUnavailable)
		l.lends("deployer", "")
		l.lends("deployer", "")
		says(1, "what is still valid is handed out")
		l.answers(time.Hour)
		l.lends("deployer", "")
		says(2, "rolebroker lends again")
	})
}

func TestRefusalTakesEffectAtTheNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.answers(time.Hour)
		l.lends("deployer", "")
		l.fails(rolebroker.CodeDenied)
		l.lends("deployer", rolebroker.CodeDenied)
		l.fails(rolebroker.CodeUnavailable)
		l.lends("deployer", rolebroker.CodeUnavailable) // what was lent before the refusal is forgotten
	})
}

func TestServerThatHangsIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.answers(time.Hour)
		l.lends("deployer", "")
		l.hangs()
		before := time.Now()
		l.lends("deployer", "")
		if waited := time.Since(before); waited != patience {
			t.Errorf("waited %s", waited)
		}
		l.lends("readonly", rolebroker.CodeUnavailable)
		if waited := time.Since(before); waited > patience+askTimeout {
			t.Errorf("waited %s", waited)
		}
		l.close()
		synctest.Wait()
	})
}

func TestEverybodyAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.set(func(_ context.Context, role, _ string) (*client.Credentials, error) {
			advance(time.Second)
			return lentFor(role, time.Now().Add(time.Hour)), nil
		})
		impatient, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { // the first one, who goes away
			if _, err := l.Lend(impatient, rolebroker.Caller{}, rolebroker.Request{Role: "deployer"}); err == nil {
				t.Error("who went away got a loan")
			}
		})
		synctest.Wait()
		for range 100 {
			all.Go(func() { l.lends("deployer", "") })
		}
		synctest.Wait()
		leave()
		all.Wait()
		if asked := l.server.questions(); len(asked) != 1 {
			t.Errorf("the server was asked %d times", len(asked))
		}
		l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: "deployer", Task: "other"})
		if asked := l.server.questions(); len(asked) != 2 {
			t.Errorf("another task did not ask again: %v", asked)
		}
	})
}

func TestWhatExpiredIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLender(t)
		l.answers(time.Hour)
		for i := range 100 {
			l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Task: fmt.Sprint("task-", i)})
		}
		advance(time.Hour)
		l.lends("", "")
		if n := len(l.loans); n != 1 {
			t.Errorf("%d loans are remembered", n)
		}
	})
}

// advance moves the bubble's clock.
func advance(d time.Duration) { <-time.After(d) }
