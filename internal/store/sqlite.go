package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/rolebroker/rolebroker"
)

const (
	defaultLockWait = 10 * time.Second
	// sqliteReaders is small because each connection has its own page cache.
	sqliteReaders = 4
)

func (s *Store) openSQLite(ctx context.Context, o Options) error {
	path, err := createFile(o.Database)
	if err != nil {
		return err
	}
	if s.lock, err = lockFile(ctx, path+".lock", o.lockWait()); err != nil {
		return err
	}
	if s.writer, err = sqlitePool(path, 1, "journal_mode(WAL)", "synchronous(FULL)",
		"journal_size_limit(16777216)"); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.often, err = compile(ctx, s.writer, insertSession, finishSession, insertEvent, savepoint, release,
		insertSubject.one, putCall.one, putCall.many); err != nil {
		return err
	}
	s.reader, err = sqlitePool(path, sqliteReaders, "query_only(1)")
	return err
}

// compile compiles statements, because compiling takes longer than running them. They
// stay compiled until the pool is closed.
func compile(ctx context.Context, pool *sql.DB, all ...*statement) (map[*statement]*sql.Stmt, error) {
	compiled := map[*statement]*sql.Stmt{}
	for _, st := range all {
		prepared, err := pool.PrepareContext(ctx, st.text())
		if err != nil {
			return nil, wrap(st, err)
		}
		compiled[st] = prepared
	}
	return compiled, nil
}

// createFile creates the file, readable by its owner only, unless it exists. It
// returns the file's real path, so that a file has one lock whichever link it is
// opened by. It must run before SQLite opens the file, because closing a file
// releases all POSIX locks that the process has on it.
func createFile(path string) (string, error) {
	if path == "" {
		return "", rolebroker.Errorf(rolebroker.CodeInvalid,
			"the database is required: a path for SQLite, or postgres://…")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", noFolder(path, err)
	case err != nil:
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func noFolder(path string, err error) error {
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err,
		Message: fmt.Sprintf("there is no directory %s for the database", filepath.Dir(path)),
		Hint:    rolebroker.Hint{{Command: "mkdir -p " + filepath.Dir(path)}}}
}

// sqlitePool opens up to size connections to the file. A transaction takes the
// write lock when it begins, so that it cannot fail for lack of it later.
func sqlitePool(path string, size int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{"_txlock": {"immediate"}}
	query["_pragma"] = append([]string{"busy_timeout(5000)", "foreign_keys(1)", "temp_store(MEMORY)",
		"cache_size(-1024)"}, pragmas...)
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(0)
	return db, nil
}
