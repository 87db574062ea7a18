package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// refused tries to open a database and returns the error.
func refused(t *testing.T, o store.Options) *rolebroker.Error {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err == nil {
		t.Fatal(o.Database, "was opened:", s.Close())
	}
	return rolebroker.AsError(err)
}

func TestDataOutlivesTheStore(t *testing.T) {
	empty := map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "rolebroker.db") },
		"postgres": storetest.EmptyPostgres,
	}
	onEach(t, empty, func(t *testing.T, database string) {
		for i := range 3 {
			s, err := store.Open(t.Context(), store.Options{Database: database})
			if err != nil {
				t.Fatal(err)
			}
			agents, err := s.Agents(t.Context(), rolebroker.Page{Limit: 10})
			if err != nil || len(agents) != i {
				t.Fatalf("opened for the %d. time it has %d agents: %v", i+1, len(agents), err)
			}
			a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: fmt.Sprint("agent", i), Version: 1}
			if err := s.CreateAgent(t.Context(), a, storetest.Event()); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestFilesAreForTheirOwner(t *testing.T) {
	for _, name := range []string{"plain.db", "with space & ?mode=ro#%20;.db"} {
		dir := t.TempDir()
		storetest.Open(t, filepath.Join(dir, name))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || info.Mode() != 0o600 || !strings.HasPrefix(entry.Name(), name) {
				t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
			}
		}
		if len(entries) < 2 {
			t.Errorf("only %v", entries)
		}
	}
}

func TestOneServerPerFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rolebroker.db")
	first, err := store.Open(t.Context(), store.Options{Database: path})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		e := refused(t, store.Options{Database: name, LockWait: time.Millisecond})
		want := fmt.Sprintf(
			"the database %s is in use by another server, process %d; a SQLite file belongs to one server at a time",
			path, os.Getpid())
		if e.Code != rolebroker.CodeConflict || e.Message != want || !strings.Contains(e.Hint.String(), "PostgreSQL") {
			t.Errorf("got %s %q, hint %q", e.Code, e, e.Hint)
		}
	}

	// A rolling restart: the second waits until the first is gone.
	opened := make(chan error)
	go func() {
		second, err := store.Open(t.Context(), store.Options{Database: path, LockWait: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

// Writing to a lock file that is a link would overwrite the link's target.
func TestTheLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	path, precious := filepath.Join(dir, "rolebroker.db"), filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("kept as it is"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, path+".lock"); err != nil {
		t.Fatal(err)
	}
	e := refused(t, store.Options{Database: path})
	if e.Code != rolebroker.CodeInvalid || !strings.Contains(e.Message, path+".lock is a symbolic link") {
		t.Errorf("got %s %q", e.Code, e)
	}
	if kept, err := os.ReadFile(precious); err != nil || string(kept) != "kept as it is" {
		t.Errorf("the link's target has %q: %v", kept, err)
	}
}

func TestWaitingForTheFileCanBeCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rolebroker.db")
	storetest.Open(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error)
	go func() {
		_, err := store.Open(ctx, store.Options{Database: path, LockWait: time.Hour})
		opened <- err
	}()
	cancel()
	if err := <-opened; rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ database, message, hint string }{
		{"", "the database is required", ""},
		{filepath.Join(dir, "no", "such.db"), "there is no directory " + filepath.Join(dir, "no"), "mkdir -p"},
		{dir, "opening the database " + dir, ""},
		{text, "opening the database " + text, ""},
		{"postgres:///x?host=" + dir, "PostgreSQL at " + dir + " cannot be reached: no such file or directory",
			"pg_isready --host " + dir},
		{"postgres://db.invalid:6543/x", `PostgreSQL at db.invalid:6543 cannot be reached: there is no host "db.invalid"`,
			"pg_isready --host db.invalid --port 6543"},
	} {
		e := refused(t, store.Options{Database: test.database})
		if !strings.Contains(e.Message, test.message) || !strings.Contains(e.Hint.String(), test.hint) {
			t.Errorf("%q: got %q, hint %q", test.database, e, e.Hint)
		}
	}
	if content, err := os.ReadFile(text); err != nil || !bytes.HasPrefix(content, []byte("not a database\n")) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestNoPasswordIsShown(t *testing.T) {
	dir := t.TempDir()
	for _, url := range []string{
		"postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=1",
		"postgres://user:hunter2@/db?host=" + dir,
		"postgres://user@127.0.0.1:1/db?password=hunter2&connect_timeout=1",
		"postgres://user:hunter2@127.0.0.1:1/db?sslmode=nonsense",
		"postgres://user:hunter2@127.0.0.1:port/db",
		"postgres://user:hun/ter2@127.0.0.1/db",
		"postgres://user:12/hunter2@127.0.0.1/db",
		"postgres://user:12?hunter2@127.0.0.1/db",
		"postgres://user:12#hunter2@127.0.0.1/db",
		"postgres://user:hunter2%zz@127.0.0.1/db",
		"postgres://user:hunter2@host name/db",
		"postgresql://user:hunter2@[::1/db",
	} {
		var log bytes.Buffer
		e := refused(t, store.Options{Database: url, Log: slog.New(
			slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		for _, shown := range []string{e.Error(), e.Hint.String(), fmt.Sprintf("%+v %#v", e.Cause, e.Cause),
			log.String()} {
			if strings.Contains(shown, "hunter2") || strings.Contains(shown, "hun/") ||
				strings.Contains(shown, "ter2") {
				t.Errorf("%s: %s", url, shown)
			}
		}
		if e.Code != rolebroker.CodeInvalid && e.Code != rolebroker.CodeUnavailable {
			t.Errorf("%s: %s %v", url, e.Code, e)
		}
	}
}

func TestManyServersStartAtOnce(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgres(t)
	const n = 5
	errs := make(chan error)
	for range n {
		go func() {
			s, err := store.Open(t.Context(), store.Options{Database: url})
			if err == nil {
				err = s.Ready(t.Context())
				s.Close()
			}
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s, err := store.Open(t.Context(), store.Options{Database: database})
		if err != nil {
			t.Fatal(err)
		}
		if _,
			err := s.DB().ExecContext(t.Context(),
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		e := refused(t, store.Options{Database: database})
		const want = "the database has the schema version 999, which a newer rolebroker made; " +
			"this one knows versions up to "
		if !strings.HasPrefix(e.Message, want) || len(e.Hint) == 0 {
			t.Errorf("got %q, hint %q", e, e.Hint)
		}
	})
}

// TestMigrationsAreNumbered keeps two migrations from having one number.
func TestMigrationsAreNumbered(t *testing.T) {
	files, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	last := 1 // the collation
	for _, file := range files {
		number := 0
		if _, err := fmt.Sscanf(file, "%05d_", &number); err != nil || number <= last {
			t.Errorf("%s does not have a number of its own", file)
		}
		last = number
	}
}

// The password is asked for each connection, so that it can be rotated. Without one, the server of the database decides
// by the URL and libpq's variables.
func TestThePasswordIsReadForEachConnection(t *testing.T) {
	server := storetest.NewServer(t)
	as := func(user string) string {
		u, err := url.Parse(server.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		query.Set("user", user)
		u.RawQuery = query.Encode()
		return u.String()
	}
	server.RequirePassword(t, "app", "first")
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	database := as("app")
	server.Own(t, database, "app")
	e := refused(t, store.Options{Database: database, Log: logger})
	if !strings.Contains(e.Message, "password") {
		t.Errorf("without a password the error is %v", e)
	}
	for _, wrong := range []func() (rolebroker.Secret, error){
		func() (rolebroker.Secret, error) { return rolebroker.NewSecret("hunter2"), nil },
		func() (rolebroker.Secret, error) { return rolebroker.Secret{}, errors.New("no such file") },
	} {
		e := refused(t, store.Options{Database: database, Log: logger, Password: wrong})
		if strings.Contains(e.Error(), "hunter2") || e.Code != rolebroker.CodeUnavailable {
			t.Errorf("with a wrong password the error is %v", e)
		}
	}
	var password atomic.Value
	password.Store("first")
	s, err := store.Open(t.Context(), store.Options{Database: database, Log: logger,
		Password: func() (rolebroker.Secret, error) { return rolebroker.NewSecret(password.Load().(string)), nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()                            // again
	server.RequirePassword(t, "app", "second") // and every connection ends
	password.Store("second")
	for deadline := time.Now().Add(time.Minute); s.Ready(t.Context()) != nil || !s.Watching(); {
		if time.Now().After(deadline) {
			t.Fatalf("it does not connect with the new password: %v, %t", s.Ready(t.Context()), s.Watching())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "second") {
		t.Errorf("the log has a password: %s", log.String())
	}
	t.Setenv("PGPASSFILE", filepath.Join(t.TempDir(), "pgpass"))
	if err := os.WriteFile(os.Getenv("PGPASSFILE"), []byte("*:*:*:app:second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	byFile, err := store.Open(t.Context(), store.Options{Database: database, Log: logger})
	if err != nil {
		t.Fatalf("with PGPASSFILE: %v", err)
	}
	if err := byFile.Close(); err != nil {
		t.Error(err)
	}
}
