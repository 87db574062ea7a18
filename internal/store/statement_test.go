package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

func TestEveryStatementIsPrepared(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		seen := map[string]bool{}
		for _, st := range store.Statements() {
			if seen[st.Name] {
				t.Errorf("two statements are called %s", st.Name)
			}
			seen[st.Name] = true
			if st.Postgres && !strings.HasPrefix(database, "postgres://") ||
				strings.HasPrefix(st.Text, "CREATE COLLATION") {
				continue // PostgreSQL does not prepare CREATE statements
			}
			prepared, err := s.DB().PrepareContext(t.Context(), st.Text)
			if err != nil {
				t.Errorf("%s: %v\n%s", st.Name, err, st.Text)
				continue
			}
			if err := prepared.Close(); err != nil {
				t.Errorf("%s: %v", st.Name, err)
			}
		}
	})
}

// manySessions inserts more sessions than a query should scan.
const manySessions = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
	INSERT INTO sessions (id, state, agent_id, agent_name, integration_id, integration_name, role_id, role_name,
		arn, region, task, session_name, token_id, requested_at, expires_at, access_key_id, request_id, failure, fetches,
		fetched_at)
	SELECT 'ses_' || i, 'active', 'agt_' || (i % 1000), 'agent' || (i % 1000),
		'int_' || (i % 100), 'integration' || (i % 100),
		'rol_' || (i % 500), 'role' || (i % 500), 'arn:aws:iam::' || (100000000000 + i % 50) || ':role/r' || (i % 500), 'eu-west-1',
		'', 's', 'tok_' || (i % 2000), 1740000000000 + i * 1000, 1740000000000 + i * 1000 + 3600000, '', '', '', 0, 0
	FROM n`

func TestListsOfSessionsUseAnIndex(t *testing.T) {
	t.Parallel()
	explain := map[string]string{"sqlite": "EXPLAIN QUERY PLAN ", "postgres": "EXPLAIN "}
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		engine, setup := "sqlite", []string{manySessions}
		if strings.HasPrefix(database, "postgres://") {
			// as autovacuum does; SQLite does not
			engine, setup = "postgres", append(setup, "ANALYZE sessions")
		}
		for _, sql := range setup {
			if _, err := s.DB().ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		for _, st := range store.Statements() {
			args, ok := argsOf(st)
			if !ok {
				continue
			}
			plan := planOf(t, s, explain[engine]+st.Text, args)
			for _, bad := range []string{"Seq Scan", "SCAN sessions\n", "USE TEMP B-TREE FOR ORDER BY\n"} {
				if strings.Contains(plan, bad) {
					t.Errorf("%s: %q in the plan:\n%s", st.Name, strings.TrimSpace(bad), plan)
				}
			}
		}
	})
}

// manyEvents inserts more audit events than a query should scan.
var manyEvents = []string{`
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO audit_events (id, at, sequence, hash, actor_id, actor_name, noun, action, outcome, record,
		token_id, address, request_id)
	SELECT 'evt_' || i, 1740000000000 + i, i, '', 'key_' || (i % 100), 'key' || (i % 100), 'noun' || (i % 10),
		'noun.verb' || (i % 50), CASE WHEN i % 100 = 0 THEN 'refused' ELSE 'done' END, '{}',
		'tok_' || (i % 200), '192.0.2.' || (i % 250), 'request' || i
	FROM n`,
	`INSERT INTO audit_subjects (subject, at, event_id) SELECT 'agent' || (at % 1000), at, id FROM audit_events`,
}

func TestListsOfAuditEventsUseAnIndex(t *testing.T) {
	t.Parallel()
	values := map[string]any{"s.subject": "agent7", "e.actor_id": "key_7", "e.actor_name": "key7", "e.noun": "noun7",
		"e.action": "noun.verb7", "e.token_id": "tok_7", "e.address": "192.0.2.7", "e.request_id": "request7"}
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		explain, setup := "EXPLAIN QUERY PLAN ", manyEvents
		if strings.HasPrefix(database, "postgres://") {
			explain, setup = "EXPLAIN ", append(slices.Clone(setup), "ANALYZE audit_events", "ANALYZE audit_subjects")
		}
		for _, sql := range setup {
			if _, err := s.DB().ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		lists := 0
		for _, st := range store.Statements() {
			columns, ok := strings.CutPrefix(st.Name, "listEvents")
			if !ok {
				continue
			}
			lists++
			args := []any{int64(1740000010000), "evt_10000", int64(0), 100}
			for column := range strings.FieldsSeq(columns) {
				if column != "refused" && column != "done" {
					args = append(args, values[column])
				}
			}
			plan := planOf(t, s, explain+st.Text, args)
			for _, bad := range []string{"Seq Scan", "SCAN e\n", "SCAN s\n", "USE TEMP B-TREE FOR ORDER BY\n"} {
				if strings.Contains(plan, bad) {
					t.Errorf("%s: %q in the plan:\n%s", st.Name, strings.TrimSpace(bad), plan)
				}
			}
		}
		if lists < 280 {
			t.Errorf("only %d lists were found", lists)
		}
	})
}

// manyCalls inserts more calls than a query should scan. Their IDs are in the order of i.
const manyCalls = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
	INSERT INTO calls (id, ended_at, agent_id, agent_name, token_id, address, integration_id, integration_name, role_id,
		role_name, role_arn, task, session_id, access_request_id, service, operation, actions, region, resources, level,
		decision, code, reason, times, status, request_id, bytes_in, bytes_out)
	SELECT 'cal_' || (100000 + i), 1, 'agt_' || (i % 1000), '', '', '', '', '', 'rol_' || (i % 500), '', '', '',
		'ses_' || (i % 5000), CASE WHEN i % 50 = 0 THEN 'req_' || (i % 200) ELSE '' END, 'service' || (i % 100),
		'Operation' || (i % 300), '', '', '', CASE WHEN i % 100 = 0 THEN 'write' ELSE 'read' END,
		CASE WHEN i % 100 = 1 THEN 'refused' ELSE 'allowed' END, '', '', 1, 200, '', 0, 0
	FROM n`

func TestListsOfCallsUseAnIndex(t *testing.T) {
	t.Parallel()
	values := map[string]any{"agent_id": "agt_7", "role_id": "rol_7", "session_id": "ses_7", "access_request_id": "req_50",
		"service": "service7", "operation": "Operation7", "level": "write", "decision": "allowed"}
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		explain, setup := "EXPLAIN QUERY PLAN ", []string{manyCalls}
		if strings.HasPrefix(database, "postgres://") {
			explain, setup = "EXPLAIN ", append(setup, "ANALYZE calls")
		}
		for _, sql := range setup {
			if _, err := s.DB().ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		lists := 0
		for _, st := range store.Statements() {
			var args []any
			switch columns, ok := strings.CutPrefix(st.Name, "listCalls"); {
			case ok:
				lists++
				args = []any{"cal_130000", "cal_100000", 100}
				for column := range strings.FieldsSeq(columns) {
					args = append(args, valueOf(values, column)...)
				}
			case st.Name == "deleteCalls":
				args = []any{"cal_100100", 100}
			case st.Name == "callsFrom":
				args = []any{"cal_100100", "cal_100200", 100}
			case st.Name == "firstCall":
			default:
				continue
			}
			plan := planOf(t, s, explain+st.Text, args)
			for _, bad := range []string{"Seq Scan", "SCAN calls\n", "USE TEMP B-TREE FOR ORDER BY\n"} {
				if strings.Contains(plan, bad) && !strings.Contains(plan, "Seq Scan on call_digests") {
					t.Errorf("%s: %q in the plan:\n%s", st.Name, strings.TrimSpace(bad), plan)
				}
			}
		}
		if lists < 300 {
			t.Errorf("only %d lists were found", lists)
		}
	})
}

// valueOf is the value that a column is compared with, for a column that is.
func valueOf(values map[string]any, column string) []any {
	if value, ok := values[column]; ok {
		return []any{value}
	}
	return nil
}

// argsOf returns the arguments for a page in the middle, of a statement that
// reads or deletes many sessions.
func argsOf(st store.Statement) (args []any, ok bool) {
	columns, ok := strings.CutPrefix(st.Name, "listSessions")
	if !ok {
		return []any{int64(1740000000000), 100}, st.Name == "deleteSessions"
	}
	args = []any{int64(1740020000000), "ses_20000", int64(0), int64(0), "", 100}
	for column := range strings.FieldsSeq(columns) {
		if column == "oldest" {
			args[2] = int64(1740040000000)
			continue
		}
		value := map[string]string{"agent_id": "agt_7", "agent_name": "agent7", "integration_id": "int_7",
			"integration_name": "integration7", "role_id": "rol_7", "role_name": "role7",
			"arn": "arn:aws:iam::100000000007:role/r7", "token_id": "tok_7", "substr": "100000000007"}[column]
		args = append(args, value)
	}
	return args, true
}

func planOf(t *testing.T, s *store.Store, sql string, args []any) string {
	t.Helper()
	rows, err := s.DB().QueryContext(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, values[len(values)-1])
	}
	return plan.String()
}

// manyFailing inserts more integrations than an overview should scan. Some of them fail.
const (
	theirExternalIDs = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO external_ids (value, reserved_at) SELECT 'external' || i, 0 FROM n`
	manyFailing = `
	WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO integrations (id, name, description, assumption_mode, external_id, session_tags, source_identity,
		version, created_at, updated_at, enabled, status, failing_since)
	SELECT 'int_' || i, 'integration' || i, '', 'platform', 'external' || i, TRUE, TRUE, 1, 0, 0, TRUE,
		CASE WHEN i % 20 = 0 THEN 'failed' ELSE 'assumable' END, i
	FROM n`
)

func TestTheNewestTroublesUseAnIndex(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		explain, setup := "EXPLAIN QUERY PLAN ", []string{theirExternalIDs, manyFailing}
		if strings.HasPrefix(database, "postgres://") {
			explain, setup = "EXPLAIN ", append(setup, "ANALYZE integrations")
		}
		for _, sql := range setup {
			if _, err := s.DB().ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		for _, st := range store.Statements() {
			args := map[string][]any{"troubledRoles": {50, 1000}, "countTroubled": {}}[st.Name]
			if args == nil {
				continue
			}
			index := map[string]string{"troubledRoles": "integrations_failing", "countTroubled": "integrations_"}[st.Name]
			if plan := planOf(t, s, explain+st.Text, args); !strings.Contains(plan, index) {
				t.Errorf("%s does not use the index:\n%s", st.Name, plan)
			}
		}
	})
}
