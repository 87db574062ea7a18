package store_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

func backups() store.Backups { return store.Backups{Now: time.Now, Program: "test"} }

// at is a database from which a process that was killed is still going away.
func at(database string) store.Options {
	return store.Options{Database: database, LockWait: time.Minute}
}

// empty makes databases without a schema.
var empty = map[string]func(testing.TB) string{"postgres": storetest.EmptyPostgres,
	"sqlite": func(t testing.TB) string { return filepath.Join(t.TempDir(), "rb.db") }}

// fixtures are backups of databases with the schemas of earlier releases. Each has a row in each table that its schema
// had. They were made by rolebroker demo and commands of the CLI.
func fixtures(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/schema-*.backup.gz")
	if err != nil || len(found) == 0 {
		t.Fatal("there are no fixtures", err)
	}
	return found
}

// unzip unpacks a fixture.
func unzip(t *testing.T, fixture string) (path string) {
	t.Helper()
	f, err := os.Open(fixture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "fixture.backup")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// renewed are the columns that a restore changes, and forgotten the rows that it drops.
var (
	renewed   = regexp.MustCompile(`^(agents\.(version|generation)|(integrations|runners)\.version)$`)
	forgotten = map[string]string{"sign_ins": "FALSE", "user_sign_ins": "FALSE", "runner_keys": "NOT is_join"}
)

// lite opens a SQLite file for reading.
func lite(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "mode=ro"}).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func texts(t *testing.T, db *sql.DB, query string, args ...any) (values []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			t.Fatal(query, err)
		}
		values = append(values, value)
	}
	if rows.Err() != nil {
		t.Fatal(query, rows.Err())
	}
	return values
}

// dump returns the rows of all tables that a backup of an earlier schema has, by table.
func dump(t *testing.T, path, earlier string, all bool) map[string][]string {
	t.Helper()
	then, db := lite(t, earlier), lite(t, path)
	found := map[string][]string{}
	for _, table := range texts(t, then, `SELECT name FROM sqlite_schema WHERE type = 'table'
		AND name NOT LIKE 'sqlite%' AND name NOT IN ('backup', 'goose_db_version')`) {
		var columns []string
		for _, name := range texts(t, then, `SELECT name FROM pragma_table_info($1) ORDER BY cid`, table) {
			if all || !renewed.MatchString(table+"."+name) {
				columns = append(columns, "quote("+name+")")
			}
		}
		query := "SELECT " + strings.Join(columns, " || '|' || ") + " AS line FROM " + table
		if only := forgotten[table]; only != "" && !all {
			query += " WHERE " + only
		}
		found[table] = texts(t, db, query+" ORDER BY line")
	}
	return found
}

// A database of each earlier release becomes a current one with all of its data, on SQLite and on PostgreSQL.
func TestEarlierReleasesCanBeUpgraded(t *testing.T) {
	t.Parallel()
	for _, fixture := range fixtures(t) {
		file := unzip(t, fixture)
		for table, rows := range dump(t, file, file, true) {
			if len(rows) == 0 {
				t.Errorf("%s has nothing in %s", fixture, table)
			}
		}
		onEach(t, empty, func(t *testing.T, database string) {
			var err error
			if strings.HasPrefix(database, "postgres://") {
				err = store.LoadAsIs(t.Context(), file, database)
			} else {
				var content []byte
				content, err = os.ReadFile(file)
				err = errors.Join(err, os.WriteFile(database, content, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			checkUpgraded(t, database)
			again := filepath.Join(t.TempDir(), "again.backup")
			if _, err := backups().Backup(t.Context(), at(database), again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(t, file, file, true), dump(t, again, file, true)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A backup of each earlier release can be restored.
func TestBackupsOfEarlierReleasesCanBeRestored(t *testing.T) {
	t.Parallel()
	for _, fixture := range fixtures(t) {
		file := unzip(t, fixture)
		onEach(t, empty, func(t *testing.T, database string) {
			restored, err := backups().Restore(t.Context(), file, at(database), false)
			if err != nil {
				t.Fatal(err)
			}
			checkUpgraded(t, database)
			again := filepath.Join(t.TempDir(), "again.backup")
			content, err := backups().Backup(t.Context(), at(database), again)
			if err != nil {
				t.Fatal(err)
			}
			delete(restored.Rows, "audit_events") // of what the test changed
			delete(content.Rows, "audit_events")
			if diff := cmp.Diff(restored.Rows, content.Rows); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(dump(t, file, file, false), dump(t, again, file, false)); diff != "" {
				t.Error(diff)
			}
			if left := texts(t, lite(t, again),
				`SELECT id FROM sign_ins UNION ALL SELECT id FROM user_sign_ins UNION ALL SELECT id FROM runner_keys
				WHERE is_join`); len(left) > 0 {
				t.Errorf("people stay signed in, or a join token is good once more: %q", left)
			}
		})
	}
}

// checkUpgraded checks a database that was made of a fixture by using it.
func checkUpgraded(t *testing.T, database string) {
	t.Helper()
	s := storetest.Open(t, database)
	in, err := s.Integration(t.Context(), "broken")
	if err != nil || in.Description != "a role that does not exist – « ünïcode » 🙂" || !in.SessionTags {
		t.Errorf("%+v, %v", in, err)
	}
	builder, err := s.Agent(t.Context(), "builder")
	if err != nil || len(builder.Connections) != 2 {
		t.Fatalf("%+v, %v", builder, err)
	}
	later := createAgent(t, s, "later")
	if err := errors.Join(s.DeleteAgent(t.Context(), later.Agent, 1, storetest.Event()), s.Close()); err != nil {
		t.Error(err)
	}
}

// names returns the names of the agents in a database.
func names(t *testing.T, database string) (found []string) {
	t.Helper()
	s := storetest.Open(t, database)
	agents, err := s.Agents(t.Context(), rolebroker.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		found = append(found, a.Name)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return found
}

// with makes a database with one agent.
func with(t *testing.T, database, agent string) string {
	t.Helper()
	s := storetest.Open(t, database)
	createAgent(t, s, agent)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return database
}

// backupOf makes a backup of a new database that has one agent and many sessions.
func backupOf(t *testing.T, agent string, sessions int) (file string) {
	t.Helper()
	database := with(t, storetest.SQLite(t), agent)
	s := storetest.Open(t, database)
	for range sessions {
		now := time.Now()
		se := rolebroker.Session{ID: rolebroker.NewSessionID(),
			State: rolebroker.SessionRequested, RequestedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := s.RecordSession(t.Context(), &se, storetest.Event()); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(t.TempDir(), agent+".backup")
	if _, err := backups().Backup(t.Context(), at(database), file); err != nil {
		t.Fatal(err)
	}
	return file
}

// code checks the code of an error, and that its text has a part.
func code(t *testing.T, err error, want rolebroker.Code, part string) {
	t.Helper()
	if rolebroker.CodeOf(err) != want || !strings.Contains(fmt.Sprint(err), part) {
		t.Errorf("%v, want %s: %s", err, want, part)
	}
}

// A restored database never comes back to numbers that were in use: what was lent before, and versions that callers
// know, stay outdated.
func TestGenerationsAndVersionsGoOnAfterARestore(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		file := filepath.Join(t.TempDir(), "backup")
		if _, err := backups().Backup(t.Context(), at(with(t, database, "scout")), file); err != nil {
			t.Fatal(err)
		}
		s := storetest.Open(t, database)
		scout, err := s.Agent(t.Context(), "scout")
		for range 3 {
			scout.Version++
			err = errors.Join(err, s.UpdateAgent(t.Context(), scout, scout.Version-1, storetest.Event()))
		}
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := backups().Restore(t.Context(), file, at(database), true); err != nil {
			t.Fatal(err)
		}
		s = storetest.Open(t, database)
		restored, err := s.Agent(t.Context(), "scout")
		if err != nil || restored.Version <= scout.Version {
			t.Errorf("version %d after %d, %v", restored.Version, scout.Version, err)
		}
		var generation int64
		if err := s.DB().QueryRowContext(t.Context(), "SELECT generation FROM agents").Scan(&generation); err != nil ||
			generation < 1000 {
			t.Errorf("generation %d, %v", generation, err)
		}
	})
}

// restoreInChild is the environment variable that turns this test binary into a program that restores a backup, or
// makes one, until it is killed: its value is restore or backup, the file, and the database.
const restoreInChild = "ROLEBROKER_STORE_TEST_RESTORE"

// backUpUntilKilled is that program.
func backUpUntilKilled() {
	order := strings.Split(os.Getenv(restoreInChild), "\n")
	if len(order) != 3 {
		return
	}
	fmt.Println("started")
	var err error
	if order[0] == "backup" {
		_, err = backups().Backup(context.Background(), at(order[2]), order[1])
	} else {
		_, err = backups().Restore(context.Background(), order[1], at(order[2]), true)
	}
	if err != nil {
		fmt.Println("error", err)
	}
	os.Exit(0)
}

// killAfter starts the program, kills it after the time, and returns whether it was still at work.
func killAfter(t *testing.T, wait time.Duration, order ...string) (killed bool) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), restoreInChild+"="+strings.Join(order, "\n"))
	output, err := child.StdoutPipe()
	if err = errors.Join(err, child.Start()); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	if line, err := lines.ReadString('\n'); err != nil || line != "started\n" {
		t.Fatal(line, err)
	}
	time.Sleep(wait) // the moment of the kill is random: this waits for nothing
	_ = child.Process.Kill()
	rest, _ := io.ReadAll(lines)
	if len(rest) > 0 {
		t.Fatal(string(rest))
	}
	return child.Wait() != nil
}

// moments returns delays from zero to more than the time that do takes.
func moments(t *testing.T, do func()) (all []time.Duration) {
	t.Helper()
	start := time.Now()
	do()
	took := time.Since(start)
	const steps = 6
	for i := range steps {
		all = append(all, 2*took*time.Duration(i)/steps+rand.N(2*took/steps+1))
	}
	return all
}

// A restore that is killed leaves the earlier database or the restored one, whole, and the next one works.
func TestAKilledRestoreLeavesOneOfTheTwo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		before, after := backupOf(t, "before", 10), backupOf(t, "after", 500)
		reset := func(file string) {
			if _, err := backups().Restore(t.Context(), file, at(database), true); err != nil {
				t.Fatal(err)
			}
		}
		outcomes := map[string]int{}
		reset(before)
		for _, wait := range moments(t, func() { reset(after) }) {
			reset(before)
			killed := killAfter(t, wait, "restore", after, database)
			found := names(t, database)
			if !slices.Equal(found, []string{"before"}) && !slices.Equal(found, []string{"after"}) {
				t.Fatalf("killed after %s, it has the agents %q", wait, found)
			}
			if !killed && found[0] != "after" {
				t.Error("it ended, and nothing is restored")
			}
			outcomes[found[0]]++
		}
		t.Log(outcomes)
		reset(after)
		left, err := filepath.Glob(filepath.Join(filepath.Dir(database), ".rolebroker-restore-*"))
		if err != nil || len(left) > 0 && !strings.Contains(database, "://") {
			t.Error("the next one leaves", left, err)
		}
	})
}

// A backup that is killed leaves the earlier file or the new one.
func TestAKilledBackupLeavesOneOfTheTwo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		if _, err := backups().Restore(t.Context(), backupOf(t, "new", 500), at(database), true); err != nil {
			t.Fatal(err)
		}
		earlier := backupOf(t, "old", 1)
		file := filepath.Join(t.TempDir(), "backup")
		for _, wait := range moments(t, func() {
			if _, err := backups().Backup(t.Context(), at(database), file); err != nil {
				t.Fatal(err)
			}
		}) {
			content, err := os.ReadFile(earlier)
			if err = errors.Join(err, os.WriteFile(file, content, 0o600)); err != nil {
				t.Fatal(err)
			}
			killAfter(t, wait, "backup", file, database)
			restored := filepath.Join(t.TempDir(), "rb.db")
			if _, err := backups().Restore(t.Context(), file, at(restored), false); err != nil {
				t.Fatalf("killed after %s: %v", wait, err)
			}
			if found := names(t, restored); !slices.Equal(found, []string{"old"}) && !slices.Equal(found, []string{"new"}) {
				t.Errorf("killed after %s, it has the agents %q", wait, found)
			}
		}
		if _, err := backups().Backup(t.Context(), at(database), file); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
			t.Error("the next one leaves", left, err)
		}
	})
}

// A backup and a restore put a whole file in place of the earlier one, and never write into that. The tests above
// seldom kill a process within the moment that such a write takes.
func TestEarlierFilesAreReplacedWhole(t *testing.T) {
	t.Parallel()
	database, file := filepath.Join(t.TempDir(), "rb.db"), backupOf(t, "old", 1)
	restore := func(file, to string, replace bool) {
		t.Helper()
		if _, err := backups().Restore(t.Context(), file, at(to), replace); err != nil {
			t.Fatal(err)
		}
	}
	restore(file, database, false)
	for _, path := range []string{database, file} {
		if err := os.Link(path, path+"-kept"); err != nil {
			t.Fatal(err)
		}
	}
	restore(backupOf(t, "new", 1), database, true)
	if kept := names(t, database+"-kept"); !slices.Equal(kept, []string{"old"}) {
		t.Errorf("a restore wrote into the earlier database, which has the agents %q", kept)
	}
	if _, err := backups().Backup(t.Context(), at(database), file); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "rb.db")
	restore(file+"-kept", restored, false)
	if kept := names(t, restored); !slices.Equal(kept, []string{"old"}) {
		t.Errorf("a backup wrote into the earlier file, which has the agents %q", kept)
	}
}

// A backup has what was acknowledged before it began, and nothing in part, while a server writes.
func TestABackupDuringWritesIsConsistent(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		const writes = 100 // during each backup; without a bound, each backup would take longer than the one before
		for i := range 3 {
			done := make(chan error, 1)
			began := make(chan struct{})
			go func() {
				var all error
				for j := range writes {
					name := fmt.Sprintf("agent%d-%d", i, j)
					a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: name, Version: 1}
					all = errors.Join(all, s.CreateAgent(t.Context(), a, storetest.Event()))
					if j == 0 {
						close(began)
					}
				}
				done <- all
			}()
			<-began
			file := filepath.Join(t.TempDir(), fmt.Sprint(i))
			content, err := backups().Backup(t.Context(), at(database), file)
			if err != nil {
				t.Fatal(err)
			}
			if known := int64(writes*i + 1); content.Rows["agents"] < known {
				t.Errorf("%d agents of %d", content.Rows["agents"], known)
			}
			if content.Rows["audit_events"] != content.Rows["agents"] {
				t.Errorf("%d agents with %d audit events", content.Rows["agents"], content.Rows["audit_events"])
			}
			if err := <-done; err != nil {
				t.Error("the server could not write meanwhile:", err)
			}
		}
	})
}

// Another process may have the database open, such as sqlite3. Replacing the file would let both write.
func TestARestoreRefusesAFileThatIsOpenElsewhere(t *testing.T) {
	t.Parallel()
	database := with(t, storetest.SQLite(t), "before")
	other, err := sql.Open("sqlite", database)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got := texts(t, other, "SELECT name FROM agents"); len(got) != 1 { // keeps the connection
		t.Fatal(got)
	}
	_, err = backups().Restore(t.Context(), backupOf(t, "after", 0), at(database), true)
	code(t, err, rolebroker.CodeConflict, "another process has "+database+" open")
}

// A damaged database can be replaced, and is kept with its log.
func TestADamagedDatabaseCanBeReplaced(t *testing.T) {
	t.Parallel()
	database, file := with(t, storetest.SQLite(t), "before"), backupOf(t, "after", 0)
	damaged := []byte("this is not a database, and longer than the header of one, so that it is not taken for empty")
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(database+suffix, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := backups().Restore(t.Context(), file, at(database), false)
	code(t, err, rolebroker.CodeConflict, "is damaged or not of rolebroker")
	content, err := backups().Restore(t.Context(), file, at(database), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if kept, err := os.ReadFile(content.Kept + suffix); err != nil || string(kept) != string(damaged) {
			t.Errorf("%q, %v", kept, err)
		}
	}
	if found := names(t, database); !slices.Equal(found, []string{"after"}) {
		t.Error(found)
	}
}

// A backup that is damaged, or that a newer program made, is refused before anything is changed.
func TestABadBackupIsRefused(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		with(t, database, "before")
		file := backupOf(t, "after", 50)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(change func([]byte) []byte, want rolebroker.Code, part string) {
			t.Helper()
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.WriteFile(bad, change(slices.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := backups().Restore(t.Context(), bad, at(database), true)
			code(t, err, want, part)
		}
		refused(func(b []byte) []byte { return b[:len(b)/2] }, rolebroker.CodeInvalid, "bad")
		refused(func(b []byte) []byte { return nil }, rolebroker.CodeInvalid, "is not a backup of rolebroker")
		refused(func(b []byte) []byte {
			page := int(binary.BigEndian.Uint16(b[16:]))
			clear(b[len(b)-page:])
			return b
		}, rolebroker.CodeInvalid, "damaged")
		if found := names(t, database); !slices.Equal(found, []string{"before"}) {
			t.Error(found)
		}
		newer := filepath.Join(t.TempDir(), "newer")
		if err := os.WriteFile(newer, content, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", newer)
		if err == nil {
			_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)")
		}
		if err = errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		_, err = backups().Restore(t.Context(), newer, at(database), true)
		code(t, err, rolebroker.CodeUnavailable, "schema version 9999, which a newer rolebroker made")
	})
}

// additive matches statements that an earlier release can live with: what it does not know is new, or has a default. No
// statement names an index.
var additive = regexp.MustCompile(`(?s)^(CREATE TABLE |CREATE (UNIQUE )?INDEX |DROP INDEX |INSERT INTO |UPDATE ` +
	`|ALTER TABLE \w+ ADD COLUMN \w+ [A-Z]+( COLLATE "binary")?( NOT NULL DEFAULT .+| REFERENCES .+)?$)`)

// During an upgrade, servers of the release before go on with the new schema.
func TestMigrationsOnlyAdd(t *testing.T) {
	const first = "00013"
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	comment := regexp.MustCompile(`(?m)--.*$`)
	for _, file := range files {
		if filepath.Base(file) < first {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// An index may make room for another one of its name: no statement depends on it.
		replaced := regexp.MustCompile(`DROP INDEX (\w+);\s+CREATE (UNIQUE )?INDEX `)
		text = replaced.ReplaceAll(text, []byte("CREATE ${2}INDEX "))
		for st := range strings.SplitSeq(comment.ReplaceAllString(string(text), ""), ";") {
			if st = strings.Join(strings.Fields(st), " "); st != "" && !additive.MatchString(st) {
				t.Errorf("%s: an earlier release may not be able to go on after %s", file, st)
			}
		}
	}
}

// A server goes on while a newer one adds to the schema.
func TestAServerGoesOnDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	s := storetest.Open(t, database)
	createAgent(t, s, "before")
	newer := storetest.Open(t, database)
	for _, table := range []string{"agents", "integrations", "roles", "tokens", "sessions", "connections", "api_keys",
		"runners", "validations"} {
		if _, err := newer.DB().ExecContext(t.Context(), "ALTER TABLE "+table+
			" ADD COLUMN future TEXT NOT NULL DEFAULT 'x'"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 { // more than the connections of the pool, which have prepared statements
		name := fmt.Sprintf("agent%d", i)
		createAgent(t, s, name)
		if a, err := s.Agent(t.Context(), name); err != nil || a.Name != name {
			t.Fatal(err)
		}
	}
	if agents, err := s.Agents(t.Context(), rolebroker.Page{Limit: 100}); err != nil || len(agents) != 21 {
		t.Error(len(agents), err)
	}
}
