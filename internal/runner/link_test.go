package runner

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// linkTo is a link with a credential to a server in the same process.
func linkTo(t *testing.T, server http.HandlerFunc, state State) *link {
	t.Helper()
	l := &link{options: client.Options{URL: "http://127.0.0.1:8484", HTTPClient: (&network{handler: server}).client()},
		state: state, now: time.Now, log: slog.New(slog.DiscardHandler)}
	if err := l.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// shared is a State in memory that replicas share, as they share a Secret.
type shared struct {
	mu   sync.Mutex
	text []byte
}

func (s *shared) Load(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no credential")
	}
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

// Replicas that rotate the credential at the same moment store the one that
// works: the server forgets a credential once a newer one was used.
func TestReplicasRotateTheCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		var mu sync.Mutex
		newest, made := "first", 0
		server := func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second) // until all of them ask
			mu.Lock()
			defer mu.Unlock()
			made++
			newest = string(rune('a' + made))
			answerJSON(w, api.RunnerCredential{Runner: "run_a", Name: "eks", Credential: api.Secret(newest),
				ExpiresAt: now.Add(time.Hour)})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first",
			MadeAt: now.Add(-25 * time.Hour)}.encode()}
		var replicas sync.WaitGroup
		for range 5 {
			l := linkTo(t, server, state)
			replicas.Go(func() {
				if err := l.rotateWhenDue(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		replicas.Wait()
		stored, err := decodeCredential(state.text)
		if err != nil || stored.Credential != newest || made != 1 {
			t.Errorf("%q is stored, %q works, %d were made, %v", stored.Credential, newest, made, err)
		}
	})
}

// A replica that ends while it rotates the credential leaves one that works, and
// another replica rotates it later.
func TestAReplicaThatEndsWhileItRotatesTheCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, api.RunnerCredential{Runner: "run_a", Name: "eks", Credential: "next",
				ExpiresAt: time.Now().Add(time.Hour)})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first",
			MadeAt: time.Now().Add(-25 * time.Hour)}.encode()}
		killed, other := linkTo(t, server, state), linkTo(t, server, state)
		claim, err := killed.claim(t.Context())
		if stored, _ := decodeCredential(state.text); err != nil || stored.Credential != "first" {
			t.Fatalf("%+v is stored, %v", stored, err)
		}
		if err := other.rotateWhenDue(t.Context()); err != nil || other.current().Credential != "first" {
			t.Errorf("while the claim lasts: %+v, %v", other.current(), err)
		}
		time.Sleep(claimLasts)
		if err := other.rotateWhenDue(t.Context()); err != nil || other.current().Credential != "next" {
			t.Errorf("after the claim: %+v, %v", other.current(), err)
		}
		late := api.RunnerCredential{Runner: "run_a", Credential: "outdated"}
		if err := killed.store(t.Context(), claim, late); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("the first replica stores what it got too late: %v", err)
		}
	})
}

// decoded is the body of a request.
func decoded[T any](t *testing.T, r *http.Request) (v T) {
	t.Helper()
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		t.Error(err)
	}
	return v
}

// A running runner notices that its stored credential was lost, or replaced by an old
// one, and writes the one in use again. One of another replica it uses instead.
func TestACredentialThatIsLostIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		of := func(name string, age time.Duration) []byte {
			return credential{Runner: "run_a", Credential: name, MadeAt: time.Now().Add(-age)}.encode()
		}
		for what, test := range map[string]struct {
			found []byte
			want  string
		}{
			"the Secret was emptied":            {nil, "ours"},
			"the Secret has something else":     {[]byte("{}"), "ours"},
			"a backup was restored":             {of("before", 2*time.Hour), "ours"},
			"another replica rotated it":        {of("theirs", time.Minute), "theirs"},
			"it is another runner's credential": {credential{Runner: "run_b", Credential: "b"}.encode(), "b"},
		} {
			state := &shared{text: of("ours", time.Hour)}
			l := linkTo(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, state)
			state.text = test.found
			if err := l.keep(t.Context()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if stored, err := decodeCredential(state.text); err != nil || stored.Credential != test.want {
				t.Errorf("%s: %q is stored, want %q, %v", what, stored.Credential, test.want, err)
			}
		}
		state := &shared{text: of("ours", time.Hour)}
		l := linkTo(t, func(w http.ResponseWriter, _ *http.Request) {
			problem.Write(w, problem.Document(rolebroker.Errorf(rolebroker.CodeUnauthenticated, "it is not known")))
		}, state)
		l.probe(t.Context())
		state.text = nil
		if err := l.restore(t.Context()); err != nil || state.text != nil {
			t.Errorf("a credential that the server refuses was written again: %s, %v", state.text, err)
		}
	})
}

// A runner whose stored credential was deleted while it ran starts again without a
// join token.
func TestARunnerSurvivesTheLossOfItsState(t *testing.T) {
	inWorld(t, func(w *world) {
		if err := os.Remove(Folder(w.folder).path()); err != nil {
			w.Fatal(err)
		}
		time.Sleep(2 * keepInterval)
		w.close()
		w.opts.JoinToken = rolebroker.Secret{}
		w.start()
		w.allow("inner")
	})
}
