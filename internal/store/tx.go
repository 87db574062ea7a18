package store

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	// maxAttempts bounds how often a transaction runs that conflicts with
	// others.
	maxAttempts = 8
	// maxTransaction bounds the time from a transaction's first statement to its
	// commit.
	maxTransaction = 30 * time.Second
)

// tx is one attempt at a change.
type tx struct {
	*sql.Tx
	often     map[*statement]*sql.Stmt
	changes   []rolebroker.Change // published once it is committed
	unchanged bool                // what was asked for is so already
}

// change runs fn in a transaction, again from the start whenever it conflicts
// with others, and publishes the changes that fn appended to tx.changes.
func (s *Store) change(ctx context.Context, fn func(ctx context.Context, tx *tx) error) error {
	return s.persist(ctx, func() error { return s.attempt(ctx, fn) })
}

// changeRecorded is change, and stores the event of it in the same transaction. If fn finds nothing to change it stores
// none.
func (s *Store) changeRecorded(
	ctx context.Context, event rolebroker.AuditEvent, fn func(ctx context.Context, tx *tx) error,
) error {
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		if err := fn(ctx, tx); err != nil || tx.unchanged {
			return err
		}
		return tx.record(ctx, event)
	})
}

// run executes one statement that needs no explicit transaction.
func (s *Store) run(ctx context.Context, st *statement, args ...any) (changed int64, err error) {
	err = s.persist(ctx, func() (err error) {
		changed, err = exec(ctx, s.writer, st, args...)
		return err
	})
	return changed, err
}

// persist calls try until it succeeds or fails for good.
func (s *Store) persist(ctx context.Context, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt == maxAttempts || !retryable(err) {
			return asError(ctx, err)
		}
		s.log.Debug("a transaction is run again", "attempt", attempt, "error", err)
		if ctx.Err() == nil {
			pause(ctx, attempt)
		}
	}
}

// pause waits about 2, 4, 8 … milliseconds, with jitter, so that the same
// transactions do not conflict again.
func pause(ctx context.Context, attempt int) {
	most := time.Millisecond << attempt
	select {
	case <-time.After(most/2 + rand.N(most)):
	case <-ctx.Done():
	}
}

// attempt runs fn in a transaction and commits it. ctx can stop it until the
// commit begins but not after, so that the caller knows the outcome.
func (s *Store) attempt(ctx context.Context, fn func(ctx context.Context, tx *tx) error) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	life, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxTransaction)
	defer cancel()
	unlink := context.AfterFunc(ctx, cancel)
	defer unlink()
	begun, err := conn.BeginTx(life, nil)
	if err != nil {
		return err
	}
	defer begun.Rollback()
	t := &tx{Tx: begun, often: s.often}
	if err := fn(life, t); err != nil {
		return err
	}
	if err := s.notifyOthers(life, t); err != nil {
		return err
	}
	if !unlink() {
		return ctx.Err()
	}
	err = begun.Commit()
	// If the connection broke during the commit, its outcome is unknown.
	// Publishing a change that did not happen does no harm.
	for _, change := range t.changes {
		s.publish(change)
	}
	return err
}

// notifyOthers has PostgreSQL notify the other servers when the transaction
// commits.
func (s *Store) notifyOthers(ctx context.Context, t *tx) error {
	if !s.postgres {
		return nil
	}
	for _, change := range t.changes {
		if err := (notice{Server: s.server, Agent: change.Agent, Integration: change.Integration, Role: change.Role,
			Ended: change.Ended, Validate: change.Validate}).send(ctx, t.Tx); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) query(ctx context.Context, st *statement, row func(scan) error, args ...any) error {
	return query(ctx, t.Tx, st, row, args...)
}

func (t *tx) exec(ctx context.Context, st *statement, args ...any) (changed int64, err error) {
	if prepared := t.often[st]; prepared != nil {
		return exec(ctx, compiled{t.Tx, t.StmtContext(ctx, prepared)}, st, args...)
	}
	return exec(ctx, t.Tx, st, args...)
}

// compiled runs a statement that is compiled already.
type compiled struct {
	*sql.Tx
	stmt *sql.Stmt
}

func (c compiled) ExecContext(ctx context.Context, _ string, args ...any) (sql.Result, error) {
	return c.stmt.ExecContext(ctx, args...)
}

// execBatch runs the batch over the rows.
func (t *tx) execBatch(ctx context.Context, b batch, rows [][]any) error {
	for len(rows) > 0 {
		st, n := b.one, 1
		if len(rows) >= b.size {
			st, n = b.many, b.size
		}
		var args []any
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		if _, err := t.exec(ctx, st, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// outdated returns why a change of an expected version changed no row: the row
// is gone (not_found) or has another version (stale). current selects name and
// version by ID.
func (t *tx) outdated(ctx context.Context, current *statement, kind, id string) error {
	var err error = notFound(kind, id)
	queryErr := t.query(ctx, current, func(scan scan) error {
		var name string
		var version int64
		if err := scan(&name, &version); err != nil {
			return err
		}
		err = stale(kind, name, version)
		return nil
	}, id)
	if queryErr != nil {
		return queryErr
	}
	return err
}
