package store_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// ear remembers what it was told.
type ear struct {
	mu   sync.Mutex
	told []rolebroker.Change
}

func (e *ear) hear(c rolebroker.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = append(e.told, c)
}

// changes is what it was told of, but for gaps.
func (e *ear) changes() []rolebroker.Change {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.told), func(c rolebroker.Change) bool { return c == rolebroker.Change{} })
}

func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = nil
}

func (e *ear) heard(c rolebroker.Change) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.told, c)
}

func createAgent(t *testing.T, s *store.Store, name string) rolebroker.Change {
	t.Helper()
	a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: name, Version: 1}
	if err := s.CreateAgent(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return rolebroker.Change{Agent: a.ID}
}

func TestServersHearOfEachOther(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	var ears [2]ear
	var stores [2]*store.Store
	for i := range stores {
		stores[i] = storetest.Open(t, url)
		stores[i].Subscribe(ears[i].hear)
		storetest.Eventually(t, "watching", stores[i].Watching)
	}
	change := createAgent(t, stores[0], "scout")
	storetest.Eventually(t, "hearing of the other's change", func() bool { return ears[1].heard(change) })
	marker := createAgent(t, stores[1], "marker")
	storetest.Eventually(t, "hearing of the other's change", func() bool { return ears[0].heard(marker) })
	if told := ears[0].changes(); !slices.Equal(told, []rolebroker.Change{change, marker}) { // its own, once
		t.Errorf("the first heard of %v", told)
	}
}

func TestNothingIsMissedWhenTheConnectionBreaks(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, url)
	var e ear
	s.Subscribe(e.hear)
	_, err := s.DB().ExecContext(t.Context(), `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "being told that everything may have changed", func() bool { return e.heard(rolebroker.Change{}) })
	storetest.Eventually(t, "watching again", s.Watching)
	other := storetest.Open(t, url)
	change := createAgent(t, other, "scout")
	storetest.Eventually(t, "hearing of a change", func() bool { return e.heard(change) })
}

func TestNothingRememberedIsUsedWithoutTheServer(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	s := storetest.Open(t, server.Database(t))
	var e ear
	s.Subscribe(e.hear)
	server.Crash(t)
	storetest.Eventually(t, "not watching", func() bool { return !s.Watching() })
	e.forget() // a slow machine may have had gaps before
	if code := rolebroker.CodeOf(s.Ready(t.Context())); code != rolebroker.CodeUnavailable {
		t.Errorf("without a server: %q", code)
	}
	if e.heard(rolebroker.Change{}) {
		t.Error("told of everything before it was connected again")
	}
	server.Start(t)
	storetest.Eventually(t, "watching again", s.Watching)
	if !e.heard(rolebroker.Change{}) {
		t.Error("watching before it was told that everything may have changed")
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A connection that answers and brings no notifications is not trusted.
func TestASilentConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	between := newPooler(t, database)
	s, other := storetest.Open(t, between.url), storetest.Open(t, database)
	storetest.Eventually(t, "watching", s.Watching)
	var e ear
	s.Subscribe(e.hear)
	between.deaf.Store(true)
	storetest.Eventually(t, "not watching", func() bool { return !s.Watching() })
	missed := createAgent(t, other, "missed")
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("the database answers: %v", err)
	}
	between.deaf.Store(false)
	storetest.Eventually(t, "watching again", s.Watching)
	if e.heard(missed) || !e.heard(rolebroker.Change{}) {
		t.Errorf("watching again, and told of %v", e.told)
	}
	change := createAgent(t, other, "scout")
	storetest.Eventually(t, "hearing of a change", func() bool { return e.heard(change) })
}

// Behind a pooler that lends connections by transaction the store works, and
// knows that it is told nothing.
func TestNothingIsHeardFromTheStart(t *testing.T) {
	t.Parallel()
	between := newPooler(t, storetest.Postgres(t))
	between.deaf.Store(true)
	s := storetest.Open(t, between.url)
	if s.Watching() {
		t.Error("watching before it heard anything")
	}
	createAgent(t, s, "scout")
	between.deaf.Store(false)
	storetest.Eventually(t, "watching", s.Watching)
}
