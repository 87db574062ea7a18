package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Options says which database to open.
type Options struct {
	// Database is the path of a SQLite file, which is made if there is none,
	// or the URL of a PostgreSQL database, as in
	// postgres://rolebroker@db.internal:5432/rolebroker?sslmode=verify-full.
	Database string
	// LockWait is how long to wait for another server to let go of the SQLite
	// file, as in a rolling restart; zero means 10 seconds, less than zero not
	// at all.
	LockWait time.Duration
	// Log hears of lost and regained connections; nil means no log.
	Log *slog.Logger
}

// Store is an open database. All of its methods may be called concurrently.
type Store struct {
	postgres bool
	writer   *sql.DB  // one connection on SQLite
	reader   *sql.DB  // the same pool as writer on PostgreSQL
	prepared sync.Map // *statement → *sql.Stmt of reader; SQLite only
	lock     *fileLock
	listener *listener
	server   string // tells our own notifications from those of others
	log      *slog.Logger
	tell     atomic.Pointer[func(rolebroker.Change)]
	closing  sync.Once
	closed   error // what Close answers
}

// Open opens the database and brings its schema up to date. Its errors are
// for the operator who started the server: they say what the database said,
// and never the password.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{postgres: isPostgres(o.Database), server: rand.Text(), log: o.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	open := s.openSQLite
	if s.postgres {
		open = s.openPostgres
	}
	if err := open(ctx, o); err != nil {
		s.Close()
		return nil, openError(o.Database, err)
	}
	return s, nil
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// openError is what Open answers. Unlike other errors of a store it spells out
// its cause, because nobody but the operator sees it. With PostgreSQL the cause
// stays text: a driver's error holds its configuration, and so the password.
func openError(database string, err error) error {
	var e *rolebroker.Error
	if errors.As(err, &e) {
		return e
	}
	if isPostgres(database) {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "opening the PostgreSQL database: %s", err)
	}
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable,
		Message: "opening the database " + database + ": " + err.Error(), Cause: err}
}

// Close stops listening and closes the database, waiting for what is under
// way. What is started afterwards finds the database unavailable.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closed = s.close() })
	return s.closed
}

func (s *Store) close() error {
	var errs []error
	if s.listener != nil {
		s.listener.close()
	}
	if s.reader != nil && s.reader != s.writer {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// Ready is nil while the database answers.
func (s *Store) Ready(ctx context.Context) error {
	return s.query(ctx, ready, func(scan) error { return nil })
}

var ready = newStatement("ready", `SELECT count(*) FROM (SELECT 1 FROM api_keys LIMIT 1) AS one`)

// Subscribe has tell called with every Change that may alter what an agent may
// borrow: one made here before the method that made it returns, one made by
// another server as soon as it is heard of. tell must not block or call the
// store. It is called once, before the store is used.
func (s *Store) Subscribe(tell func(rolebroker.Change)) { s.tell.Store(&tell) }

func (s *Store) told(change rolebroker.Change) {
	if tell := s.tell.Load(); tell != nil {
		(*tell)(change)
	}
}

// Watching says whether changes made by other servers are being heard of.
// While it is false, nothing remembered may be used. With SQLite there is no
// other server.
func (s *Store) Watching() bool { return s.listener == nil || s.listener.watching() }
