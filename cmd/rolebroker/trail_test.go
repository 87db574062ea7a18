package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// tamper alters the audit trail in the database that ROLEBROKER_DATABASE names, each time in another way, and checks
// that rolebroker audit verify names the event. After that it undoes the change.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "tamper KEYFILE")
	database := ts.Getenv("ROLEBROKER_DATABASE")
	driver, address := "pgx", database
	if !strings.HasPrefix(database, "postgres://") {
		driver, address = "sqlite", ts.MkAbs(database)+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, address)
	ts.Check(err)
	defer db.Close()
	run := func(text string) {
		if _, err := db.Exec(text); err != nil {
			ts.Fatalf("%s: %s", text, err)
		}
	}
	verify := func() error {
		return ts.Exec("rolebroker", "audit", "verify", "--database", database, "--audit-key", args[0])
	}
	var size, length int
	ts.Check(db.QueryRow(`SELECT MAX(sequence) + 1, MIN(LENGTH(record)) FROM audit_events`).Scan(&size, &length))
	set := func(sequence int, column, value string) string {
		return fmt.Sprintf(`UPDATE audit_events SET %s = %s WHERE sequence = %d`, column, value, sequence)
	}
	type change struct {
		do, undo, says string
	}
	var changes []change
	for _, at := range []int{1, 2, length / 3, length / 2, length - 1} { // one character of a record
		n := at % size
		var record string
		ts.Check(db.QueryRow(fmt.Sprintf(`SELECT record FROM audit_events WHERE sequence = %d`, n)).Scan(&record))
		quoted := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
		changes = append(changes, change{set(n, "record", quoted(record[:at-1]+"~"+record[at:])),
			set(n, "record", quoted(record)), fmt.Sprintf("event %d", n)})
		changes = append(changes, change{set(n, "record", quoted(record[:1]+" "+record[1:])),
			set(n, "record", quoted(record)), fmt.Sprintf("event %d .*altered", n)})
	}
	move := func(from, to int) string { return set(from, "sequence", fmt.Sprint(to)) }
	gone := size + 1000
	changes = append(changes,
		change{move(1, gone), move(gone, 1), "event 1: missing"},
		change{move(size-1, gone), move(gone, size-1), fmt.Sprintf("event %d: missing", size-1)},
		change{move(1, gone) + ";" + move(2, 1) + ";" + move(gone, 2), // two in another order
			move(1, gone) + ";" + move(2, 1) + ";" + move(gone, 2), "event (0|1|2)"},
		change{move(0, gone), move(gone, 0), "event 0: missing"})
	ts.Check(verify())
	for _, c := range changes {
		for _, text := range strings.Split(c.do, ";") {
			run(text)
		}
		err := verify()
		if said := ts.ReadFile("stderr"); err == nil || !regexp.MustCompile(c.says).MatchString(said) {
			ts.Fatalf("after %s, verify says %q, want %q", c.do, said, c.says)
		}
		for _, text := range strings.Split(c.undo, ";") {
			run(text)
		}
	}
	ts.Check(verify())
}

// killMidway changes things through the API with eight clients at once, kills the server with the ID in a file at a
// random moment, and writes the names of the agents whose creation was acknowledged to a file.
func killMidway(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 2, "kill-midway PIDFILE ACKNOWLEDGED")
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	c := adminClient(ts)
	var (
		mu    sync.Mutex
		names []string
		work  sync.WaitGroup
		last  = 50 + rand.N(250)
	)
	for n := range 8 {
		work.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("a%d-%d-%d", pid, n, i)
				if _, err := c.CreateAgent(context.Background(), api.AgentRequest{Name: name}); err != nil {
					return
				}
				mu.Lock()
				if names = append(names, name); len(names) == last {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
				mu.Unlock()
			}
		})
	}
	work.Wait()
	if len(names) < last {
		ts.Fatalf("the server acknowledged %d changes and was to be killed after %d", len(names), last)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(names, "\n")), 0o600))
}

// recorded checks that the audit trail has an event for each agent in a file.
func recorded(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "recorded ACKNOWLEDGED")
	created := map[string]bool{}
	for e, err := range adminClient(ts).AllAuditEvents(context.Background(), api.AuditFilter{Action: "agent.create"}) {
		ts.Check(err)
		created[e.Subjects[0].Name] = true
	}
	names := strings.Fields(ts.ReadFile(args[0]))
	for _, name := range names {
		if !created[name] {
			ts.Fatalf("the creation of %s was acknowledged and left no event", name)
		}
	}
	ts.Logf("%d acknowledged changes have their events", len(names))
}

func adminClient(ts *testscript.TestScript) *client.Client {
	key := regexp.MustCompile(`rbk_\w+`).FindString(ts.ReadFile("admin"))
	c, err := client.New(client.Options{URL: ts.Getenv("ROLEBROKER_URL"), Token: rolebroker.NewSecret(key)})
	ts.Check(err)
	return c
}

// emptyTrail deletes all events and checkpoints from the database that ROLEBROKER_DATABASE names, as its owner can:
// forgetting leaves what says how long the trail was, pretending moves its beginning as retention does, and thorough
// leaves nothing.
func emptyTrail(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "empty-trail forgetting|pretending|thorough")
	db, err := sql.Open("sqlite", ts.MkAbs(ts.Getenv("ROLEBROKER_DATABASE"))+"?_pragma=busy_timeout(10000)")
	ts.Check(err)
	defer db.Close()
	texts := []string{`DELETE FROM audit_subjects`, `DELETE FROM audit_events`, `DELETE FROM audit_checkpoints`}
	switch args[0] {
	case "pretending":
		texts = append(texts, `UPDATE audit_tree SET first_size = size, first_edge = edge`)
	case "thorough":
		texts = append(texts, `DELETE FROM audit_tree`)
	}
	for _, text := range texts {
		_, err := db.Exec(text)
		ts.Check(err)
	}
}
