package runner

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// recordOf is a record with a spool in memory and a grace of an hour.
func recordOf(l *link) *record {
	r := newRecord(l, &spool{}, Options{Grace: time.Hour, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	r.Subscribe(func(rolebroker.Change) {})
	return r
}

// Remembered answers may be used while the stream of events is open, and for the
// grace while the server cannot be reached; not while the server answers and the
// stream is broken.
func TestWhenRememberedAnswersMayBeUsed(t *testing.T) {
	t.Parallel()
	r := recordOf(&link{})
	start := time.Now()
	at := start
	r.now, r.uptime = func() time.Time { return at }, func() time.Duration { return at.Sub(start) }
	is := func(what string, want bool, c contact, streaming bool, after time.Duration) {
		t.Helper()
		r.link.contact.Store(int32(c))
		r.streaming.Store(streaming)
		at = start.Add(after)
		if r.Watching() != want {
			t.Errorf("%s: %v", what, !want)
		}
	}
	is("there was no event yet", false, unreachable, false, 0)
	r.receive(api.RunnerEvent{Hello: &api.Hello{Runner: "run_a"}})
	is("the stream is open", true, reachable, true, 14*time.Second)
	is("the stream is silent", false, reachable, true, 16*time.Second)
	is("the server is away", true, unreachable, false, 59*time.Minute)
	is("the grace is over", false, unreachable, false, 61*time.Minute)
	is("the server answers, and the stream is broken", false, reachable, false, time.Second)
	is("the server does not know the runner", false, rejected, false, time.Second)
	r.grace = 0
	is("no grace, and the stream is open", true, reachable, true, 14*time.Second)
	is("no grace, and the server is away", false, unreachable, false, time.Millisecond)
	if at = start.Add(time.Second); r.isInGrace() {
		t.Error("authorised sessions go on without a grace")
	}
}

// The grace ends even if the wall clock is set back, and even if the machine
// sleeps, and with it the monotonic clock.
func TestTheGraceEndsByEitherClock(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for what, clocks := range map[string]struct {
		wall, uptime time.Duration // that pass
		inGrace      bool
	}{
		"both clocks go":            {59 * time.Minute, 59 * time.Minute, true},
		"the wall clock is set":     {-time.Hour, 61 * time.Minute, false},
		"the wall clock stands":     {0, 61 * time.Minute, false},
		"the machine sleeps":        {61 * time.Minute, time.Second, false},
		"the wall clock is behind":  {-time.Hour, 59 * time.Minute, true},
		"the wall clock goes ahead": {2 * time.Hour, time.Minute, false},
	} {
		r := recordOf(&link{})
		wall, uptime := start, time.Duration(0)
		r.now, r.uptime = func() time.Time { return wall }, func() time.Duration { return uptime }
		r.receive(api.RunnerEvent{Hello: &api.Hello{Runner: "run_a"}})
		wall, uptime = start.Add(clocks.wall), clocks.uptime
		if r.isInGrace() != clocks.inGrace {
			t.Errorf("%s: in the grace is %v, after a silence of %s", what, !clocks.inGrace, r.silence())
		}
	}
}

func numbered(i int) authorisation { return authorisation{sessionName: fmt.Sprint(i)} }

// Authorisations are bounded. The oldest make room first.
func TestAuthorisationsAreBounded(t *testing.T) {
	t.Parallel()
	r := recordOf(&link{})
	at := time.Now()
	r.now = func() time.Time { return at }
	for i := range 2*maxAuthorised + 1 {
		r.authorise(numbered(i))
		if n := len(r.authorised); n > maxAuthorised || i >= maxAuthorised && n < maxAuthorised*9/10 {
			t.Fatalf("%d are remembered", n)
		}
		if !r.isAuthorised(numbered(i)) {
			t.Fatalf("number %d is not remembered", i)
		}
	}

	clear(r.authorised)
	for i := range maxAuthorised / 2 {
		r.authorise(numbered(i))
	}
	at = at.Add(keepAuthorised)
	for i := maxAuthorised / 2; i <= maxAuthorised; i++ {
		r.authorise(numbered(i))
	}
	for i := range maxAuthorised + 1 {
		if isFresh := i >= maxAuthorised/2; r.isAuthorised(numbered(i)) != isFresh {
			t.Fatalf("number %d of %d is remembered: %v", i, maxAuthorised, !isFresh)
		}
	}
	if n := len(r.authorised); n != maxAuthorised/2+1 {
		t.Errorf("%d are remembered, want the fresh half", n)
	}
}

// A session that was authorised too long ago is no renewal.
func TestAuthorisationsEnd(t *testing.T) {
	t.Parallel()
	r := recordOf(&link{})
	at := time.Now()
	r.now = func() time.Time { return at }
	r.authorise(numbered(1))
	if at = at.Add(keepAuthorised - 1); !r.isAuthorised(numbered(1)) {
		t.Error("it ends too early")
	}
	if at = at.Add(1); r.isAuthorised(numbered(1)) {
		t.Error("it does not end")
	}
}

// While the server cannot be reached, only the renewal of a session that it
// authorised last is spooled, and only in the grace.
func TestWhatIsSpooled(t *testing.T) {
	t.Parallel()
	var answer error
	server := func(w http.ResponseWriter, r *http.Request) {
		if answer != nil {
			problem.Write(w, problem.Document(answer))
			return
		}
		answerJSON(w, api.Recorded{Session: decoded[api.RunnerSession](t, r).ID})
	}
	r := recordOf(linkTo(t, server, &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}))
	begin := func(agent rolebroker.AgentID, code rolebroker.Code, spooled int) {
		t.Helper()
		err := r.RecordSession(context.Background(), &rolebroker.Session{ID: rolebroker.NewSessionID(), Agent: agent},
			rolebroker.AuditEvent{})
		if rolebroker.CodeOf(err) != code || r.spool.pending() != spooled {
			t.Errorf("%v, and %d are spooled; want %q and %d", err, r.spool.pending(), code, spooled)
		}
	}
	away := rolebroker.Errorf(rolebroker.CodeUnavailable, "away")
	denied := rolebroker.Errorf(rolebroker.CodeDenied, "denied")
	r.receive(api.RunnerEvent{Hello: &api.Hello{Runner: "run_a"}})
	begin("agt_a", "", 0)
	answer = away
	begin("agt_a", "", 1)
	begin("agt_b", rolebroker.CodeUnavailable, 1) // was not authorised
	answer = denied
	begin("agt_a", rolebroker.CodeDenied, 1)
	answer = away
	begin("agt_a", rolebroker.CodeUnavailable, 1) // was denied last
	answer = nil
	begin("agt_a", "", 1)
	answer = away
	r.grace = 0
	begin("agt_a", rolebroker.CodeUnavailable, 1) // the grace is over
}

// Long reports of use are split, and lose nothing.
func TestUseIsSentInParts(t *testing.T) {
	t.Parallel()
	var requests, fetches, tokens int
	server := func(w http.ResponseWriter, r *http.Request) {
		use := decoded[api.Usage](t, r)
		requests, fetches, tokens = requests+1, fetches+len(use.Fetches), tokens+len(use.Tokens)
		if len(use.Fetches) > maxUse || len(use.Tokens) > maxUse {
			t.Errorf("one request has %d and %d", len(use.Fetches), len(use.Tokens))
		}
		answerJSON(w, struct{}{})
	}
	r := recordOf(linkTo(t, server, &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}))
	const n = 2*maxUse + 1
	usedAt := map[rolebroker.TokenID]time.Time{}
	for i := range n {
		usedAt[rolebroker.TokenID(fmt.Sprint(i))] = time.Now()
	}
	if err := r.RecordFetches(context.Background(), make([]rolebroker.Fetch, n)); err != nil {
		t.Error(err)
	}
	if err := r.RecordTokenUse(context.Background(), usedAt); err != nil {
		t.Error(err)
	}
	if requests != 6 || fetches != n || tokens != n {
		t.Errorf("%d fetches and %d tokens came in %d requests", fetches, tokens, requests)
	}
}
