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
	// Database is the path of a SQLite file, which Open creates if it does not
	// exist, or the URL of a PostgreSQL database, such as
	// postgres://rolebroker@db.internal:5432/rolebroker?sslmode=verify-full.
	Database string
	// Password returns the password for PostgreSQL; it is called for each
	// connection, so that it may change. If it returns the zero Secret, or is nil,
	// the password is the one in Database or in libpq's PGPASSWORD or PGPASSFILE.
	Password func() (rolebroker.Secret, error)
	// LockWait is how long to wait for another server to release the SQLite
	// file, as in a rolling restart, and for a restore of PostgreSQL to end. Zero
	// means 10 seconds; a negative value means not at all.
	LockWait time.Duration
	// Log gets lost and regained connections; nil means no log.
	Log *slog.Logger
}

// lockWait is LockWait, or its default.
func (o Options) lockWait() time.Duration {
	if o.LockWait == 0 {
		return defaultLockWait
	}
	return o.LockWait
}

// Store is an open database. All of its methods may be called concurrently.
type Store struct {
	postgres bool
	writer   *sql.DB                  // one connection on SQLite
	reader   *sql.DB                  // the same pool as writer on PostgreSQL
	prepared sync.Map                 // *statement → *sql.Stmt of reader; SQLite only
	often    map[*statement]*sql.Stmt // of writer: what lending needs; SQLite only
	group    group
	lock     *fileLock
	listener *listener
	server   string // distinguishes our own notifications from those of other servers
	log      *slog.Logger
	notify   atomic.Pointer[func(rolebroker.Change)]
	closing  sync.Once
	closed   error // the result of Close
}

// Open opens the database and brings its schema up to date. Its errors are for
// the operator who started the server: they quote the database's own message,
// and never the password.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{postgres: isPostgres(o.Database), server: rand.Text(), log: o.Log}
	if s.log == nil {
		s.log = discard
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

var discard = slog.New(slog.DiscardHandler)

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// openError is the error of Open. Unlike other errors of a store it spells out
// its cause, because only the operator sees it. With PostgreSQL the cause is
// kept as text only: a driver's error holds its configuration, and with it the
// password.
func openError(database string, err error) error {
	var e *rolebroker.Error
	if errors.As(err, &e) {
		return e
	}
	if away := asUnreachable(err); away != nil {
		return away
	}
	if isPostgres(database) {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "opening the PostgreSQL database: %s", err)
	}
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable,
		Message: "opening the database " + database + ": " + err.Error(), Cause: err}
}

// Close stops listening and closes the database, after the statements under
// way have ended. Later calls of other methods fail with the code unavailable.
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

// Ready returns nil if the database answers a query.
func (s *Store) Ready(ctx context.Context) error {
	return s.query(ctx, ready, func(scan) error { return nil })
}

var ready = newStatement("ready", `SELECT count(*) FROM (SELECT 1 FROM api_keys LIMIT 1) AS one`)

// Subscribe sets the function that the store calls with every Change that may
// alter what an agent may borrow. For a change made here the call precedes the
// return of the method that made it; for one made by another server it follows
// its notification. notify must not block or call the store. Subscribe is to be
// called once, before the store is used.
func (s *Store) Subscribe(notify func(rolebroker.Change)) { s.notify.Store(&notify) }

func (s *Store) publish(change rolebroker.Change) {
	if notify := s.notify.Load(); notify != nil {
		(*notify)(change)
	}
}

// Watching says whether notifications of other servers' changes arrive. While
// it is false, callers must not use cached data. It is always true on SQLite,
// which only one server uses.
func (s *Store) Watching() bool { return s.listener == nil || s.listener.watching() }
