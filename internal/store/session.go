package store

import (
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

const sessionColumns = `id, state, agent_id, agent_name, integration_id, integration_name, role_id, role_name,
	arn, region, task, session_name, requested_at, expires_at, access_key_id, request_id, failure, fetches, fetched_at,
	runner, runner_id, ended_at, ended_by, namespace, service_account, pod, token_id,
	access_request_id, access, narrowed, address, keys`

var (
	insertSession = newStatement("insertSession", `
		INSERT INTO sessions (`+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
			$24, $25, $26, $27, $28, $29, $30, $31, $32)
		ON CONFLICT (id) DO NOTHING`)

	sessionByID = newStatement("sessionByID", `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`)

	finishSession = newStatement("finishSession", `
		UPDATE sessions SET state = $2, expires_at = $3, access_key_id = $4, request_id = $5, failure = $6
		WHERE id = $1 AND runner_id = $7 AND state = 'requested'`)

	countFetches = newBatch("countFetch", `
		WITH fetched (id, count, last, runner) AS (VALUES ROWS)
		UPDATE sessions SET
			fetches = CASE WHEN sessions.fetches < 4611686018427387904
				THEN sessions.fetches + fetched.count ELSE sessions.fetches END,
			fetched_at = CASE WHEN sessions.fetched_at < fetched.last THEN fetched.last ELSE sessions.fetched_at END
		FROM fetched WHERE sessions.id = fetched.id AND sessions.runner_id = fetched.runner`,
		`(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT))`)

	firstLike = newStatement("firstLike", `
		SELECT `+sessionColumns+` FROM sessions
		WHERE agent_id = $1 AND integration_id = $2 AND role_id = $3 AND arn = $4 AND session_name = $5 AND runner_id = $6
		ORDER BY requested_at, id LIMIT 1`)

	countOutstanding = newStatement("countOutstanding", `
		SELECT COUNT(*) FROM (
			SELECT 1 FROM sessions WHERE runner_id = $1 AND state = 'requested' AND runner_id <> '' AND expires_at > $2
			LIMIT $3) AS outstanding`)

	accountRole = newStatement("accountRole", `SELECT 1 FROM roles WHERE `+accountColumn+` = $1 LIMIT 1`)

	deleteSessions = newStatement("deleteSessions", `
		DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`)

	listSessions = sync.OnceValue(sessionLists)
)

// sessionFilterColumns are the columns that a filter compares, depending on the
// form of its texts. An empty column is not compared. The column of is that of the
// integration in integration/role, if the filter names an integration besides.
type sessionFilterColumns struct {
	agent, integration, of, role, began, account string
	oldest                                       bool // the list begins with the oldest
}

// accountColumn is the account in the ARN, as the index sessions_account has it.
const accountColumn = `substr(ltrim(arn, 'abcdefghijklmnopqrstuvwxyz-:'), 1, 12)`

// sessionLists makes a statement for each combination of columns to filter by,
// so that each can use its index.
//
// $1 and $2 are the key after which the list begins, $3 is the bound of
// requested_at at its other end, $4 is the lower bound of expires_at, $5 is the
// state to leave out, and $6 is the limit. The values of the filter follow.
func sessionLists() map[sessionFilterColumns]*statement {
	lists := map[sessionFilterColumns]*statement{}
	for _, columns := range roleFilterColumns() {
		for _, columns.agent = range []string{"", "agent_id", "agent_name"} {
			for _, columns.began = range []string{"", "token_id", "access_request_id"} {
				for _, columns.account = range []string{"", accountColumn} {
					for _, columns.oldest = range []bool{false, true} {
						lists[columns] = columns.statement()
					}
				}
			}
		}
	}
	return lists
}

// roleFilterColumns are the combinations of columns of an integration and a role.
func roleFilterColumns() (all []sessionFilterColumns) {
	for _, integration := range []string{"", "integration_id", "integration_name"} {
		for _, role := range []string{"", "role_id", "role_name", "arn"} {
			all = append(all, sessionFilterColumns{integration: integration, role: role})
		}
		if integration == "" { // then integration/role compares this column
			continue
		}
		for _, of := range []string{"integration_id", "integration_name"} {
			for _, role := range []string{"role_id", "role_name"} {
				all = append(all, sessionFilterColumns{integration: integration, of: of, role: role})
			}
		}
	}
	return all
}

func (c sessionFilterColumns) statement() *statement {
	name, where, next := "listSessions", "", 7
	for _, column := range []string{c.agent, c.integration, c.of, c.role, c.began, c.account} {
		if column != "" {
			label, _, _ := strings.Cut(column, "(")
			name += " " + label
			where += " AND " + column + " = $" + strconv.Itoa(next)
			next++
		}
		if column == "access_request_id" { // for the planner to use the index
			where += " AND access_request_id <> ''"
		}
	}
	if c.oldest {
		return newStatement(name+" oldest", `
			SELECT `+sessionColumns+` FROM sessions
			WHERE (requested_at, id) > ($1, $2) AND requested_at < $3 AND expires_at > $4 AND state <> $5`+where+`
			ORDER BY requested_at, id LIMIT $6`)
	}
	return newStatement(name, `
		SELECT `+sessionColumns+` FROM sessions
		WHERE (requested_at, id) < ($1, $2) AND requested_at >= $3 AND expires_at > $4 AND state <> $5`+where+`
		ORDER BY requested_at DESC, id DESC LIMIT $6`)
}

// RecordSession stores a new session with its event. It leaves a session that is
// stored already as it is, whatever its state, and stores no event, because a
// runner may report one twice. Codes: conflict (a different session has the ID).
func (s *Store) RecordSession(ctx context.Context, se *rolebroker.Session, event rolebroker.AuditEvent) error {
	stored, err := s.runTogether(ctx, event, insertSession, se.ID, se.State, clean(se.Agent), clean(se.AgentName),
		clean(se.Integration), clean(se.IntegrationName), clean(se.Role), clean(se.RoleName), se.ARN.String(),
		clean(se.Region), clean(se.Task), clean(se.SessionName), millis(se.RequestedAt), millis(se.ExpiresAt),
		clean(se.AccessKeyID), clean(se.RequestID), clean(se.Failure), se.Fetches, millis(se.FetchedAt),
		clean(se.Runner), se.RunnerID, millis(se.EndedAt), clean(se.EndedBy), clean(se.Workload.Namespace),
		clean(se.Workload.ServiceAccount), clean(se.Workload.Pod), clean(se.Token), clean(se.AccessRequest),
		clean(se.Access), se.Narrowed, clean(se.Address), clean(se.Keys))
	if err != nil || stored > 0 {
		return err
	}
	before, err := s.Session(ctx, se.ID)
	if err == nil && constant(before) != constant(se) {
		return rolebroker.Errorf(rolebroker.CodeConflict, "another session has the ID %s already", se.ID)
	}
	return err
}

// constant returns the fields of a session that tell it from others, as they are stored.
func constant(se *rolebroker.Session) rolebroker.Session {
	return rolebroker.Session{ID: se.ID, Agent: clean(se.Agent), AgentName: clean(se.AgentName),
		Integration: clean(se.Integration), IntegrationName: clean(se.IntegrationName), Role: clean(se.Role),
		RoleName: clean(se.RoleName), ARN: se.ARN, Region: clean(se.Region), Runner: clean(se.Runner),
		RunnerID: se.RunnerID, Task: clean(se.Task), SessionName: clean(se.SessionName),
		Token: clean(se.Token), AccessRequest: clean(se.AccessRequest), RequestedAt: stored(se.RequestedAt),
		Access: clean(se.Access), Narrowed: se.Narrowed,
		Workload: rolebroker.Workload{Namespace: clean(se.Workload.Namespace),
			ServiceAccount: clean(se.Workload.ServiceAccount), Pod: clean(se.Workload.Pod)}}
}

// Session returns a session by ID. Codes: not_found.
func (s *Store) Session(ctx context.Context, id rolebroker.SessionID) (*rolebroker.Session, error) {
	found, err := s.sessions(ctx, sessionByID, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("session", string(id))
	}
	return &found[0], nil
}

// FinishSession stores State, ExpiresAt, AccessKeyID, RequestID and Failure of a
// session of the same RunnerID, with the event. The same outcome again changes
// nothing, and stores no event. Codes: not_found, conflict (it has another outcome).
func (s *Store) FinishSession(ctx context.Context, se *rolebroker.Session, event rolebroker.AuditEvent) error {
	finished, err := s.runTogether(ctx, event, finishSession, clean(se.ID), se.State, millis(se.ExpiresAt),
		clean(se.AccessKeyID), clean(se.RequestID), clean(se.Failure), se.RunnerID)
	if err != nil || finished > 0 {
		return err
	}
	before, err := s.Session(ctx, se.ID)
	switch {
	case err != nil:
		return err
	case before.RunnerID != se.RunnerID:
		return notFound("session", string(se.ID))
	case before.State != se.State || before.AccessKeyID != clean(se.AccessKeyID) ||
		!before.ExpiresAt.Equal(stored(se.ExpiresAt)):
		return rolebroker.Errorf(rolebroker.CodeConflict, "the session %s has another outcome already", se.ID)
	}
	return nil
}

// CountOutstanding counts the sessions of a runner that have no outcome and may still be live at a time, up to most.
func (s *Store) CountOutstanding(
	ctx context.Context, runner rolebroker.RunnerID, at time.Time, most int,
) (n int, err error) {
	err = s.query(ctx, countOutstanding, func(scan scan) error { return scan(&n) }, runner, millis(at), most)
	return n, err
}

// FirstLike returns the oldest session with the agent, integration, role, ARN,
// session name and RunnerID of se. Codes: not_found.
func (s *Store) FirstLike(ctx context.Context, se *rolebroker.Session) (*rolebroker.Session, error) {
	found, err := s.sessions(ctx, firstLike, clean(se.Agent), clean(se.Integration), clean(se.Role), se.ARN.String(),
		clean(se.SessionName), se.RunnerID)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("session like", string(se.ID))
	}
	return &found[0], nil
}

// RecordFetches adds to the sessions' Fetches and moves FetchedAt forward. It
// ignores sessions that are unknown or of another RunnerID.
func (s *Store) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	sums := map[rolebroker.SessionID]rolebroker.Fetch{} // one UPDATE changes each row once only
	for _, f := range fetches {
		sum := sums[f.Session]
		sum.Runner = f.Runner
		if sum.Count += f.Count; f.Last.After(sum.Last) {
			sum.Last = f.Last
		}
		sums[f.Session] = sum
	}
	var rows [][]any
	for _, id := range slices.Sorted(maps.Keys(sums)) { // always in the same order, against deadlocks
		if storableText(string(id)) {
			rows = append(rows, []any{id, sums[id].Count, millis(sums[id].Last), sums[id].Runner})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error { return tx.execBatch(ctx, countFetches, rows) })
}

// Sessions lists sessions, newest first: by RequestedAt, then ID, both descending.
// Sorted by rolebroker.SortCreated, the list is turned round.
//
// A filter's text matches IDs if it has the form of an ID, ARNs if it is a role's
// and has the form of an ARN, and names otherwise. Both parts of integration/role do
// so. LiveAt leaves out sessions that
// were requested more than a day earlier, because no credentials live that long.
// Codes: invalid (the cursor).
func (s *Store) Sessions(ctx context.Context, filter rolebroker.SessionFilter,
	page rolebroker.Page) ([]rolebroker.Session, error) {
	oldest := page.Sort == rolebroker.SortCreated
	requested, id, ok := sessionKey(page.After)
	if !ok {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the cursor is not one of a list of sessions")
	}
	since, until := between(filter)
	end := since
	switch {
	case oldest && (page.After == "" || requested < since):
		requested, id, end = since, "", until
	case oldest:
		end = until
	case until <= requested:
		requested, id = until, ""
	}
	expires, except := int64(math.MinInt64), rolebroker.SessionState("")
	if !filter.LiveAt.IsZero() {
		expires, except = millis(filter.LiveAt), rolebroker.SessionFailed
	}
	columns, values := filterColumns(filter)
	columns.oldest = oldest
	args := append([]any{requested, id, end, expires, except, max(page.Limit, 0)}, values...)
	return s.sessions(ctx, listSessions()[columns], args...)
}

// sessionKey parses a SessionCursor. The empty cursor is after the latest
// possible session.
func sessionKey(cursor string) (requested int64, id string, ok bool) {
	if cursor == "" {
		return math.MaxInt64, "", true
	}
	ms, id, found := strings.Cut(cursor, ".")
	requested, err := strconv.ParseInt(ms, 10, 64)
	return requested, id, found && err == nil && storableText(id)
}

// between returns when the sessions that a filter selects were requested: from since on, and before until.
func between(f rolebroker.SessionFilter) (since, until int64) {
	since, until = math.MinInt64, math.MaxInt64
	if !f.Since.IsZero() {
		since = millis(f.Since)
	}
	if !f.Until.IsZero() {
		until = millis(f.Until)
	}
	if !f.LiveAt.IsZero() {
		since = max(since, millis(f.LiveAt.Add(-2*rolebroker.MaxSessionDuration)))
	}
	return since, until
}

// filterColumns returns the columns to compare and the values to compare them
// with.
func filterColumns(f rolebroker.SessionFilter) (columns sessionFilterColumns, values []any) {
	compare := func(text, column string) string {
		if text == "" {
			return ""
		}
		values = append(values, text)
		return column
	}
	named := func(text, id, name string) string {
		if rolebroker.IsID(text) {
			name = id
		}
		return compare(text, name)
	}
	columns.agent = named(f.Agent, "agent_id", "agent_name")
	columns.integration = named(f.Integration, "integration_id", "integration_name")
	integration, role, qualified := strings.Cut(f.Role, "/")
	switch {
	case strings.HasPrefix(f.Role, "arn:"): // no name has a colon
		columns.role = compare(f.Role, "arn")
	case qualified && integration != "" && role != "":
		of := &columns.integration
		if *of != "" {
			of = &columns.of
		}
		*of = named(integration, "integration_id", "integration_name")
		columns.role = named(role, "role_id", "role_name")
	default:
		columns.role = named(f.Role, "role_id", "role_name")
	}
	columns.began = compare(string(f.Token), "token_id")
	if f.Token == "" {
		columns.began = compare(string(f.Request), "access_request_id")
	}
	columns.account = compare(f.Account, accountColumn)
	return columns, values
}

func (s *Store) sessions(ctx context.Context, st *statement, args ...any) ([]rolebroker.Session, error) {
	var found []rolebroker.Session
	err := s.query(ctx, st, func(scan scan) error {
		var se rolebroker.Session
		err := scanSession(scan, &se)
		if err != nil {
			return err
		}
		found = append(found, se)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scanSession reads sessionColumns.
func scanSession(scan scan, se *rolebroker.Session) error {
	return scan(&se.ID, &se.State, &se.Agent, &se.AgentName, &se.Integration, &se.IntegrationName, &se.Role,
		&se.RoleName, arnColumn{&se.ARN}, &se.Region, &se.Task, &se.SessionName, timeColumn{&se.RequestedAt},
		timeColumn{&se.ExpiresAt}, &se.AccessKeyID, &se.RequestID, &se.Failure, &se.Fetches,
		timeColumn{&se.FetchedAt}, &se.Runner, &se.RunnerID, timeColumn{&se.EndedAt}, &se.EndedBy,
		&se.Workload.Namespace, &se.Workload.ServiceAccount, &se.Workload.Pod, &se.Token, &se.AccessRequest,
		&se.Access, &se.Narrowed, &se.Address, &se.Keys)
}

// HasAccount reports whether an integration has a role in an AWS account.
func (s *Store) HasAccount(ctx context.Context, account string) (has bool, err error) {
	err = s.query(ctx, accountRole, func(scan scan) error {
		var one int
		has = true
		return scan(&one)
	}, account)
	return has, err
}

// DeleteSessions deletes at most limit sessions that expired before the time, and
// returns their number.
func (s *Store) DeleteSessions(ctx context.Context, expiredBefore time.Time, limit int) (int, error) {
	deleted, err := s.run(ctx, deleteSessions, millis(expiredBefore), max(limit, 0))
	return int(deleted), err
}
