package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/privatedir"
)

// Content says what a database or a backup holds.
type Content struct {
	Schema int64            // the version of the schema
	MadeAt time.Time        // when the backup was made; zero: not a backup
	Rows   map[string]int64 // by table
	Kept   string           // where the earlier database is that was replaced; empty: there was none
}

// Count says how many rows a table has, as in "1 agent"; one is the word for one of them.
func (c Content) Count(table, one string) string {
	if c.Rows[table] == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", c.Rows[table], one)
}

// empty says whether no table has a row.
func (c Content) empty() bool {
	for _, n := range c.Rows {
		if n > 0 {
			return false
		}
	}
	return true
}

// Backups makes and restores backups. The zero value works, apart from Now.
//
// A backup is a SQLite file, whichever engine it is of, with the schema of the database at that time.
type Backups struct {
	Now      func() time.Time
	Program  string            // the version of the program, for the record
	Progress func(what string) // nil: nobody is told
}

func (b Backups) progress(format string, args ...any) {
	if b.Progress != nil {
		b.Progress(fmt.Sprintf(format, args...))
	}
}

// applicationID is in the header of backups, so that one backup may replace another and nothing else. It is "rbkb".
const applicationID = 0x72626b62

// maxHeader is the size of the header of a SQLite file, in bytes.
//
// Source: SQLite, "Database File Format", section 1.3.
const maxHeader = 100

const (
	createBackupRecord = `CREATE TABLE backup (made_at BIGINT NOT NULL, program TEXT NOT NULL)`
	insertBackupRecord = `INSERT INTO backup (made_at, program) VALUES ($1, $2)`
	dropBackupRecord   = `DROP TABLE IF EXISTS backup`
	selectBackupRecord = `SELECT made_at FROM backup`
	hasBackupRecord    = `SELECT count(*) FROM sqlite_schema WHERE name = 'backup'`
	selectVersion      = `SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied`
	vacuumInto         = `VACUUM INTO $1`
	checkIntegrity     = `SELECT integrity_check FROM pragma_integrity_check`
	checkReferences    = `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`
)

// Backup writes a backup of the database to a file, which appears at once and whole, can be read by its owner only,
// and may replace an earlier backup. Servers may use the database meanwhile. Codes: conflict (the file exists and is no
// backup), not_found (there is no database), unavailable.
func (b Backups) Backup(ctx context.Context, from Options, file string) (Content, error) {
	if err := mayReplace(file, from); err != nil {
		return Content{}, err
	}
	dir, err := privatedir.Make(".rolebroker-backup-", filepath.Dir(file))
	if err != nil {
		return Content{}, unavailable("writing the backup", err)
	}
	defer dir.Remove()
	partial := filepath.Join(dir.Path, "backup.db")
	content, err := b.write(ctx, from, partial)
	if err == nil {
		b.progress("writing %s", file)
		err = moveDurably(partial, file)
	}
	return content, unavailable("writing the backup", err)
}

// mayReplace says why a backup must not be written to the file.
func mayReplace(file string, from Options) error {
	there, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable("writing the backup", err)
	}
	if database, err := os.Stat(from.Database); !isPostgres(from.Database) && err == nil &&
		os.SameFile(there, database) {
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s is the database itself", file).
			WithHint("name another file: rolebroker backup rolebroker.backup")
	}
	if backup, err := isBackup(file, there); err != nil || !backup {
		return rolebroker.Errorf(rolebroker.CodeConflict, "%s exists and is not a backup", file).
			WithHint("name a file that does not exist; an earlier backup may exist, and is replaced")
	}
	return nil
}

// isBackup says whether a file is a backup, or empty.
func isBackup(file string, info fs.FileInfo) (bool, error) {
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return info.Mode().IsRegular(), nil
	}
	header, err := headerOf(file)
	return binary.BigEndian.Uint32(header[68:]) == applicationID, err
}

// headerOf returns the header of a SQLite file, and zeros for any other file. The caller has no connection to the file:
// closing it would end the locks of SQLite.
func headerOf(file string) (header [maxHeader]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return header, err
	}
	defer f.Close()
	if _, err = io.ReadFull(f, header[:]); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		header = [maxHeader]byte{}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return header, err
}

// isSQLite says whether a file has the header of a SQLite file.
func isSQLite(file string) bool {
	header, err := headerOf(file)
	return err == nil && header != [maxHeader]byte{}
}

// write writes a backup to a new file, which is not in its place yet.
func (b Backups) write(ctx context.Context, from Options, partial string) (content Content, err error) {
	made := b.Now()
	if err := createPrivate(partial); err != nil {
		return content, err
	}
	copyFrom := b.copySQLite
	if isPostgres(from.Database) {
		copyFrom = b.copyPostgres
	}
	b.progress("reading the database")
	if err := copyFrom(ctx, from, partial); err != nil {
		return content, err
	}
	db, err := openFile(partial, "mode=rw", "synchronous(OFF)")
	if err != nil {
		return content, err
	}
	defer db.Close()
	b.progress("checking the backup")
	if err := checkFile(ctx, db); err != nil {
		return content, err
	}
	if _, err := exec(ctx, db, adHoc("recording the backup", dropBackupRecord)); err != nil {
		return content, err
	}
	if content, err = contentOf(ctx, db); err != nil {
		return content, err
	}
	for _, st := range []*statement{adHoc("recording the backup", createBackupRecord),
		adHoc("marking the backup", fmt.Sprintf("PRAGMA application_id = %d", applicationID))} {
		if _, err := exec(ctx, db, st); err != nil {
			return content, err
		}
	}
	content.MadeAt = stored(made)
	if _, err = exec(ctx, db, adHoc("recording the backup", insertBackupRecord), millis(made), b.Program); err != nil {
		return content, err
	}
	return content, errors.Join(db.Close(), syncFile(partial))
}

// copySQLite copies a SQLite database that a server may be using.
func (b Backups) copySQLite(ctx context.Context, from Options, partial string) error {
	db, err := openExisting(from.Database)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := schemaOf(ctx, db); err != nil {
		return err
	}
	_, err = exec(ctx, db, adHoc("copying the database", vacuumInto), partial)
	return errors.Join(err, db.Close())
}

// copyPostgres copies what a PostgreSQL database has at one moment.
func (b Backups) copyPostgres(ctx context.Context, from Options, partial string) error {
	config, err := parseURL(from.Database)
	if err != nil {
		return err
	}
	pool := postgresPool(config, from.Password)
	defer pool.Close()
	tx, err := pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	version, err := schemaOf(ctx, tx)
	if err != nil {
		return err
	}
	lite, err := openFile(partial, "mode=rw", "synchronous(OFF)")
	if err != nil {
		return err
	}
	defer lite.Close()
	if err := (&Store{writer: lite, log: discard}).migrateTo(ctx, version); err != nil {
		return err
	}
	tables, err := tablesOf(ctx, lite)
	if err != nil {
		return err
	}
	into, err := lite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer into.Rollback()
	if err := copyTables(ctx, tables, tx, into, func(what string) { b.progress("%s", what) }); err != nil {
		return err
	}
	return errors.Join(into.Commit(), lite.Close())
}

// schemaOf returns the version of a database's schema. Codes: not_found (it is none of ours).
func schemaOf(ctx context.Context, q querier) (version int64, err error) {
	err = query(ctx, q, adHoc("reading the version of the schema", selectVersion),
		func(scan scan) error { return scan(&version) })
	if err != nil {
		return 0, &rolebroker.Error{Code: rolebroker.CodeNotFound, Cause: err,
			Message: "it has no data of rolebroker", Hint: rolebroker.Hint{{Text: "rolebroker server, when it starts, " +
				"makes the database that --database names"}}}
	}
	return version, nil
}

// contentOf describes a SQLite database.
func contentOf(ctx context.Context, lite querier) (c Content, err error) {
	if c.Schema, err = schemaOf(ctx, lite); err != nil {
		return c, err
	}
	tables, err := tablesOf(ctx, lite)
	if err != nil {
		return c, err
	}
	if c.Rows, err = countRows(ctx, tables, lite); err != nil {
		return c, err
	}
	var recorded int
	err = query(ctx, lite, adHoc("looking for the record", hasBackupRecord),
		func(scan scan) error { return scan(&recorded) })
	if err == nil && recorded > 0 {
		err = query(ctx, lite, adHoc("reading the record", selectBackupRecord),
			func(scan scan) error { return scan(timeColumn{&c.MadeAt}) })
	}
	return c, err
}

// checkFile checks that a SQLite file is whole.
func checkFile(ctx context.Context, lite querier) error {
	found, err := column(ctx, lite, checkIntegrity)
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != "ok" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the file is damaged: %s", found)
	}
	if found, err = column(ctx, lite, checkReferences); err != nil {
		return err
	}
	if len(found) > 0 {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the file is damaged: a reference of %s leads nowhere", found[0])
	}
	return nil
}

// unavailable is the error of an operator's command, which may spell out its cause; nil for nil.
func unavailable(doing string, err error) error {
	var e *rolebroker.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	if away := asUnreachable(err); away != nil {
		return away
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "%s: %s", doing, err)
}
