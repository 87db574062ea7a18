package runner

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// A runner that knows that its server does not answer refuses what it does not know, and
// hands out what it does, without asking: an SDK gives up after a second or two.
func TestNobodyWaitsForAServerThatDoesNotAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.allow("readonly")
		w.network.set(silent)
		w.deny("other", rolebroker.CodeUnavailable) // finds it out
		for _, later := range []time.Duration{0, time.Second, 20 * time.Second, 9 * time.Minute} {
			time.Sleep(later)
			asked := time.Now()
			w.allow("inner")
			w.allow("readonly")
			w.deny("other", rolebroker.CodeUnavailable)
			if _, err := w.borrows(rolebroker.NewSecret("rbt_unknown"), ""); rolebroker.CodeOf(err) !=
				rolebroker.CodeUnavailable {
				w.Errorf("a token that is not known gets %v", err)
			}
			if waited := time.Since(asked); waited > 200*time.Millisecond {
				w.Errorf("%s later the requests wait %s", later, waited)
			}
		}
		w.network.set(connected)
		back := time.Now()
		w.eventually("a new session begins", func() bool {
			_, err := w.borrows(w.scout, "other")
			return err == nil
		})
		if waited := time.Since(back); waited > 3*time.Second {
			w.Errorf("the runner notices %s later that the server answers", waited)
		}
	})
}

// A runner that cannot get the keys of its cluster is not ready.
func TestARunnerWithoutKeysIsNotReady(t *testing.T) {
	keys := &withoutKeys{}
	fail := func(err error) {
		keys.mu.Lock()
		defer keys.mu.Unlock()
		keys.err = err
	}
	status := func(w *world) int {
		answer := try((&network{handler: w.runner.http.Handler}).client().Get("http://127.0.0.1/readyz"))(w)
		defer answer.Body.Close()
		return answer.StatusCode
	}
	inWorld(t, func(w *world) {
		fail(rolebroker.Errorf(rolebroker.CodeUnavailable, "the keys cannot be fetched"))
		w.eventually("it is not ready", func() bool { return status(w) == http.StatusServiceUnavailable })
		fail(nil)
		w.eventually("it is ready", func() bool { return status(w) == http.StatusOK })
	}, func(o *Options) { o.Verifier = keys })
}

// withoutKeys verifies nothing until it has keys.
type withoutKeys struct {
	verifies
	mu  sync.Mutex
	err error
}

func (k *withoutKeys) Prepare(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// A runner counts what it lends, of the cluster and of the platform.
func TestARunnerCountsItsLoans(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.allow("readonly")
		w.allow("readonly")
		answer := try((&network{handler: w.runner.http.Handler}).client().Get("http://127.0.0.1/metrics"))(w)
		defer answer.Body.Close()
		text := string(try(io.ReadAll(answer.Body))(w))
		for _, want := range []string{"\nrolebroker_loans_total 1\n", "\nrolebroker_platform_loans_total 2\n"} {
			if !strings.Contains(text, want) {
				w.Errorf("the metrics have no line %q in %s", want, text)
			}
		}
	}, func(o *Options) { o.Metrics = &prometheus.Registry{} })
}
