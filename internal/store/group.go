package store

import (
	"context"
	"errors"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// maxGroup bounds how many changes one transaction has.
const maxGroup = 64

// group has changes of many callers committed in one transaction, because on SQLite
// one commit takes longer than several changes and there is one writer.
type group struct {
	mu      sync.Mutex
	waiting []*grouped
	running bool // a goroutine commits
}

// grouped is a change that waits for its transaction.
type grouped struct {
	fn   func(ctx context.Context, tx *tx) error
	done chan struct{} // closed when it is durable, or err says why not
	err  error
}

// changeTogether is change, and shares a transaction with other changes that wait at
// the same time. None fails because another does, and it returns once the change is
// durable. PostgreSQL groups the commits of its connections itself.
func (s *Store) changeTogether(ctx context.Context, fn func(ctx context.Context, tx *tx) error) error {
	if s.postgres {
		return s.change(ctx, fn)
	}
	if err := ctx.Err(); err != nil {
		return asError(ctx, err)
	}
	g := &grouped{fn: fn, done: make(chan struct{})}
	if s.group.add(g) {
		go s.commitGroups()
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
	}
	if s.group.withdraw(g) {
		return asError(ctx, ctx.Err())
	}
	<-g.done // it has begun, and the caller has to know the outcome
	return g.err
}

// recordTogether is changeRecorded in a transaction with others.
func (s *Store) recordTogether(
	ctx context.Context, event rolebroker.AuditEvent, fn func(ctx context.Context, tx *tx) error,
) error {
	return s.changeTogether(ctx, func(ctx context.Context, tx *tx) error {
		if err := fn(ctx, tx); err != nil || tx.unchanged {
			return err
		}
		return tx.record(ctx, event)
	})
}

// runTogether is runRecorded in a transaction with others.
func (s *Store) runTogether(
	ctx context.Context, e rolebroker.AuditEvent, st *statement, args ...any,
) (changed int64, err error) {
	err = s.recordTogether(ctx, e, func(ctx context.Context, tx *tx) (err error) {
		changed, err = tx.exec(ctx, st, args...)
		tx.unchanged = changed == 0
		return err
	})
	return changed, err
}

// add has a change wait, and reports whether the caller has to start commitGroups.
func (g *group) add(one *grouped) (start bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, one)
	start, g.running = !g.running, true
	return start
}

// withdraw takes back a change, unless its transaction has begun.
func (g *group) withdraw(one *grouped) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == one {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take takes the changes of the next transaction; none, and the goroutine has to end.
func (g *group) take() []*grouped {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGroup)
	taken := g.waiting[:n:n]
	if g.waiting = g.waiting[n:]; n == 0 {
		g.waiting, g.running = nil, false
	}
	return taken
}

// commitGroups commits what waits, until nothing does.
func (s *Store) commitGroups() {
	for taken := s.group.take(); len(taken) > 0; taken = s.group.take() {
		s.commitGroup(taken)
		for _, g := range taken {
			close(g.done)
		}
	}
}

// commitGroup commits changes together. If that fails for a reason that is not one of
// the changes' own, it commits each alone.
func (s *Store) commitGroup(all []*grouped) {
	ctx := context.Background() // a caller that leaves does not end the others' transaction
	if len(all) == 1 {
		all[0].err = s.change(ctx, all[0].fn)
		return
	}
	err := s.change(ctx, func(ctx context.Context, tx *tx) error {
		for _, g := range all {
			if err := tx.within(ctx, g); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	for _, g := range all {
		g.err = s.change(ctx, g.fn)
	}
}

var (
	savepoint = newStatement("savepoint", `SAVEPOINT one`)
	release   = newStatement("release", `RELEASE one`)
	rollback  = newStatement("rollback", `ROLLBACK TO one`)
)

// within makes one change of a group. An error of the change itself, such as
// conflict, undoes it and is kept in g.err; any other is returned.
func (t *tx) within(ctx context.Context, g *grouped) error {
	if _, err := t.exec(ctx, savepoint); err != nil {
		return err
	}
	part := &tx{Tx: t.Tx, often: t.often}
	g.err = g.fn(ctx, part)
	if g.err != nil {
		var own *rolebroker.Error
		if !errors.As(g.err, &own) {
			return g.err
		}
		if _, err := t.exec(ctx, rollback); err != nil {
			return err
		}
	} else {
		t.changes = append(t.changes, part.changes...)
	}
	_, err := t.exec(ctx, release)
	return err
}
