package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// crowd records sessions at once, all of which wait while the test holds the writer.
type crowd struct {
	testing.TB
	store *store.Store
	done  sync.WaitGroup
	errs  map[string]error // by the session's task
	mu    sync.Mutex
}

// record records a session with an event, in the background.
func (c *crowd) record(ctx context.Context, task string, change func(*rolebroker.AuditEvent)) {
	now := time.Now()
	se := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested, Task: task,
		RequestedAt: now, ExpiresAt: now.Add(time.Hour)}
	event := se.BeginEvent(now)
	change(&event)
	waiting := c.store.Waiting()
	c.done.Go(func() {
		err := c.store.RecordSession(ctx, se, event)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs[task] = err
	})
	if task != "first" { // which waits for the writer, and no longer for a transaction
		storetest.Eventually(c, "it waits", func() bool { return c.store.Waiting() > waiting })
	}
}

// stored returns the tasks of the sessions that are stored, and the number of events.
func (c *crowd) stored() (tasks map[string]bool, events int) {
	tasks = map[string]bool{}
	sessions, err := c.store.Sessions(c.Context(), rolebroker.SessionFilter{}, rolebroker.Page{Limit: 1000})
	if err != nil {
		c.Fatal(err)
	}
	for _, s := range sessions {
		tasks[s.Task] = true
	}
	recorded, err := c.store.AuditEvents(c.Context(), rolebroker.AuditFilter{Action: "session"}, rolebroker.Page{Limit: 1000})
	if err != nil {
		c.Fatal(err)
	}
	return tasks, len(recorded)
}

// Changes that wait for the writer of SQLite share a transaction, and none of them fails because another does.
func TestChangesThatShareATransaction(t *testing.T) {
	t.Parallel()
	same := rolebroker.NewAuditEventID()
	for name, c := range map[string]struct {
		change func(*rolebroker.AuditEvent)
		code   rolebroker.Code
	}{
		"an event without an action": {func(e *rolebroker.AuditEvent) { e.Action = "" }, rolebroker.CodeUnavailable},
		"an event that is there":     {func(e *rolebroker.AuditEvent) { e.ID = same }, rolebroker.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.Open(t, storetest.SQLite(t))
			crowd := &crowd{TB: t, store: s, errs: map[string]error{}}
			taken := storetest.Event()
			taken.ID = same
			if err := s.RecordEvent(t.Context(), taken); err != nil {
				t.Fatal(err)
			}
			held, err := s.DB().Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fine := func(*rolebroker.AuditEvent) {}
			crowd.record(t.Context(), "first", fine)
			storetest.Eventually(t, "the first waits for the writer", func() bool { return s.DB().Stats().WaitCount > 0 })
			leaving, leave := context.WithCancel(t.Context())
			for i := range 10 {
				crowd.record(t.Context(), fmt.Sprint("good-", i), fine)
			}
			crowd.record(t.Context(), "bad", c.change)
			crowd.record(leaving, "left", fine)
			crowd.record(t.Context(), "last", fine)
			leave()
			storetest.Eventually(t, "one has left", func() bool { return s.Waiting() == 12 })
			if err := held.Close(); err != nil {
				t.Fatal(err)
			}
			crowd.done.Wait()

			for task, err := range crowd.errs {
				want := rolebroker.Code("")
				switch task {
				case "bad":
					want = c.code
				case "left":
					want = rolebroker.CodeUnavailable
				}
				if got := rolebroker.CodeOf(err); err == nil && want != "" || err != nil && got != want {
					t.Errorf("%s: %v, want %q", task, err, want)
				}
			}
			tasks, events := crowd.stored()
			if len(tasks) != 12 || tasks["bad"] || tasks["left"] || events != 12 {
				t.Errorf("stored are %v with %d events", tasks, events)
			}
		})
	}
}
