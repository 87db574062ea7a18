package store

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/rolebroker/rolebroker"
)

// violation is the kind of constraint that a statement violated.
type violation int

const (
	noViolation     violation = iota
	idTaken                   // a primary key
	notUnique                 // any other unique index
	missingReferent           // a foreign key
)

// The SQLSTATEs that the store distinguishes.
//
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
const (
	pgUniqueViolation      = "23505"
	pgForeignKeyViolation  = "23503"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
)

// violated returns the kind of constraint that err reports.
func violated(err error) violation {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return idTaken
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE:
			return notUnique
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return missingReferent
		}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch {
		case pg.Code == pgUniqueViolation && pg.ConstraintName == pg.TableName+"_pkey":
			return idTaken
		case pg.Code == pgUniqueViolation:
			return notUnique
		case pg.Code == pgForeignKeyViolation:
			return missingReferent
		}
	}
	return noViolation
}

// retryable says whether a transaction that failed with err may succeed when it
// runs again from its start.
func retryable(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		primary := lite.Code() & 0xff // the rest says which kind of busy
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgSerializationFailure || pg.Code == pgDeadlockDetected)
}

// asError converts err to the error that a Store returns: a *rolebroker.Error
// stays as it is; anything else becomes unavailable, with err as the cause.
func asError(ctx context.Context, err error) error {
	var ours *rolebroker.Error
	if err == nil {
		return nil
	}
	if errors.As(err, &ours) {
		return ours
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = errors.Join(ctx.Err(), err)
	}
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: "the database cannot be used now", Cause: err}
}

// duplicate converts the error of an insert or update: to conflict if the name
// or the ID is taken.
func duplicate(err error, article, kind, name, id string) error {
	switch violated(err) {
	case notUnique:
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s %s named %q exists already", article, kind, name)
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s %s with the ID %s exists already", article, kind, id)
	}
	return err
}

// notFound is the error for a name or ID that does not exist. It quotes at most
// 100 bytes of it, because callers may send anything.
func notFound(kind, name string) *rolebroker.Error {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s %q", kind, name)
}

func stale(kind, name string, version int64) error {
	return rolebroker.Errorf(rolebroker.CodeStale, "%s %q was changed by someone else (it is at version %d)", kind,
		name, version).
		WithHint("read it again and repeat the change")
}

// errText refuses text that PostgreSQL cannot store. SQLite could store it, but
// such data could never be moved to PostgreSQL.
var errText = &rolebroker.Error{Code: rolebroker.CodeInvalid,
	Message: "text has to be valid UTF-8 without NUL characters"}

// storable says whether both engines can store all arguments.
func storable(args []any) bool {
	for _, arg := range args {
		if v := reflect.ValueOf(arg); v.Kind() == reflect.String && !storableText(v.String()) {
			return false
		}
	}
	return true
}

func storableText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// clean makes text storable by replacing what cannot be stored with U+FFFD. It
// is for records of events, which must not be lost.
func clean[T ~string](s T) T {
	if storableText(string(s)) {
		return s
	}
	return T(strings.ReplaceAll(strings.ToValidUTF8(string(s), "\uFFFD"), "\x00", "\uFFFD"))
}

// corrupt is the error for a row that the store cannot have written.
func corrupt(what string, err error) error {
	return rolebroker.Errorf(rolebroker.CodeInternal, "the database has %s that cannot be read: %w", what, err)
}
