package storetest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// Filled describes an audit trail that FillTrail makes. Event i is at From plus i seconds.
type Filled struct {
	Events int
	From   time.Time
}

// filledAgents is how many agents a filled trail is about.
const filledAgents = 1000

// Agent returns an agent that one event in a thousand is about.
func (Filled) Agent() (id, name string) { return filledID("agt_", 7), "agent-7" }

// Until returns the time after the last event.
func (f Filled) Until() time.Time { return f.From.Add(time.Duration(f.Events) * time.Second) }

// FillTrail writes an audit trail to a database that has the current schema and no events, without the store: a million
// events take a minute. Nobody else may use the database. The trail has no checkpoint; it verifies. One event in
// fifty is a refusal.
func FillTrail(ctx context.Context, database string, f Filled) error {
	open := fillSQLite
	if strings.HasPrefix(database, "postgres://") {
		open = fillPostgres
	}
	to, closed, err := open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(f.write(ctx, to), closed())
}

// bulk writes many rows of one table.
type bulk interface {
	indexes(ctx context.Context) (made []string, drop []string, err error) // SQL
	exec(ctx context.Context, sql string, args ...any) error
	insert(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) error
}

// write makes the indexes last, which takes a fifth of the time.
func (f Filled) write(ctx context.Context, to bulk) error {
	made, drop, err := to.indexes(ctx)
	if err != nil {
		return err
	}
	for _, sql := range drop {
		if err := to.exec(ctx, sql); err != nil {
			return err
		}
	}
	var tree trail.Tree
	if err := to.insert(ctx, "audit_events", []string{"id", "at", "sequence", "hash", "actor_id", "actor_name", "noun",
		"action", "outcome", "record"}, f.events(&tree)); err != nil {
		return err
	}
	if err := to.insert(ctx, "audit_subjects", []string{"subject", "at", "event_id"}, f.subjects()); err != nil {
		return err
	}
	for _, sql := range append(made, "ANALYZE") {
		if err := to.exec(ctx, sql); err != nil {
			return err
		}
	}
	return to.exec(ctx, "INSERT INTO audit_tree (id, size, edge, first_size, first_edge) VALUES (1, $1, $2, 0, '')",
		tree.Size, tree.Edge())
}

// filledID returns the same ID for the same i.
func filledID(prefix string, i int) string {
	sum := sha256.Sum256(fmt.Append(nil, prefix, i))
	return prefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

func (f Filled) event(i int) rolebroker.AuditEvent {
	agent := i % filledAgents
	id, name := filledID("agt_", agent), fmt.Sprintf("agent-%d", agent)
	e := rolebroker.AuditEvent{
		ID: rolebroker.AuditEventID(filledID("evt_", i)), At: f.From.Add(time.Duration(i) * time.Second).UTC(),
		Actor:    rolebroker.Caller{Agent: rolebroker.AgentID(id), Name: name, Address: "192.0.2.7"},
		Action:   rolebroker.ActionSessionBegin,
		Subjects: []rolebroker.Subject{{Kind: rolebroker.KindAgent, ID: id, Name: name}},
	}
	if i%50 == 49 {
		e.Refusal = rolebroker.Errorf(rolebroker.CodeDenied, "the agent has no role %q", "deployer")
	}
	if i%10 == 9 {
		e.Action = rolebroker.ActionAgentUpdate
		e.Actor = rolebroker.Caller{APIKey: rolebroker.APIKeyID(filledID("key_", i%7)), Name: "ci", Address: "192.0.2.9"}
	}
	return e
}

func (f Filled) events(tree *trail.Tree) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for i := range f.Events {
			e := f.event(i)
			record, err := trail.Record(&e)
			if err != nil {
				panic(err)
			}
			_, actor := e.Actor.Actor()
			noun, _, _ := strings.Cut(string(e.Action), ".")
			if !yield([]any{string(e.ID), e.At.UnixMilli(), int64(i), tree.Append(record).String(), actor, e.Actor.Name,
				noun, string(e.Action), string(e.Outcome()), string(record)}) {
				return
			}
		}
	}
}

func (f Filled) subjects() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for i := range f.Events {
			e := f.event(i)
			for _, subject := range []string{e.Subjects[0].ID, e.Subjects[0].Name} {
				if !yield([]any{subject, e.At.UnixMilli(), string(e.ID)}) {
					return
				}
			}
		}
	}
}

type sqliteBulk struct{ conn *sql.Conn }

func fillSQLite(ctx context.Context, path string) (bulk, func() error, error) {
	pragmas := url.Values{"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-400000)",
		"foreign_keys(0)"}}
	pool, err := sql.Open("sqlite", "file:"+path+"?"+pragmas.Encode())
	if err != nil {
		return nil, nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	return sqliteBulk{conn}, func() error { return errors.Join(conn.Close(), pool.Close()) }, nil
}

func (b sqliteBulk) indexes(ctx context.Context) (made, drop []string, err error) {
	return readIndexes(b.conn.QueryContext(ctx, `
		SELECT name, sql FROM sqlite_master
		WHERE type = 'index' AND tbl_name IN ('audit_events', 'audit_subjects') AND sql IS NOT NULL`))
}

// rows is what the two libraries have in common.
type rows interface {
	Next() bool
	Scan(...any) error
	Err() error
}

func readIndexes(found rows, err error) (made, drop []string, _ error) {
	if err != nil {
		return nil, nil, err
	}
	for found.Next() {
		var name, text string
		if err := found.Scan(&name, &text); err != nil {
			return nil, nil, err
		}
		made, drop = append(made, text), append(drop, "DROP INDEX "+name)
	}
	return made, drop, found.Err()
}

func (b sqliteBulk) exec(ctx context.Context, sql string, args ...any) error {
	_, err := b.conn.ExecContext(ctx, sql, args...)
	return err
}

func (b sqliteBulk) insert(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) error {
	tx, err := b.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	values := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	insert, err := tx.PrepareContext(ctx,
		"INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+values+")")
	if err != nil {
		return err
	}
	for row := range rows {
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

type postgresBulk struct{ conn *pgx.Conn }

func fillPostgres(ctx context.Context, database string) (bulk, func() error, error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return nil, nil, err
	}
	return postgresBulk{conn}, func() error { return conn.Close(context.WithoutCancel(ctx)) }, nil
}

func (b postgresBulk) indexes(ctx context.Context) (made, drop []string, err error) {
	found, err := b.conn.Query(ctx, `
		SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('audit_events', 'audit_subjects')
			AND indexname NOT IN (SELECT conname FROM pg_constraint)`)
	return readIndexes(found, err)
}

func (b postgresBulk) exec(ctx context.Context, sql string, args ...any) error {
	_, err := b.conn.Exec(ctx, sql, args...)
	return err
}

func (b postgresBulk) insert(ctx context.Context, table string, columns []string, rows iter.Seq[[]any]) error {
	next, stop := iter.Pull(rows)
	defer stop()
	_, err := b.conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, _ := next()
		return row, nil
	}))
	return err
}
