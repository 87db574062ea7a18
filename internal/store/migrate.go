package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/rolebroker/rolebroker"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate brings the schema up to date. Servers that start at the same time wait
// for each other. It refuses a schema made by a newer program, whose columns this
// one does not know.
func (s *Store) migrate(ctx context.Context) error {
	provider, err := s.migrations()
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	_, upErr := provider.Up(ctx)
	current, target, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("migrating: %w", errors.Join(upErr, err))
	case current > target:
		return newer(current, target)
	case upErr != nil:
		return fmt.Errorf("migrating: %w", upErr)
	}
	return nil
}

// migrateTo brings the schema of an empty database to a version. Codes: unavailable (the version is not known here).
func (s *Store) migrateTo(ctx context.Context, version int64) error {
	provider, err := s.migrations()
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if _, target, err := provider.GetVersions(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	} else if version > target {
		return newer(version, target)
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// newer is the error for a schema of a newer program.
func newer(current, target int64) error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable,
		"the database has the schema version %d, which a newer rolebroker made; this one knows versions up to %d",
		current, target).
		WithHint("start the newer version, or restore the backup made before the upgrade")
}

func (s *Store) migrations() (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(s.log),
		goose.WithGoMigrations(goose.NewGoMigration(1, &goose.GoFunc{RunTx: s.createCollation}, nil)),
	}
	if s.postgres {
		dialect = goose.DialectPostgres
		options = append(options, goose.WithSessionLocker(migrationLock{}))
	}
	return goose.NewProvider(dialect, s.writer, files, options...)
}

// createCollation creates the collation "binary" in PostgreSQL. SQLite has it.
func (s *Store) createCollation(ctx context.Context, tx *sql.Tx) error {
	if !s.postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, createCollation.text())
	return err
}

var (
	createCollation  = postgresOnly("createCollation", `CREATE COLLATION "binary" FROM "C"`)
	lockMigrations   = postgresOnly("lockMigrations", `SELECT pg_advisory_lock($1)`)
	unlockMigrations = postgresOnly("unlockMigrations", `SELECT pg_advisory_unlock($1)`)
)

// migrationLock is a goose lock.SessionLocker that waits without polling, so
// that servers which start together are not delayed by a polling interval.
type migrationLock struct{}

// migrationLockID is "rolebrok" in ASCII. It shows in pg_locks.
const migrationLockID = 0x726f6c6562726f6b

func (migrationLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, lockMigrations.text(), int64(migrationLockID))
	return err
}

func (migrationLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, unlockMigrations.text(), int64(migrationLockID))
	return err
}
