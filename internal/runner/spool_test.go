package runner

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

func begin(session string) entry { return entry{Begin: &api.RunnerSession{ID: session}} }
func finish(session string) entry {
	return entry{ID: session, Finish: &api.SessionOutcome{State: "active"}}
}

// The spool is bounded: a session that does not fit is refused before it begins.
// The outcome of a session that began always fits.
func TestTheSpoolIsBounded(t *testing.T) {
	t.Parallel()
	s := &spool{}
	for range maxSpool {
		if err := s.add(begin("ses_a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(begin("ses_b")); err == nil {
		t.Errorf("there is room for more than %d", maxSpool)
	}
	if err := s.add(finish("ses_a")); err != nil {
		t.Errorf("there is no room for the outcome: %v", err)
	}
	for range 2 {
		if err := s.dropFirst(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(begin("ses_b")); err != nil {
		t.Errorf("there is no room for what was sent: %v", err)
	}
}

// A renewal that the full spool cannot take is refused, and STS is not asked.
func TestWhatCannotBeSpooledIsNotBegun(t *testing.T) {
	inWorld(t, func(w *world) {
		w.aws.SetLifetime(time.Minute)
		w.allow("inner")
		w.network.set(cut)
		full := w.runner.record.spool
		full.mu.Lock()
		for range maxSpool {
			full.entries = append(full.entries, begin("ses_a"))
		}
		full.mu.Unlock()
		time.Sleep(time.Minute)
		e := w.deny("inner", rolebroker.CodeUnavailable)
		if e.Message != "the session cannot be written down, so it is not begun" {
			w.Errorf("it is refused with %q", e.Message)
		}
		if n := len(w.assumed()); n != 1 {
			w.Errorf("STS was asked %d times", n)
		}
	})
}

// Two that send the spool at once lose nothing of it.
func TestTheSpoolIsSentWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		received := map[string]int{}
		server := func(w http.ResponseWriter, r *http.Request) {
			var s api.RunnerSession
			_ = json.NewDecoder(r.Body).Decode(&s)
			mu.Lock()
			received[s.ID]++
			mu.Unlock()
			time.Sleep(time.Millisecond)
			answerJSON(w, api.Recorded{Session: s.ID})
		}
		r := recordOf(linkTo(t, server, &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}))
		for range 50 {
			if err := r.spool.add(begin(string(rolebroker.NewSessionID()))); err != nil {
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
		if len(received) != 50 || r.spool.pending() != 0 {
			t.Errorf("the server got %d, and %d are left", len(received), r.spool.pending())
		}
	})
}

// A line that a crash cut off loses none of those around it.
func TestALineThatWasCutOff(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := `{"begin":{"id":"ses_a"}}` + "\n" + `{"begin":{"id":"se` + "\n" +
		`{"id":"ses_a","finish":{"state":"active"}}` + "\n" + `{"begin":{"id":"ses`
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
