package runnerapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/runnerapi"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// stream is an open stream of events, without a connection.
type stream struct {
	mu     sync.Mutex
	body   bytes.Buffer
	header http.Header
	ended  chan struct{}
}

func (s *stream) Header() http.Header              { return s.header }
func (s *stream) WriteHeader(int)                  {}
func (s *stream) Flush()                           {}
func (s *stream) SetWriteDeadline(time.Time) error { return nil }

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body.Write(p)
}

// events takes the events that were sent since the last call.
func (s *stream) events(t *testing.T) (all []api.RunnerEvent) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for lines := json.NewDecoder(&s.body); lines.More(); {
		var e api.RunnerEvent
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// hasEnded says whether the server has closed the stream.
func (s *stream) hasEnded() bool {
	synctest.Wait()
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// streamed is a server with a runner, in a synctest bubble.
type streamed struct {
	broker  *broker.Broker
	admin   rolebroker.Caller
	stream  *stream
	closing chan struct{}
	leave   context.CancelFunc // by the runner
}

// withStream runs a test with a stream of events that has begun.
func withStream(t *testing.T, test func(t *testing.T, s *streamed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		db, err := store.Open(ctx, store.Options{Database: storetest.SQLite(t)})
		must(err)
		defer db.Close()
		lender := lend.New(lend.Options{Records: db})
		defer lender.Close(ctx)
		s := &streamed{broker: broker.New(broker.Options{Store: db, Lender: lender}), closing: make(chan struct{})}
		who := &auth.Authenticator{Records: s.broker, Now: time.Now}
		key, err := s.broker.BootstrapAdmin(ctx, rolebroker.Secret{})
		must(err)
		s.admin, err = who.APIKey(ctx, key.Reveal(), "")
		must(err)
		_, err = s.broker.CreateRunner(ctx, s.admin, broker.RunnerSpec{Name: "eks"})
		must(err)
		_, token, err := s.broker.JoinToken(ctx, s.admin, "eks", 0)
		must(err)
		joining, err := who.JoinToken(ctx, token.Reveal(), "")
		must(err)
		_, _, credential, err := s.broker.Join(ctx, joining, "test")
		must(err)

		handler := runnerapi.New(runnerapi.Options{Broker: s.broker, Auth: who, Heartbeat: api.Heartbeat,
			Closing: s.closing})
		open, leave := context.WithCancel(ctx)
		defer leave()
		s.leave = leave
		request := httptest.NewRequestWithContext(open, http.MethodGet, "/runner/v1/events", nil)
		request.Header.Set("Authorization", "Bearer "+credential.Reveal())
		s.stream = &stream{header: http.Header{}, ended: make(chan struct{})}
		go func() {
			handler.ServeHTTP(s.stream, request)
			close(s.stream.ended)
		}()
		if first := s.stream.events(t); len(first) == 0 || first[0].Hello == nil || first[0].Hello.Name != "eks" {
			t.Fatalf("the stream begins with %+v", first)
		}
		test(t, s)
		leave()
		<-s.stream.ended
	})
}

func TestAStreamHasHeartbeats(t *testing.T) {
	withStream(t, func(t *testing.T, s *streamed) {
		for range 10 {
			time.Sleep(api.Heartbeat)
			if events := s.stream.events(t); len(events) != 1 || events[0] != (api.RunnerEvent{}) {
				t.Errorf("in the time of one heartbeat there are %+v", events)
			}
		}
		seen, err := s.broker.Runner(t.Context(), s.admin, "eks")
		if err != nil || !seen.Connected(time.Now()) {
			t.Errorf("the runner is not connected: %+v (%v)", seen, err)
		}
	})
}

func TestAStreamEndsWithTheRunner(t *testing.T) {
	withStream(t, func(t *testing.T, s *streamed) {
		if err := s.broker.DeleteRunner(t.Context(), s.admin, "eks", 0); err != nil {
			t.Fatal(err)
		}
		if time.Sleep(api.Heartbeat); !s.stream.hasEnded() {
			t.Error("the stream of a deleted runner goes on")
		}
	})
}

func TestAStreamEndsWhenTheRunnerLeaves(t *testing.T) {
	withStream(t, func(t *testing.T, s *streamed) {
		if s.leave(); !s.stream.hasEnded() {
			t.Error("the stream goes on without its runner")
		}
	})
}

func TestAStreamEndsWithTheServer(t *testing.T) {
	withStream(t, func(t *testing.T, s *streamed) {
		if close(s.closing); !s.stream.hasEnded() {
			t.Error("the stream goes on although the server stops")
		}
	})
}
