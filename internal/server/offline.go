package server

import (
	"context"
	"io"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// Content says what a database or a backup holds.
type Content = store.Content

// Offline are the commands of an operator that work on databases and not through a server.
type Offline struct {
	Version  string
	Progress func(what string) // nil: nobody is told
}

func (o Offline) backups() store.Backups {
	return store.Backups{Now: time.Now, Program: o.Version, Progress: o.Progress}
}

func database(cfg *config.Server) store.Options {
	return store.Options{Database: cfg.Database.Reveal(), Password: cfg.ReadDatabasePassword}
}

// Backup is [store.Backups.Backup].
func (o Offline) Backup(ctx context.Context, from *config.Server, file string) (Content, error) {
	return o.backups().Backup(ctx, database(from), file)
}

// Restore is [store.Backups.Restore].
func (o Offline) Restore(ctx context.Context, file string, to *config.Server, replace bool) (Content, error) {
	return o.backups().Restore(ctx, file, database(to), replace)
}

// Move is [store.Backups.Move].
func (o Offline) Move(ctx context.Context, from, to *config.Server, replace bool) (Content, error) {
	return o.backups().Move(ctx, database(from), database(to), replace)
}

// AuditTrail returns the state of the audit trail of a database.
func (o Offline) AuditTrail(ctx context.Context, from *config.Server) (rolebroker.AuditTrail, error) {
	db, err := store.OpenToRead(ctx, database(from))
	if err != nil {
		return rolebroker.AuditTrail{}, err
	}
	defer db.Close()
	return db.AuditTrail(ctx)
}

// ExportTrail writes the audit trail of a database, also while servers use it.
func (o Offline) ExportTrail(ctx context.Context, from *config.Server, to io.Writer) error {
	db, err := store.OpenToRead(ctx, database(from))
	if err != nil {
		return err
	}
	defer db.Close()
	state, err := db.AuditTrail(ctx)
	if err != nil {
		return err
	}
	base, err := db.Trail(ctx)
	if err != nil {
		return err
	}
	return trail.Export(ctx, db, base.Size, state.Size, trail.NewExporter(to, rolebroker.AuditJSONL))
}
