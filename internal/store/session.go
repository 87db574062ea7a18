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

const sessionColumns = `id, state, agent_id, agent_name, integration_id, integration_name, role_id, role_name, arn, region,
	task, session_name, requested_at, expires_at, access_key_id, request_id, failure, fetches, fetched_at, runner`

var (
	insertSession = newStatement("insertSession", `
		INSERT INTO sessions (`+sessionColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (id) DO NOTHING`)

	sessionByID = newStatement("sessionByID", `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`)

	finishSession = newStatement("finishSession", `
		UPDATE sessions SET state = $2, expires_at = $3, access_key_id = $4, request_id = $5, failure = $6
		WHERE id = $1 AND runner = $7`)

	countFetches = newBatch("countFetch", `
		WITH fetched (id, count, last, runner) AS (VALUES ROWS)
		UPDATE sessions SET
			fetches = CASE WHEN sessions.fetches < 4611686018427387904 THEN sessions.fetches + fetched.count ELSE sessions.fetches END,
			fetched_at = CASE WHEN sessions.fetched_at < fetched.last THEN fetched.last ELSE sessions.fetched_at END
		FROM fetched WHERE sessions.id = fetched.id AND sessions.runner = fetched.runner`,
		`(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT))`)

	firstLike = newStatement("firstLike", `
		SELECT `+sessionColumns+` FROM sessions
		WHERE agent_id = $1 AND integration_id = $2 AND role_id = $3 AND arn = $4 AND session_name = $5 AND runner = $6
		ORDER BY requested_at, id LIMIT 1`)

	deleteSessions = newStatement("deleteSessions", `
		DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`)

	listSessions = sync.OnceValue(sessionLists)
)

// sessionFilterColumns are where a filter looks, by what its texts are; "" means that
// it does not look.
type sessionFilterColumns struct{ agent, integration, role string }

// sessionLists is a statement for each combination of columns to filter by,
// so that each finds its index.
//
// $1 and $2 are the key that the list comes after, $3 and $4 bound
// requested_at and expires_at, $5 is the state to leave out, $6 the limit, and
// what is looked for follows.
func sessionLists() map[sessionFilterColumns]*statement {
	lists := map[sessionFilterColumns]*statement{}
	for _, agent := range []string{"", "agent_id", "agent_name"} {
		for _, integration := range []string{"", "integration_id", "integration_name"} {
			for _, role := range []string{"", "role_id", "role_name", "arn"} {
				columns := sessionFilterColumns{agent, integration, role}
				lists[columns] = columns.statement()
			}
		}
	}
	return lists
}

func (c sessionFilterColumns) statement() *statement {
	name, where, next := "listSessions", "", 7
	for _, column := range []string{c.agent, c.integration, c.role} {
		if column != "" {
			name += " " + column
			where += " AND " + column + " = $" + strconv.Itoa(next)
			next++
		}
	}
	return newStatement(name, `
		SELECT `+sessionColumns+` FROM sessions
		WHERE (requested_at, id) < ($1, $2) AND requested_at >= $3 AND expires_at > $4 AND state <> $5`+where+`
		ORDER BY requested_at DESC, id DESC LIMIT $6`)
}

// RecordSession stores a new session, durably. One that is stored already is
// left as it is, however far it came: a runner may tell it twice. Codes:
// conflict (another session has the ID).
func (s *Store) RecordSession(ctx context.Context, se *rolebroker.Session) error {
	stored, err := s.run(ctx, insertSession, se.ID, se.State, clean(se.Agent), clean(se.AgentName), clean(se.Integration),
		clean(se.IntegrationName), clean(se.Role), clean(se.RoleName), se.ARN.String(), clean(se.Region), clean(se.Task),
		clean(se.SessionName), millis(se.RequestedAt), millis(se.ExpiresAt), clean(se.AccessKeyID), clean(se.RequestID),
		clean(se.Failure), se.Fetches, millis(se.FetchedAt), clean(se.Runner))
	if err != nil || stored > 0 {
		return err
	}
	before, err := s.Session(ctx, se.ID)
	if err == nil && request(before) != request(se) {
		return rolebroker.Errorf(rolebroker.CodeConflict, "another session has the ID %s already", se.ID)
	}
	return err
}

// request is what of a session never changes, as it is stored.
func request(se *rolebroker.Session) rolebroker.Session {
	return rolebroker.Session{ID: se.ID, Agent: clean(se.Agent), AgentName: clean(se.AgentName), Integration: clean(se.Integration),
		IntegrationName: clean(se.IntegrationName), Role: clean(se.Role), RoleName: clean(se.RoleName), ARN: se.ARN, Region: clean(se.Region),
		Runner: clean(se.Runner), Task: clean(se.Task), SessionName: clean(se.SessionName), RequestedAt: stored(se.RequestedAt)}
}

// Session finds one by ID. Codes: not_found.
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

// FinishSession stores State, ExpiresAt, AccessKeyID, RequestID and Failure of
// a session that the same Runner recorded. Codes: not_found.
func (s *Store) FinishSession(ctx context.Context, se *rolebroker.Session) error {
	finished, err := s.run(ctx, finishSession, clean(se.ID), se.State, millis(se.ExpiresAt), clean(se.AccessKeyID),
		clean(se.RequestID), clean(se.Failure), clean(se.Runner))
	if err == nil && finished == 0 {
		return notFound("session", string(se.ID))
	}
	return err
}

// FirstLike finds the oldest session on record of the same agent, integration,
// role, ARN, session name and Runner as se. Codes: not_found.
func (s *Store) FirstLike(ctx context.Context, se *rolebroker.Session) (*rolebroker.Session, error) {
	found, err := s.sessions(ctx, firstLike, clean(se.Agent), clean(se.Integration), clean(se.Role), se.ARN.String(), clean(se.SessionName), clean(se.Runner))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("session like", string(se.ID))
	}
	return &found[0], nil
}

// RecordFetches adds to the sessions' Fetches and moves FetchedAt forward.
// Sessions that are unknown, or another Runner's, are ignored.
func (s *Store) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	sums := map[rolebroker.SessionID]rolebroker.Fetch{} // a statement changes each row once
	for _, f := range fetches {
		sum := sums[f.Session]
		sum.Runner = f.Runner
		if sum.Count += f.Count; f.Last.After(sum.Last) {
			sum.Last = f.Last
		}
		sums[f.Session] = sum
	}
	var rows [][]any
	for _, id := range slices.Sorted(maps.Keys(sums)) { // in one order everywhere, against deadlocks
		if storableText(string(id)) {
			rows = append(rows, []any{id, sums[id].Count, millis(sums[id].Last), clean(sums[id].Runner)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error { return tx.execBatch(ctx, countFetches, rows) })
}

// Sessions lists newest first: by RequestedAt, then ID, both descending.
//
// A filter's text that has the form of an ID, or for a role of an ARN, is
// taken as one, and as a name otherwise. With LiveAt, sessions are left out
// that were requested more than a day before: no credentials live that long.
func (s *Store) Sessions(ctx context.Context, filter rolebroker.SessionFilter, page rolebroker.Page) ([]rolebroker.Session, error) {
	requested, id, ok := sessionKey(page.After)
	if !ok {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the cursor is not one of a list of sessions")
	}
	args := append([]any{requested, id}, liveness(filter.LiveAt)...)
	args = append(args, max(page.Limit, 0))
	columns, sought := filterColumns(filter)
	return s.sessions(ctx, listSessions()[columns], append(args, sought...)...)
}

// sessionKey takes a SessionCursor apart; the start is after the latest
// possible session.
func sessionKey(cursor string) (requested int64, id string, ok bool) {
	if cursor == "" {
		return math.MaxInt64, "", true
	}
	ms, id, found := strings.Cut(cursor, ".")
	requested, err := strconv.ParseInt(ms, 10, 64)
	return requested, id, found && err == nil && storableText(id)
}

// liveness is $3, $4 and $5 of a list.
func liveness(at time.Time) []any {
	if at.IsZero() {
		return []any{int64(math.MinInt64), int64(math.MinInt64), ""}
	}
	earliest := at.Add(-2 * rolebroker.MaxSessionDuration)
	return []any{millis(earliest), millis(at), rolebroker.SessionFailed}
}

// filterColumns says which columns to look at, and what for.
func filterColumns(f rolebroker.SessionFilter) (columns sessionFilterColumns, sought []any) {
	column := func(text, id, name string) string {
		switch {
		case text == "":
			return ""
		case rolebroker.IsID(text):
			name = id
		}
		sought = append(sought, text)
		return name
	}
	columns.agent = column(f.Agent, "agent_id", "agent_name")
	columns.integration = column(f.Integration, "integration_id", "integration_name")
	roleName := "role_name"
	if strings.HasPrefix(f.Role, "arn:") { // no name has a colon
		roleName = "arn"
	}
	columns.role = column(f.Role, "role_id", roleName)
	return columns, sought
}

func (s *Store) sessions(ctx context.Context, st *statement, args ...any) ([]rolebroker.Session, error) {
	var found []rolebroker.Session
	err := s.query(ctx, st, func(scan scan) error {
		var se rolebroker.Session
		err := scan(&se.ID, &se.State, &se.Agent, &se.AgentName, &se.Integration, &se.IntegrationName, &se.Role, &se.RoleName,
			arnColumn{&se.ARN}, &se.Region, &se.Task, &se.SessionName, timeColumn{&se.RequestedAt}, timeColumn{&se.ExpiresAt},
			&se.AccessKeyID, &se.RequestID, &se.Failure, &se.Fetches, timeColumn{&se.FetchedAt}, &se.Runner)
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

// DeleteSessions forgets those that expired before the time, at most limit of
// them, and says how many.
func (s *Store) DeleteSessions(ctx context.Context, expiredBefore time.Time, limit int) (int, error) {
	deleted, err := s.run(ctx, deleteSessions, millis(expiredBefore), max(limit, 0))
	return int(deleted), err
}
