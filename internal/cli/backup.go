package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/privatedir"
	"github.com/rolebroker/rolebroker/internal/server"
)

// backupAnswer is what backup, restore and migrate-database print with --output.
type backupAnswer struct {
	Schema   int64            `json:"schema"`
	BackedUp string           `json:"backed_up_at,omitempty"`
	Rows     map[string]int64 `json:"rows"`
	Kept     string           `json:"earlier_database,omitempty"`
}

func newBackup(a *app) *cobra.Command {
	cfg := config.DefaultServer()
	flags := cfg.Flags()
	var out output
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the database, also while servers use it",
		Long: `Back up the database that --database names, as for rolebroker server. Run it where
the server runs; servers may use the database meanwhile. FILE appears at once and
whole, and may be an earlier backup, which it replaces. - writes to stdout.

A backup of SQLite and one of PostgreSQL have the same form, and rolebroker restore
puts either into either. It has the hashes of tokens and keys, and external IDs, but
no token, key or AWS credential, and not the key of the audit trail: keep a copy of the
file of --audit-key elsewhere. Who can read a backup learns who may do what: keep it as
private as the database. Only its owner can read FILE.`,
		Example: `  rolebroker backup rolebroker.backup
  rolebroker backup --database postgres://rolebroker@db/rolebroker /backups/rolebroker.backup
  kubectl exec deploy/rolebroker -- rolebroker backup - > rolebroker.backup`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := cfg.LoadDatabase(flags, a.outside()); err != nil {
				return usageError{err}
			}
			a.warnOfPassword(cmd, "database", cfg)
			if given[0] == "-" {
				return a.backupToStdout(cmd.Context(), cfg)
			}
			content, err := offline(a, func(o server.Offline) (server.Content, error) {
				return o.Backup(cmd.Context(), cfg, given[0])
			})
			if err != nil {
				return err
			}
			return a.showContent(out, content, "Wrote %s: %s.", given[0], rowsOf(content))
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(config.DatabaseFlags(flags))
	out.flag(cmd)
	return cmd
}

// backupToStdout writes a backup to stdout, after all of it was made.
func (a *app) backupToStdout(ctx context.Context, cfg *config.Server) error {
	if isTerminal(a.Stdout) {
		return usage("a backup is no text; redirect stdout, as in rolebroker backup - > rolebroker.backup")
	}
	parents := privatedir.Temporary()
	if !cfg.Database.IsPostgres() { // there is room for a copy beside the database
		parents = append([]string{filepath.Dir(cfg.Database.Reveal())}, parents...)
	}
	dir, err := privatedir.Make(".rolebroker-backup-", parents...)
	if err != nil {
		return err
	}
	defer dir.Remove()
	path := filepath.Join(dir.Path, "backup.db")
	content, err := offline(a, func(o server.Offline) (server.Content, error) { return o.Backup(ctx, cfg, path) })
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(a.Stdout, file); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	a.note("Wrote a backup: %s.", rowsOf(content))
	return nil
}

func newRestore(a *app) *cobra.Command {
	cfg := config.DefaultServer()
	flags := cfg.Flags()
	var out output
	replace := false
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore the database from a backup, while no server uses it",
		Long: `Restore the database that --database names, as for rolebroker server, from a
backup. - reads stdin. Stop all servers that use the database first: restore refuses
while one runs. The database gets the whole backup at once, or stays as it was.

Do not copy a file to the place of a SQLite database instead: the log beside it, with
-wal at the end of its name, belongs to the earlier file, and SQLite would apply it to
the new one.

A database that has data is replaced only with --replace; an earlier SQLite file is kept
under another name. What was taken away after the backup was made is permitted again:
look for agents, tokens, keys and connections to take away once more. People have to
sign in again. Join tokens end, and a runner whose credential is newer than the backup
needs one to join again.`,
		Example: `  rolebroker restore rolebroker.backup --replace
  rolebroker restore rolebroker.backup --database postgres://rolebroker@db/rolebroker`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := cfg.LoadDatabase(flags, a.outside()); err != nil {
				return usageError{err}
			}
			a.warnOfPassword(cmd, "database", cfg)
			file, remove, err := a.backupFile(given[0])
			if err != nil {
				return err
			}
			defer remove()
			content, err := offline(a, func(o server.Offline) (server.Content, error) {
				return o.Restore(cmd.Context(), file, cfg, replace)
			})
			if err != nil {
				return err
			}
			if err := a.showContent(out, content, "Restored %s: %s.", cfg.Database, rowsOf(content)); err != nil {
				return err
			}
			since := "the backup was made"
			if !content.MadeAt.IsZero() {
				since = content.MadeAt.Format("2006-01-02 15:04:05 UTC")
			}
			a.note("What was taken away since %s is permitted again; take it away once more.", since)
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(config.DatabaseFlags(flags))
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the data that the database has")
	out.flag(cmd)
	return cmd
}

// backupFile returns the path of a backup, which it reads from stdin for the path "-".
func (a *app) backupFile(path string) (file string, remove func(), err error) {
	if path != "-" {
		return path, func() {}, nil
	}
	dir, err := privatedir.Make("rolebroker-restore-", privatedir.Temporary()...)
	if err != nil {
		return "", nil, err
	}
	file = filepath.Join(dir.Path, "stdin")
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		defer out.Close()
		_, err = io.Copy(out, a.Stdin)
	}
	if err != nil {
		dir.Remove()
		return "", nil, fmt.Errorf("reading stdin: %w", err)
	}
	return file, func() { dir.Remove() }, nil
}

func newMigrateDatabase(a *app) *cobra.Command {
	from, to := config.DefaultServer(), config.DefaultServer()
	from.Database, to.Database = config.Database{}, config.Database{}
	var out output
	replace := false
	cmd := &cobra.Command{
		Use:   "migrate-database",
		Short: "Move all data to another database, as from SQLite to PostgreSQL",
		Long: `Move all data from one database to another, in either direction between SQLite and
PostgreSQL. Agents, tokens, keys, external IDs, generations and sessions stay what they
are, so agents, runners and trust policies go on working. Stop all servers first: the
command refuses while one uses either database.

The database that --from names stays as it is. The one that --to names must have no
data, unless --replace is given; it gets all of it at once, or stays as it was. Then the
rows of all tables are counted on both sides.

The password of PostgreSQL can be in a file, in ROLEBROKER_DATABASE_PASSWORD, or where
libpq looks for it.`,
		Example: `  rolebroker migrate-database --from rolebroker.db --to postgres://rolebroker@db/rolebroker \
    --to-password-file db-password`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := from.LoadOneOf("from", a.outside()); err != nil {
				return usageError{err}
			}
			if err := to.LoadOneOf("to", a.outside()); err != nil {
				return usageError{err}
			}
			a.warnOfPassword(cmd, "from", from)
			a.warnOfPassword(cmd, "to", to)
			content, err := offline(a, func(o server.Offline) (server.Content, error) {
				return o.Move(cmd.Context(), from, to, replace)
			})
			if err != nil {
				return err
			}
			if err := a.showContent(out, content, "Copied %s to %s: %s.", from.Database, to.Database,
				rowsOf(content)); err != nil {
				return err
			}
			a.note("Start the servers with --database %s, and none with %s.", to.Database, from.Database)
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Var(&from.Database, "from", "`PATH` of a SQLite file, or a postgres:// URL")
	f.StringVar(&from.DatabasePasswordFile, "from-password-file", "", "`FILE` with the password of --from")
	f.Var(&to.Database, "to", "`PATH` of a SQLite file, or a postgres:// URL")
	f.StringVar(&to.DatabasePasswordFile, "to-password-file", "", "`FILE` with the password of --to")
	f.BoolVar(&replace, "replace", false, "replace the data that --to has")
	out.flag(cmd)
	return cmd
}

// warnOfPassword warns of a password in the URL of a database that a flag has.
func (a *app) warnOfPassword(cmd *cobra.Command, flag string, cfg *config.Server) {
	if cmd.Flags().Changed(flag) && cfg.Database.HasPassword() {
		a.note("warning: the list of processes shows the password in --%s; use a file or ROLEBROKER_DATABASE_PASSWORD", flag)
	}
}

// offline runs a command on databases, and shows its progress.
func offline(a *app, do func(server.Offline) (server.Content, error)) (server.Content, error) {
	var now atomic.Pointer[string]
	starting := "opening the database"
	now.Store(&starting)
	done := a.progressOf(func() string { return *now.Load() })
	content, err := do(server.Offline{Version: a.version(), Progress: func(what string) { now.Store(&what) }})
	done()
	return content, forOperator(err)
}

// rowsOf says what a database has, as in "1 integration with 5 roles, 3 agents with …".
func rowsOf(c server.Content) string {
	return fmt.Sprintf("%s with %s, %s with %s, %s, %s, %s",
		c.Count("integrations", "integration"), c.Count("roles", "role"), c.Count("agents", "agent"),
		c.Count("tokens", "token"), c.Count("api_keys", "API key"), c.Count("runners", "runner"),
		c.Count("sessions", "session"))
}

// showContent shows the outcome to a person, on stderr, or to a machine.
func (a *app) showContent(o output, c server.Content, format string, args ...any) error {
	if c.Kept != "" && !o.forMachines() {
		defer a.note("The earlier database is %s; delete it when you do not need it any more.", c.Kept)
	}
	if !o.forMachines() {
		a.note(format, args...)
		return nil
	}
	answer := backupAnswer{Schema: c.Schema, Rows: c.Rows, Kept: c.Kept}
	if !c.MadeAt.IsZero() {
		answer.BackedUp = c.MadeAt.Format("2006-01-02T15:04:05Z")
	}
	return a.encode(o.value, answer)
}
