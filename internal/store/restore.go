package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/privatedir"
)

// Statements about a backup that becomes a database.
var (
	// Whoever signed out or joined since the backup was made must not be able to use the secret once more.
	forgetSignIns    = newStatement("forgetSignIns", `DELETE FROM sign_ins`)
	forgetPeople     = newStatement("forgetPeople", `DELETE FROM user_sign_ins`)
	forgetJoinTokens = newStatement("forgetJoinTokens", `DELETE FROM runner_keys WHERE is_join`)

	// Generations and versions never return to numbers that were in use: a runner may still have what was lent by a
	// later generation, and a caller may still have a later version.
	renewAgents = newStatement("renewAgents",
		`UPDATE agents SET generation = generation + $1, version = version + $1`)
	renewIntegrations = newStatement("renewIntegrations", `UPDATE integrations SET version = version + $1`)
	renewRunners      = newStatement("renewRunners", `UPDATE runners SET version = version + $1`)

	tryToReplace = postgresOnly("tryToReplace", `SELECT pg_try_advisory_lock($1)`)
	tryToServe   = postgresOnly("tryToServe", `SELECT pg_try_advisory_lock_shared($1)`)
	hasSchema    = postgresOnly("hasSchema", `SELECT to_regclass('goose_db_version') IS NOT NULL`)
)

// serversLockID is "rbserves" in ASCII. Each server has this advisory lock of PostgreSQL, shared with the others, and
// what replaces the data takes it alone.
const serversLockID = 0x7262736572766573

// Restore puts the data of a backup into a database, whose schema then is the current one. It does that at once or not
// at all. replace permits it to replace the data that the database has; an earlier SQLite file is kept. Codes:
// conflict (a server uses the database, or it has data), invalid (the file is no backup, or is damaged), unavailable.
func (b Backups) Restore(ctx context.Context, file string, to Options, replace bool) (Content, error) {
	content, err := b.restore(ctx, file, to, replace, b.renew)
	return content, unavailable("restoring "+file, err)
}

// Move copies the data of a database that no server uses into another one, and changes nothing of it. Codes: those of
// Backup and Restore.
func (b Backups) Move(ctx context.Context, from, to Options, replace bool) (Content, error) {
	if from.Database == to.Database {
		return Content{}, rolebroker.Errorf(rolebroker.CodeInvalid, "--from and --to are the same database")
	}
	if isPostgres(to.Database) {
		if err := b.mayRestore(ctx, to, replace); err != nil {
			return Content{}, unavailable("writing the database", err)
		}
	}
	release, err := reserve(ctx, from)
	if err != nil {
		return Content{}, unavailable("reading the database", err)
	}
	defer release()
	dir, err := privatedir.Make("rolebroker-move-", privatedir.Temporary()...)
	if err != nil {
		return Content{}, unavailable("copying the database", err)
	}
	defer dir.Remove()
	file := filepath.Join(dir.Path, "backup.db")
	if _, err := b.write(ctx, from, file); err != nil {
		return Content{}, unavailable("reading the database", err)
	}
	unchanged := func(context.Context, querier) error { return nil }
	content, err := b.restore(ctx, file, to, replace, unchanged)
	return content, unavailable("writing the database", err)
}

// reserve keeps servers away from a database until release is called.
func reserve(ctx context.Context, o Options) (release func(), err error) {
	if !isPostgres(o.Database) {
		db, err := openExisting(o.Database)
		if err != nil {
			return nil, err
		}
		db.Close()
		lock, _, err := lockForReplacing(ctx, o)
		if err != nil {
			return nil, err
		}
		return func() { lock.release() }, nil
	}
	config, err := parseURL(o.Database)
	if err != nil {
		return nil, err
	}
	pool := postgresPool(config, o.Password)
	conn, err := lockServers(ctx, pool, o.replaceWait())
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return func() { _ = errors.Join(conn.Close(), pool.Close()) }, nil // both end the lock
}

// replaceWait is how long to wait for a server that is ending: LockWait, or two seconds if that is zero.
func (o Options) replaceWait() time.Duration {
	if o.LockWait == 0 {
		return 2 * time.Second
	}
	return o.LockWait
}

// lockServers keeps servers away from a PostgreSQL database until the connection and the pool are closed. Codes:
// conflict.
func lockServers(ctx context.Context, pool *sql.DB, wait time.Duration) (*sql.Conn, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	free, err := poll(ctx, wait, func() (free bool, err error) {
		err = query(ctx, conn, tryToReplace, func(scan scan) error { return scan(&free) }, int64(serversLockID))
		return free, err
	})
	if err == nil && !free {
		err = rolebroker.Errorf(rolebroker.CodeConflict, "a server uses the PostgreSQL database").
			WithHint("stop all servers that use it, and try again")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// lockForReplacing takes the lock of a SQLite file, which may be missing, and returns the file's real path.
func lockForReplacing(ctx context.Context, o Options) (*fileLock, string, error) {
	path := o.Database
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	lock, err := lockFile(ctx, path+".lock", o.replaceWait())
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		e := *rolebroker.AsError(err)
		e.Hint = rolebroker.Hint{{Text: "stop the server, and try again"}}
		err = &e
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, path, noFolder(path, err)
	case err != nil:
		return nil, path, err
	}
	if err := giveToOwnerOf(path, path+".lock"); err != nil {
		return nil, path, errors.Join(err, lock.release())
	}
	return lock, path, nil
}

// restore makes a database of a copy of the file, which change changes, and puts it where it is wanted.
func (b Backups) restore(ctx context.Context, file string, to Options, replace bool,
	change func(context.Context, querier) error) (content Content, err error) {
	if err := isWhole(file); err != nil { // before anything is made for it
		return content, err
	}
	parents, path := privatedir.Temporary(), ""
	if isPostgres(to.Database) {
		if err := b.mayRestore(ctx, to, replace); err != nil {
			return content, err
		}
	} else {
		var lock *fileLock
		if lock, path, err = lockForReplacing(ctx, to); err != nil {
			return content, err
		}
		defer func() {
			if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) {
				lock.remove()
				return
			}
			lock.release()
		}()
		parents = []string{filepath.Dir(path)} // the same file system
	}
	dir, err := privatedir.Make(".rolebroker-restore-", parents...)
	if err != nil {
		return content, err
	}
	defer dir.Remove()
	partial := filepath.Join(dir.Path, "restored.db")
	if content, err = b.prepare(ctx, file, partial, change); err != nil {
		return content, err
	}
	if path == "" {
		return content, b.load(ctx, partial, to, replace)
	}
	content.Kept, err = b.install(ctx, partial, path, replace)
	return content, err
}

// mayRestore checks that PostgreSQL can be reached, and that its data may be replaced, before a long work begins. What
// counts is the same check under the lock.
func (b Backups) mayRestore(ctx context.Context, to Options, replace bool) error {
	config, err := parseURL(to.Database)
	if err != nil {
		return err
	}
	pool := postgresPool(config, to.Password)
	defer pool.Close()
	return mayLoad(ctx, pool, replace)
}

// prepare copies a backup, checks the copy, and brings it up to date.
func (b Backups) prepare(ctx context.Context, file, partial string,
	change func(context.Context, querier) error) (content Content, err error) {
	b.progress("reading %s", file)
	if err := copyFile(file, partial); err != nil {
		return content, err
	}
	db, err := openFile(partial, "mode=rw", "synchronous(OFF)")
	if err != nil {
		return content, err
	}
	defer db.Close()
	b.progress("checking %s", file)
	if err := checkFile(ctx, db); err != nil {
		return content, rolebroker.Errorf(rolebroker.CodeInvalid, "%s is damaged: %s", file, err)
	}
	before, err := contentOf(ctx, db)
	if err != nil {
		return content, noBackup(file)
	}
	b.progress("bringing the schema up to date")
	if err := (&Store{writer: db, log: discard}).migrate(ctx); err != nil {
		return content, err
	}
	if err := change(ctx, db); err != nil {
		return content, err
	}
	for _, text := range []string{dropBackupRecord, "PRAGMA application_id = 0"} {
		if _, err := exec(ctx, db, adHoc("removing the record", text)); err != nil {
			return content, err
		}
	}
	if content, err = contentOf(ctx, db); err != nil {
		return content, err
	}
	content.MadeAt = before.MadeAt
	return content, errors.Join(db.Close(), syncFile(partial))
}

// isWhole checks that a file is all of a database: what a server wrote last may be in another file beside it.
func isWhole(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no file %s", file)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s is not a file", file)
	}
	if !isSQLite(file) {
		return noBackup(file)
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(file + suffix); err == nil && info.Size() > 0 {
			return rolebroker.Errorf(rolebroker.CodeInvalid, "%s is a database that was in use: %s has a part of it",
				file, file+suffix).
				WithHint("rolebroker backup --database %s rolebroker.backup", rolebroker.ShellQuote(file))
		}
	}
	return nil
}

func noBackup(file string) error {
	return rolebroker.Errorf(rolebroker.CodeInvalid, "%s is not a backup of rolebroker", file)
}

// renew changes what must not return to an earlier state.
func (b Backups) renew(ctx context.Context, q querier) error {
	for _, st := range []*statement{forgetSignIns, forgetPeople, forgetJoinTokens} {
		if _, err := exec(ctx, q, st); err != nil {
			return err
		}
	}
	for _, st := range []*statement{renewAgents, renewIntegrations, renewRunners} {
		if _, err := exec(ctx, q, st, millis(b.Now())); err != nil {
			return err
		}
	}
	return nil
}

// install gives a complete file, in the same file system, the name of a SQLite database whose lock the caller has. It
// returns where it has kept the earlier database.
func (b Backups) install(ctx context.Context, partial, path string, replace bool) (kept string, err error) {
	b.progress("replacing %s", path)
	if err := settle(ctx, path, replace); err != nil {
		return "", err
	}
	if err := giveToOwnerOf(path, partial); err != nil {
		return "", err
	}
	kept = path + ".before-" + b.Now().UTC().Format("20060102T150405.000Z")
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		kept = ""
	}
	// A log beside the new file would be taken for its own: it goes first. A kill before the rename leaves the earlier
	// database, which needs its log only if it is damaged; the copy has both.
	for _, suffix := range []string{"", "-wal"} {
		if kept == "" {
			break
		}
		if err := keep(path+suffix, kept+suffix); err != nil {
			return "", fmt.Errorf("keeping the earlier database: %w", err)
		}
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	return kept, moveDurably(partial, path)
}

// settle makes the file of a SQLite database complete without its log, and checks that it may be replaced. No other
// process has it open then. Codes: conflict.
func settle(ctx context.Context, path string, replace bool) error {
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if !isSQLite(path) { // opening it could delete its log
		return mayDiscard(path, replace, errors.New("it is not a SQLite database"))
	}
	db, err := openExisting(path)
	if err != nil {
		return err
	}
	defer db.Close()
	mode, err := column(ctx, db, `PRAGMA journal_mode = DELETE`)
	if err != nil && retryable(err) || err == nil && mode[0] != "delete" {
		return rolebroker.Errorf(rolebroker.CodeConflict, "another process has %s open", path).
			WithHint("end it, as with .exit in sqlite3, and try again")
	}
	if replace {
		return nil
	}
	there, err := contentOf(ctx, db)
	if err != nil {
		return mayDiscard(path, replace, err)
	}
	if there.empty() {
		return nil
	}
	return hasData(path, there).WithHint("%s", addReplace)
}

const addReplace = "add --replace to replace it; the file is kept under another name"

// mayDiscard says why a file that cannot be read must not be replaced.
func mayDiscard(path string, replace bool, err error) error {
	if replace {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "%s exists, and is damaged or not of rolebroker: %s", path, err).
		WithHint("%s", addReplace)
}

// hasData is the error for a database that would be overwritten.
func hasData(database string, there Content) *rolebroker.Error {
	return rolebroker.Errorf(rolebroker.CodeConflict, "%s has data: %s, %s and %s", database,
		there.Count("integrations", "integration"), there.Count("agents", "agent"), there.Count("api_keys", "API key"))
}

// keep gives a file a second name, if it exists. Without hard links it makes a copy.
func keep(path, kept string) error {
	err := os.Link(path, kept)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return copyFile(path, kept)
}

// load puts the rows of a complete SQLite file in place of those of a PostgreSQL database, in one transaction.
func (b Backups) load(ctx context.Context, partial string, to Options, replace bool) error {
	lite, err := openFile(partial, "mode=ro")
	if err != nil {
		return err
	}
	defer lite.Close()
	tables, err := tablesOf(ctx, lite)
	if err != nil {
		return err
	}
	config, err := parseURL(to.Database)
	if err != nil {
		return err
	}
	pool := postgresPool(config, to.Password)
	defer pool.Close()
	conn, err := lockServers(ctx, pool, to.replaceWait())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := mayLoad(ctx, pool, replace); err != nil {
		return err
	}
	b.progress("bringing the schema of PostgreSQL up to date")
	if err := (&Store{postgres: true, writer: pool, log: discard}).migrate(ctx); err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i := range tables {
		t := tables[len(tables)-1-i]
		if _, err := exec(ctx, tx, adHoc("emptying "+t.name, "DELETE FROM "+t.name)); err != nil {
			return err
		}
	}
	if err := copyTables(ctx, tables, lite, tx, func(what string) { b.progress("%s", what) }); err != nil {
		return err
	}
	// A server that has lost its connection may have kept cached data, and not the lock.
	if err := (notice{Server: "restore"}).send(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// mayLoad checks that the data of a PostgreSQL database may be replaced. Codes: conflict.
func mayLoad(ctx context.Context, q querier, replace bool) error {
	if replace {
		return nil
	}
	exists := false
	err := query(ctx, q, hasSchema, func(scan scan) error { return scan(&exists) })
	if err != nil || !exists {
		return err
	}
	there := Content{}
	if there.Rows, err = countRows(ctx, []table{{name: "integrations"}, {name: "agents"}, {name: "api_keys"},
		{name: "sessions"}, {name: "external_ids"}}, q); err != nil || there.empty() {
		return err
	}
	return hasData("the PostgreSQL database", there).
		WithHint("add --replace to replace it; make a backup of it first: rolebroker backup FILE")
}
