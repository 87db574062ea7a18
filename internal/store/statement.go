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

// statement is SQL with a name. Its constructors register it in statements.
type statement struct {
	name     string
	text     func() string
	postgres bool // for PostgreSQL only
}

// statements are all statements of the package. A test prepares each of them.
var (
	statements  []*statement
	registering sync.Mutex
)

// newStatement registers SQL that has the same meaning on both engines.
func newStatement(name, text string) *statement {
	return newLazyStatement(name, func() string { return text })
}

// newLazyStatement registers SQL that text builds at first use. Commands that
// open no store do not spend start-up time on it.
func newLazyStatement(name string, text func() string) *statement {
	st := &statement{name: name, text: text}
	registering.Lock() // some are made at first use
	defer registering.Unlock()
	statements = append(statements, st)
	return st
}

// postgresOnly registers SQL that only PostgreSQL needs and understands.
func postgresOnly(name, text string) *statement {
	st := newStatement(name, text)
	st.postgres = true
	return st
}

// batch is a statement over rows of values, in two sizes: one row and size rows.
// Storing a thousand rows takes tens of round trips, or hundreds of wide ones.
type batch struct {
	one, many *statement
	size      int
}

// A batch has at most maxRows rows and maxValues values. The driver of SQLite looks
// up the name of each value among all those before it, so that the time to bind them
// grows with their square.
const (
	maxRows   = 25
	maxValues = 128
)

// newBatch registers SQL in which ROWS stands for the rows. A ? in row is a value.
func newBatch(name, text, row string) batch {
	of := func(name string, n int) *statement {
		return newLazyStatement(name, sync.OnceValue(func() string {
			return strings.Replace(text, "ROWS", placeholders(row, n), 1)
		}))
	}
	size := min(maxRows, maxValues/strings.Count(row, "?"))
	return batch{one: of(name, 1), many: of(name+"s", size), size: size}
}

// placeholders repeats row n times and replaces its question marks by $1, $2, ….
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

// querier is a connection pool or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// scan reads the columns of one row.
type scan func(dest ...any) error

// query calls row for each row of the result. Arguments that cannot be stored
// match no row.
func query(ctx context.Context, q querier, st *statement, row func(scan) error, args ...any) error {
	if !storable(args) {
		return nil
	}
	rows, err := q.QueryContext(ctx, st.text(), args...)
	return each(st, rows, err, row)
}

// each calls row for each row of a query's result.
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

// exec runs the statement and returns the number of rows that it changed.
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

// wrap adds the statement's name to err, for the log.
func wrap(st *statement, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", st.name, err)
}

// query runs one statement outside of a transaction.
func (s *Store) query(ctx context.Context, st *statement, row func(scan) error, args ...any) error {
	if s.postgres { // whose driver prepares statements itself
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

// prepare compiles the statement for SQLite, where compiling takes longer than
// running. It stays compiled until the store is closed.
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

// Conversions between Go's types and columns.

// millis converts a time to a column: milliseconds since 1970, 0 for the zero
// time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stored returns the time as it is read back: in milliseconds, in UTC.
func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// wordsColumn scans words with spaces between them; nil: there are none.
type wordsColumn struct{ words *[]string }

func (c wordsColumn) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("words are %T", value)
	}
	*c.words = nil
	if text != "" {
		*c.words = strings.Fields(text)
	}
	return nil
}

// timeColumn scans a column that millis wrote.
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

// durationColumn scans a number of milliseconds.
type durationColumn struct{ duration *time.Duration }

func (c durationColumn) Scan(value any) error {
	ms, ok := value.(int64)
	if !ok {
		return fmt.Errorf("a duration is %T", value)
	}
	*c.duration = time.Duration(ms) * time.Millisecond
	return nil
}

// arnColumn scans an ARN; the empty text is the zero ARN.
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

// hash converts a hash to a column that is never NULL.
func hash(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// nullable converts text to a column, and the empty text to NULL.
func nullable[T ~string](s T) any {
	if s == "" {
		return nil
	}
	return string(s)
}

// escapeLike escapes the wildcards of LIKE with backslashes.
var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// maxSearch bounds the text of a search. What people look for is shorter, and SQLite
// refuses patterns of 50,000 bytes.
const maxSearch = 1000

// containing returns the pattern with which lower(name) LIKE … finds the texts
// that contain the text, regardless of the case of its ASCII letters. ok is
// false when the text is too long.
func containing(text string) (pattern string, ok bool) {
	return "%" + escapeLike.Replace(lower(text)) + "%", len(text) <= maxSearch
}
