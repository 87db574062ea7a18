package runner

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// linkTo is a link to whatever answers, with a credential, without sockets.
func linkTo(t *testing.T, answer http.HandlerFunc, state State, now func() time.Time) *link {
	t.Helper()
	l := &link{options: client.Options{URL: "http://127.0.0.1:8484", HTTPClient: &http.Client{Transport: &network{handler: answer}}},
		state: state, now: now, log: slog.New(slog.DiscardHandler)}
	if err := l.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// shared is a State as a Secret is one.
type shared struct {
	mu   sync.Mutex
	text []byte
}

func (s *shared) Load(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, nil
}

func (s *shared) Save(_ context.Context, old, new []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(s.text) != string(old) {
		return rolebroker.Errorf(rolebroker.CodeConflict, "it was changed")
	}
	s.text = new
	return nil
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// Replicas that change the credential at the same moment keep the one that is
// good at the server, which forgets a credential once a newer one was used.
func TestReplicasChangeTheirCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		var mu sync.Mutex
		newest, made := "first", 0
		answer := func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second) // until all of them ask
			mu.Lock()
			defer mu.Unlock()
			made++
			newest = string(rune('a' + made))
			answerJSON(w, api.RunnerCredential{Runner: "run_a", Name: "eks", Credential: api.Secret(newest), ExpiresAt: now.Add(time.Hour)})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first", MadeAt: now.Add(-25 * time.Hour)}.encode()}
		var replicas sync.WaitGroup
		for range 5 {
			l := linkTo(t, answer, state, time.Now)
			replicas.Go(func() {
				if err := l.renew(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		kept, err := decodeCredential(state.text)
		if err != nil || kept.Credential != newest || made != 1 {
			t.Errorf("kept is %q, good is %q, made were %d, %v", kept.Credential, newest, made, err)
		}
	})
}

// A replica that ends while it changes the credential leaves one that is good,
// and another replica changes it later.
func TestAReplicaThatEndsWhileItChangesTheCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, api.RunnerCredential{Runner: "run_a", Name: "eks", Credential: "next", ExpiresAt: time.Now().Add(time.Hour)})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first", MadeAt: time.Now().Add(-25 * time.Hour)}.encode()}
		killed, other := linkTo(t, answer, state, time.Now), linkTo(t, answer, state, time.Now)
		claim, err := killed.claim(t.Context())
		if kept, _ := decodeCredential(state.text); err != nil || kept.Credential != "first" {
			t.Fatalf("kept is %+v, %v", kept, err)
		}
		if err := other.renew(t.Context()); err != nil || other.present().Credential != "first" {
			t.Errorf("while the claim lasts: %+v, %v", other.present(), err)
		}
		time.Sleep(claimLasts)
		if err := other.renew(t.Context()); err != nil || other.present().Credential != "next" {
			t.Errorf("%+v, %v", other.present(), err)
		}
		late := api.RunnerCredential{Runner: "run_a", Credential: "outdated"}
		if err := killed.keep(t.Context(), claim, late); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("after its time the first keeps what it got: %v", err)
		}
	})
}

// Two that send what was spooled at once send all of it.
func TestWhatWasNotToldIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]int{}
		answer := func(w http.ResponseWriter, r *http.Request) {
			var s api.RunnerSession
			_ = json.NewDecoder(r.Body).Decode(&s)
			mu.Lock()
			told[s.ID]++
			mu.Unlock()
			time.Sleep(time.Millisecond)
			answerJSON(w, api.Recorded{Session: s.ID})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}
		spool := &spool{}
		r := &record{link: linkTo(t, answer, state, time.Now), spool: spool, now: time.Now, log: slog.New(slog.DiscardHandler),
			delivering: make(chan struct{}, 1)}
		for range 50 {
			if err := spool.add(entry{Begin: &api.RunnerSession{ID: string(rolebroker.NewSessionID())}}); err != nil {
				t.Fatal(err)
			}
		}
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := r.deliver(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if len(told) != 50 || spool.pending() != 0 {
			t.Errorf("told were %d, and %d are left", len(told), spool.pending())
		}
	})
}

// TestALineThatWasCutOff loses none of those around it.
func TestALineThatWasCutOff(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := `{"begin":{"id":"ses_a"}}` + "\n" + `{"begin":{"id":"se` + "\n" + `{"id":"ses_a","finish":{"state":"active"}}` + "\n" + `{"begin":{"id":"ses`
	if err := os.WriteFile(filepath.Join(folder, "sessions.jsonl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := openSpool(folder)
		if err != nil || len(s.entries) != 2 || s.entries[1].Finish == nil {
			t.Errorf("%+v, %v", s.entries, err)
		}
	}
}

// TestWhenWhatIsRememberedCounts: while changes are heard of, and for the grace
// while the server is away; not while it answers and tells nothing.
func TestWhenWhatIsRememberedCounts(t *testing.T) {
	t.Parallel()
	heard := time.Now()
	at := heard
	r := &record{link: &link{}, grace: time.Hour, now: func() time.Time { return at }, forget: func(rolebroker.Change) {}}
	is := func(what string, want bool, c contact, up bool, after time.Duration) {
		t.Helper()
		r.link.contact.Store(int32(c))
		r.up.Store(up)
		at = heard.Add(after)
		if r.Watching() != want {
			t.Errorf("%s: %v", what, !want)
		}
	}
	is("nothing was heard yet", false, isAway, false, 0)
	r.hear(api.RunnerEvent{Hello: &api.Hello{Runner: "run_a"}})
	is("changes are heard of", true, answers, true, 14*time.Second)
	is("silence", false, answers, true, 16*time.Second)
	is("the server is away", true, isAway, false, 59*time.Minute)
	is("the grace is over", false, isAway, false, 61*time.Minute)
	is("the server answers, and tells nothing", false, answers, false, time.Second)
	is("the server does not know the runner", false, refuses, false, time.Second)
	r.grace = 0
	is("no grace, and changes are heard of", true, answers, true, 14*time.Second)
	is("no grace, and the server is away", false, isAway, false, time.Millisecond)
	if at = heard.Add(time.Second); r.isInGrace() {
		t.Error("what was authorised goes on without a grace")
	}
}

// TestWhatWasAuthorisedIsForgotten some day, and bounded.
func TestWhatWasAuthorisedIsForgotten(t *testing.T) {
	t.Parallel()
	at := time.Now()
	r := &record{now: func() time.Time { return at }, authorised: map[authorisation]time.Time{}}
	for i := range 2*maxAuthorised + 1 {
		r.authorise(authorisation{sessionName: string(rune(i + 0x10000))})
	}
	if n := len(r.authorised); n > maxAuthorised {
		t.Errorf("%d are remembered", n)
	}
	last := authorisation{sessionName: "last"}
	r.authorise(last)
	before := r.isAuthorised(last)
	if at = at.Add(keepAuthorised); !before || r.isAuthorised(last) {
		t.Error("it is not forgotten, or was before")
	}
}
