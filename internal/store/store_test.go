package store_test

import (
	"path/filepath"
	"testing"

	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

var _ broker.Store = (*store.Store)(nil)

func TestMain(m *testing.M) {
	writeUntilKilled() // in the child processes of crash_test.go
	storetest.Main(m)
}

// engines gives each database a new one of its kind.
var engines = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "rolebroker.db") },
	"postgres": storetest.Postgres,
}

// onBoth runs the test with a new database of each engine.
func onBoth(t *testing.T, test func(t *testing.T, database string)) {
	for name, database := range engines {
		t.Run(name, func(t *testing.T) { test(t, database(t)) })
	}
}

func TestConformance(t *testing.T) {
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) *store.Store { return storetest.Open(t, database(t)) })
		})
	}
}
