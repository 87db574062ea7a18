package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// crashDatabase is the environment variable that turns this test binary into a
// program that writes to the named database until it is killed.
const crashDatabase = "ROLEBROKER_STORE_TEST_CRASH_DATABASE"

const crashWrites = 500

// writeUntilKilled is that program. It prints what it stored.
func writeUntilKilled() {
	database := os.Getenv(crashDatabase)
	if database == "" {
		return
	}
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s, err := store.Open(context.Background(), store.Options{Database: database})
	for i := 0; err == nil && i < crashWrites; i++ {
		err = writeOne(s, i)
	}
	if err != nil {
		fmt.Println("error", err, rolebroker.AsError(err).Cause)
	}
	select {} // until it is killed
}

// writeOne stores an integration, an agent that is connected to it and asks for
// access, or a session, and prints what it stored.
func writeOne(s *store.Store, i int) error {
	ctx, now := context.Background(), time.Now()
	switch i % 3 {
	case 0:
		in := crashIntegration(i)
		if err := s.ReserveExternalID(ctx, rolebroker.NewReservationID(), in.ExternalID, now,
			storetest.Event()); err != nil {
			return err
		}
		return acknowledge(s.CreateIntegration(ctx, in, storetest.Event()), "integration", in.Name)
	case 1:
		in, err := s.Integration(ctx, fmt.Sprintf("integration%d", i-1))
		if err != nil {
			return err
		}
		a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: fmt.Sprintf("agent%d", i), DefaultIntegration: in.ID,
			Version: 1, Connections: []rolebroker.Connection{rolebroker.NewConnection(in, now)}, CreatedAt: now}
		if err := acknowledge(s.CreateAgent(ctx, a, storetest.Event()), "agent", a.Name); err != nil {
			return err
		}
		return askOne(s, a, in, now)
	}
	se := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested, RequestedAt: now,
		ExpiresAt: now.Add(time.Hour)}
	if err := acknowledge(s.RecordSession(ctx, se, se.BeginEvent(now)), "requested", string(se.ID)); err != nil {
		return err
	}
	se.State = rolebroker.SessionActive
	return acknowledge(s.FinishSession(ctx, se, se.OutcomeEvent(now)), "active", string(se.ID))
}

// askOne stores an access request of the agent, and its approval.
func askOne(s *store.Store, a *rolebroker.Agent, in *rolebroker.Integration, now time.Time) error {
	ctx := context.Background()
	r := &rolebroker.AccessRequest{ID: rolebroker.NewAccessRequestID(), About: rolebroker.ApprovalBorrow,
		Agent: a.ID, AgentName: a.Name,
		Integration: in.ID, Role: in.Roles[0].ID, Access: rolebroker.AccessFull, Duration: time.Hour, CreatedAt: now,
		ExpiresAt: now.Add(time.Hour)}
	_, err := s.CreateAccessRequest(ctx, r, storetest.Event())
	if err := acknowledge(err, "asked", string(r.ID)); err != nil {
		return err
	}
	approved, err := r.Approve(rolebroker.ApprovalTerms{}, now)
	if err != nil {
		return err
	}
	return acknowledge(s.DecideAccessRequest(ctx, &approved, storetest.Event()), "approved", string(r.ID))
}

func crashIntegration(i int) *rolebroker.Integration {
	in := &rolebroker.Integration{ID: rolebroker.NewIntegrationID(), Name: fmt.Sprintf("integration%d", i),
		Enabled: true, Version: 1,
		AssumptionMode: rolebroker.ModePlatform, ExternalID: fmt.Sprintf("external%d", i), DefaultRole: "role0"}
	for j := range 3 {
		in.Roles = append(in.Roles, rolebroker.Role{ID: rolebroker.NewRoleID(), Name: fmt.Sprintf("role%d", j),
			Enabled: true, Region: "eu-west-1", ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666",
				Path: "/", Name: "ReadOnly"}})
	}
	return in
}

func acknowledge(err error, kind, name string) error {
	if err == nil {
		_, err = fmt.Println(kind, name)
	}
	return err
}

// killMidway starts the program, calls crash after a random number of writes,
// kills the program, and returns the lines that it printed.
func killMidway(t *testing.T, database string, crash func()) (acknowledged []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), crashDatabase+"="+database)
	input, inErr := child.StdinPipe()
	output, outErr := child.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	last := crashWrites/5 + rand.N(crashWrites/2)
	t.Logf("killed after %d lines", last)
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) || strings.HasPrefix(line, "error") {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, strings.TrimSpace(line))
		if len(acknowledged) == last {
			crash()
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Process.Kill() // if it stopped writing because its database was gone
	_ = child.Wait()
	if len(acknowledged) < last {
		t.Fatalf("it acknowledged only %d writes", len(acknowledged))
	}
	return acknowledged
}

// survived checks that everything acknowledged is stored, and nothing in part.
func survived(t *testing.T, database string, acknowledged []string) {
	t.Helper()
	s := storetest.Open(t, database)
	states := map[string]rolebroker.SessionState{}
	sessions, err := s.Sessions(t.Context(), rolebroker.SessionFilter{}, rolebroker.Page{Limit: 10 * crashWrites})
	if err != nil {
		t.Fatal(err)
	}
	for _, se := range sessions {
		states[string(se.ID)] = se.State
	}
	for _, line := range acknowledged {
		kind, name, _ := strings.Cut(line, " ")
		var err error
		switch kind {
		case "integration":
			_, err = s.Integration(t.Context(), name)
		case "agent":
			_, err = s.Agent(t.Context(), name)
		case "asked":
			_, err = s.AccessRequest(t.Context(), rolebroker.AccessRequestID(name))
		case "approved":
			var r *rolebroker.AccessRequest
			if r, err = s.AccessRequest(t.Context(), rolebroker.AccessRequestID(name)); err == nil &&
				r.Decision != rolebroker.DecisionApproved {
				err = fmt.Errorf("it is %q", r.Decision)
			}
		case "requested":
			if states[name] == "" {
				err = errors.New("it is missing")
			}
		case "active":
			if states[name] != rolebroker.SessionActive {
				err = fmt.Errorf("it is %q", states[name])
			}
		}
		if err != nil {
			t.Errorf("%s was acknowledged: %v", line, err)
		}
	}
	consistent(t, s)
}

func consistent(t *testing.T, s *store.Store) {
	t.Helper()
	integrations, err := s.Integrations(t.Context(), rolebroker.Page{Limit: crashWrites})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range integrations {
		if len(in.Roles) != 3 || in.DefaultRole != "role0" {
			t.Errorf("integration %s has %d roles and the default %q", in.Name, len(in.Roles), in.DefaultRole)
		}
	}
	agents, err := s.Agents(t.Context(), rolebroker.Page{Limit: crashWrites})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		if len(a.Connections) != 1 || a.DefaultIntegration != a.Connections[0].Integration {
			t.Errorf("agent %s is incomplete: %+v", a.Name, a)
		}
	}
	createAgent(t, s, "after-the-crash")
}

func TestKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		acknowledged := killMidway(t, database, func() {})
		survived(t, database, acknowledged)
		if strings.HasPrefix(database, "postgres://") {
			return
		}
		s, err := store.Open(t.Context(), store.Options{Database: database, LockWait: time.Nanosecond})
		if err == nil {
			t.Fatal("the lock is not held by the store that is open:", s.Close())
		}
	})
}

func TestSQLiteIsSoundAfterAKill(t *testing.T) {
	t.Parallel()
	database := engines["sqlite"](t)
	killMidway(t, database, func() {})
	s := storetest.Open(t, database)
	var verdict string
	if err := s.DB().QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil ||
		verdict != "ok" {
		t.Errorf("%s, %v", verdict, err)
	}
	rows, err := s.DB().QueryContext(t.Context(), "PRAGMA foreign_key_check")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() || rows.Err() != nil {
		t.Error("a reference does not hold:", rows.Err())
	}
}

func TestCrashedPostgresLosesNothing(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	database := server.Database(t)
	acknowledged := killMidway(t, database, func() { server.Crash(t) })
	server.Start(t)
	survived(t, database, acknowledged)
}
