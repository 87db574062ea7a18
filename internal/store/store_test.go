package store_test

import (
	"testing"

	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

var _ broker.Store = (*store.Store)(nil)

func TestMain(m *testing.M) {
	writeUntilKilled()  // does nothing except in the child processes of crash_test.go
	backUpUntilKilled() // does nothing except in the child processes of backup_test.go
	storetest.Main(m)
}

// engines maps an engine to a function that makes a database with the current
// schema.
var engines = map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}

// onBoth runs the test with a new database of each engine, side by side.
func onBoth(t *testing.T, test func(t *testing.T, database string)) { onEach(t, engines, test) }

func onEach(t *testing.T, engines map[string]func(testing.TB) string, test func(t *testing.T, database string)) {
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, database(t))
		})
	}
}

func TestConformance(t *testing.T) {
	for name, database := range engines {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) *store.Store { return storetest.Open(t, database(t)) })
		})
	}
}
