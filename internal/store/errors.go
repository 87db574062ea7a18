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

// violation is which kind of constraint a statement ran into.
type violation int

const (
	noViolation     violation = iota
	idTaken                   // of a primary key
	notUnique                 // of any other unique index
	missingReferent           // of a foreign key
)

// The SQLSTATEs that are told apart.
//
// Source: PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
const (
	pgUniqueViolation      = "23505"
	pgForeignKeyViolation  = "23503"
	pgSerializationFailure = "40001"
	pgDeadlockDetected     = "40P01"
)

// violated says which kind of constraint err is about.
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

// again says whether a transaction that failed with err may go through when it
// is run once more from its start.
func again(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		primary := lite.Code() & 0xff // the rest says which kind of busy
		return primary == sqlite3.SQLITE_BUSY || primary == sqlite3.SQLITE_LOCKED
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgSerializationFailure || pg.Code == pgDeadlockDetected)
}

// asError is err as a store answers it: as it is when it is one of ours, and
// otherwise that the database cannot be used, with err for the log.
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

// duplicate is what to answer when an insert or update of a thing with a name
// and an ID ran into err.
func duplicate(err error, article, kind, name, id string) error {
	switch violated(err) {
	case notUnique:
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s %s named %q exists already", article, kind, name)
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s %s with the ID %s exists already", article, kind, id)
	}
	return err
}

// notFound says that there is no such thing; the name may be a stranger's.
func notFound(kind, name string) *rolebroker.Error {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s %q", kind, name)
}

func stale(kind, name string, version int64) error {
	return rolebroker.Errorf(rolebroker.CodeStale, "%s %q was changed by someone else (it is at version %d)", kind, name, version).
		WithHint("read it again and repeat the change")
}

// errText refuses text that PostgreSQL cannot store. SQLite could, but then
// the data could never move.
var errText = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "text has to be valid UTF-8 without NUL characters"}

// storable says whether both engines can store or compare with every argument.
func storable(args []any) bool {
	for _, arg := range args {
		if v := reflect.ValueOf(arg); v.Kind() == reflect.String && !storableText(v.String()) {
			return false
		}
	}
	return true
}

func storableText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// clean makes text storable that is kept as a record of what happened: it is
// better stored with replacement characters than not at all.
func clean[T ~string](s T) T {
	if storableText(string(s)) {
		return s
	}
	return T(strings.ReplaceAll(strings.ToValidUTF8(string(s), "\uFFFD"), "\x00", "\uFFFD"))
}

// corrupt is for a row that cannot be what was stored.
func corrupt(what string, err error) error {
	return rolebroker.Errorf(rolebroker.CodeInternal, "the database has %s that cannot be read: %w", what, err)
}
