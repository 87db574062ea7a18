package storetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker/internal/store"
)

// SQLite returns the path of a new SQLite file, which is removed when the test
// ends. The file has the current schema and no rows. Opening it is faster than
// opening an empty file, because there is nothing to migrate.
func SQLite(t testing.TB) (path string) {
	t.Helper()
	content, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder(t), "rolebroker.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// migratedFile returns the content of a SQLite file with the current schema. The
// first call makes it.
var migratedFile = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "rolebroker-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rolebroker.db")
	if err := migrate(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate brings the schema of a database up to date.
func migrate(database string) error {
	s, err := store.Open(context.Background(), store.Options{Database: database})
	if err != nil {
		return err
	}
	return s.Close()
}

// folder makes a folder that is removed when the test ends. It is in memory if
// possible, because SQLite waits for the disk at every commit.
func folder(t testing.TB) string {
	t.Helper()
	const enough = 64 << 20
	memory, ok := memoryWith(enough)
	if !ok {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "rolebroker-sqlite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
