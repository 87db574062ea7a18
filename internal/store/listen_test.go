package store_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// everything is the change that a store publishes after a gap: everything may
// have changed.
var everything rolebroker.Change

// subscriber collects the changes that a store publishes.
type subscriber struct {
	mu  sync.Mutex
	got []rolebroker.Change
}

func subscribe(s *store.Store) *subscriber {
	sub := &subscriber{}
	s.Subscribe(func(c rolebroker.Change) {
		sub.mu.Lock()
		defer sub.mu.Unlock()
		sub.got = append(sub.got, c)
	})
	return sub
}

// changes returns the changes without gaps, which a slow machine may have.
func (s *subscriber) changes() []rolebroker.Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.got), func(c rolebroker.Change) bool { return c == everything })
}

func (s *subscriber) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = nil
}

func (s *subscriber) has(c rolebroker.Change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.got, c)
}

func createAgent(t *testing.T, s *store.Store, name string) rolebroker.Change {
	t.Helper()
	a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: name, Version: 1}
	if err := s.CreateAgent(t.Context(), a, storetest.Event()); err != nil {
		t.Fatal(err)
	}
	return rolebroker.Change{Agent: a.ID}
}

func TestServersReceiveEachOthersChanges(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	var stores [2]*store.Store
	var subs [2]*subscriber
	for i := range stores {
		stores[i] = storetest.Open(t, url)
		subs[i] = subscribe(stores[i])
		storetest.Eventually(t, "watching", stores[i].Watching)
	}
	first := createAgent(t, stores[0], "scout")
	storetest.Eventually(t, "the first server's change at the second", func() bool { return subs[1].has(first) })
	second := createAgent(t, stores[1], "marker")
	storetest.Eventually(t, "the second server's change at the first", func() bool { return subs[0].has(second) })
	if got := subs[0].changes(); !slices.Equal(got, []rolebroker.Change{first, second}) { // its own one once
		t.Errorf("the first server published %v", got)
	}
	ending := rolebroker.Ending{Agent: first.Agent,
		Roles: []rolebroker.EndedRole{{Integration: "int_a", Role: "rol_a"}}}
	if _, err := stores[0].EndSessions(t.Context(), ending, storetest.Event()); err != nil {
		t.Fatal(err)
	}
	ended := rolebroker.Change{Agent: first.Agent, Integration: "int_a", Role: "rol_a", Ended: true}
	storetest.Eventually(t, "the ending at the second server", func() bool { return subs[1].has(ended) })
}

func TestNothingIsMissedWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url)
	sub := subscribe(s)
	_, err := s.DB().ExecContext(t.Context(), `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "publishing that everything may have changed", func() bool { return sub.has(everything) })
	storetest.Eventually(t, "watching again", s.Watching)
	other := storetest.Open(t, url)
	change := createAgent(t, other, "scout")
	storetest.Eventually(t, "another server's change", func() bool { return sub.has(change) })
}

func TestAStoreDoesNotWatchWithoutTheServer(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	s := storetest.Open(t, server.Database(t))
	sub := subscribe(s)
	server.Crash(t)
	storetest.Eventually(t, "not watching", func() bool { return !s.Watching() })
	sub.reset() // a slow machine may have had gaps before
	if code := rolebroker.CodeOf(s.Ready(t.Context())); code != rolebroker.CodeUnavailable {
		t.Errorf("without a server: %q", code)
	}
	if sub.has(everything) {
		t.Error("published that everything may have changed before it was connected again")
	}
	server.Start(t)
	storetest.Eventually(t, "watching again", s.Watching)
	if !sub.has(everything) {
		t.Error("watching before it published that everything may have changed")
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A store does not trust a connection that answers queries and delivers no
// notifications.
func TestASilentConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	between := newPooler(t, database)
	s, other := storetest.Open(t, between.url), storetest.Open(t, database)
	storetest.Eventually(t, "watching", s.Watching)
	sub := subscribe(s)
	between.deaf.Store(true)
	storetest.Eventually(t, "not watching", func() bool { return !s.Watching() })
	missed := createAgent(t, other, "missed")
	storetest.Eventually(t, "missing a change", func() bool { return between.hasDropped(string(missed.Agent)) })
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("the database answers: %v", err)
	}
	between.deaf.Store(false)
	storetest.Eventually(t, "watching again", s.Watching)
	if sub.has(missed) || !sub.has(everything) {
		t.Errorf("watching again, and published %v", sub.got)
	}
	change := createAgent(t, other, "scout")
	storetest.Eventually(t, "another server's change", func() bool { return sub.has(change) })
}

// Behind a pooler in transaction mode the store works, but does not watch.
func TestSilentFromTheStart(t *testing.T) {
	t.Parallel()
	between := newPooler(t, storetest.Postgres(t))
	between.deaf.Store(true)
	s := storetest.Open(t, between.url)
	if s.Watching() {
		t.Error("watching before any notification arrived")
	}
	createAgent(t, s, "scout")
	between.deaf.Store(false)
	storetest.Eventually(t, "watching", s.Watching)
}
