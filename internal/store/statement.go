package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// statement is SQL with a name. The only ways to make one register it.
type statement struct {
	name     string
	text     func() string
	postgres bool // it is for PostgreSQL only
}

// statements is every statement there is, so that a test can prepare them.
var statements []*statement

// newStatement registers SQL that means the same to both engines.
func newStatement(name, text string) *statement {
	return newLazyStatement(name, func() string { return text })
}

// newLazyStatement registers SQL that is put together at first use, so that
// commands which open no store start without that work.
func newLazyStatement(name string, text func() string) *statement {
	st := &statement{name: name, text: text}
	statements = append(statements, st)
	return st
}

// postgresOnly registers SQL that SQLite neither knows nor needs.
func postgresOnly(name, text string) *statement {
	st := newStatement(name, text)
	st.postgres = true
	return st
}

// batch is a statement over rows of values, for one row and for many, so that
// storing a thousand takes tens of round trips.
type batch struct {
	one, many *statement
}

const batchSize = 25

// newBatch registers SQL that has ROWS where rows go. A ? in row is a value.
func newBatch(name, text, row string) batch {
	of := func(name string, n int) *statement {
		return newLazyStatement(name, sync.OnceValue(func() string {
			return strings.Replace(text, "ROWS", placeholders(row, n), 1)
		}))
	}
	return batch{one: of(name, 1), many: of(name+"s", batchSize)}
}

// placeholders repeats row n times, with $1, $2, … for its question marks.
func placeholders(row string, n int) string {
	var b strings.Builder
	count := 0
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for _, c := range row {
			if c != '?' {
				b.WriteRune(c)
				continue
			}
			count++
			b.WriteString("$" + strconv.Itoa(count))
		}
	}
	return b.String()
}

// querier is a pool or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scan reads the columns of one row.
type scan func(dest ...any) error

// query calls row with each row of the answer. No row matches text that cannot
// be stored.
func query(ctx context.Context, q querier, st *statement, row func(scan) error, args ...any) error {
	if !storable(args) {
		return nil
	}
	rows, err := q.QueryContext(ctx, st.text(), args...)
	return each(st, rows, err, row)
}

// each calls row with each row of what a query answered.
func each(st *statement, rows *sql.Rows, err error, row func(scan) error) error {
	if err != nil {
		return wrap(st, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return wrap(st, err)
		}
	}
	return wrap(st, rows.Err())
}

// exec runs the statement and says how many rows it changed.
func exec(ctx context.Context, q querier, st *statement, args ...any) (int64, error) {
	if !storable(args) {
		return 0, errText
	}
	result, err := q.ExecContext(ctx, st.text(), args...)
	if err != nil {
		return 0, wrap(st, err)
	}
	return result.RowsAffected()
}

// wrap says in the log which statement it was.
func wrap(st *statement, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", st.name, err)
}

// query reads at one moment, outside of a transaction.
func (s *Store) query(ctx context.Context, st *statement, row func(scan) error, args ...any) error {
	if s.postgres { // the driver prepares by itself
		return asError(ctx, query(ctx, s.reader, st, row, args...))
	}
	if !storable(args) {
		return nil
	}
	prepared, err := s.prepare(ctx, st)
	if err != nil {
		return asError(ctx, wrap(st, err))
	}
	rows, err := prepared.QueryContext(ctx, args...)
	return asError(ctx, each(st, rows, err, row))
}

// prepare compiles the statement for SQLite, where that takes longer than
// running it. It stays compiled until the store is closed.
func (s *Store) prepare(ctx context.Context, st *statement) (*sql.Stmt, error) {
	if prepared, ok := s.prepared.Load(st); ok {
		return prepared.(*sql.Stmt), nil
	}
	prepared, err := s.reader.PrepareContext(ctx, st.text())
	if err != nil {
		return nil, err
	}
	if first, loaded := s.prepared.LoadOrStore(st, prepared); loaded {
		return first.(*sql.Stmt), prepared.Close()
	}
	return prepared, nil
}

// The columns that Go has other types for.

// millis is a time as it is stored: in milliseconds, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stored is a time as it comes back.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// timeColumn scans what millis stored.
type timeColumn struct{ time *time.Time }

func (c timeColumn) Scan(value any) error {
	ms, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a time is %T", value)
	}
	*c.time = time.Time{}
	if ms != 0 {
		*c.time = time.UnixMilli(ms).UTC()
	}
	return nil
}

// durationColumn scans milliseconds.
type durationColumn struct{ duration *time.Duration }

func (c durationColumn) Scan(value any) error {
	ms, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a duration is %T", value)
	}
	*c.duration = time.Duration(ms) * time.Millisecond
	return nil
}

// arnColumn scans an ARN; the empty text is none.
type arnColumn struct{ arn *rolebroker.RoleARN }

func (c arnColumn) Scan(value any) (err error) {
	text, ok := value.(string)
	switch {
	case !ok:
		return fmt.Errorf("an ARN is %T", value)
	case text == "":
		*c.arn = rolebroker.RoleARN{}
		return nil
	}
	if *c.arn, err = rolebroker.ParseRoleARN(text); err != nil {
		return corrupt("an ARN", err)
	}
	return nil
}

// hash is never NULL.
func hash(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// nullable is NULL for the empty text.
func nullable[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// escapeLike makes LIKE find the text itself, with backslash as the escape.
var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// maxSearch is longer than any name. SQLite refuses patterns of 50,000 bytes.
const maxSearch = 1000

// containing is the pattern for lower(name) LIKE … that finds the names which
// contain the text, whatever the case of its ASCII letters. ok is false when
// no name can.
func containing(text string) (pattern string, ok bool) {
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
	return "%" + escapeLike.Replace(lower) + "%", len(text) <= maxSearch
}
