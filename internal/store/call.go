package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

const callColumns = `id, ended_at, agent_id, agent_name, token_id, address, integration_id, integration_name, role_id,
	role_name, role_arn, task, session_id, access_request_id, service, operation, actions, region, resources, level,
	decision, code, reason, times, status, request_id, bytes_in, bytes_out, valid_until`

var (
	// putCall stores a call, or the outcome of one that is there. An outcome is stored once, and not after the digest of
	// its hour. A runner cannot store the outcome of what is not its own: a session has one runner.
	putCall = newBatch("putCall", `
		INSERT INTO calls (`+callColumns+`) VALUES ROWS
		ON CONFLICT (id) DO UPDATE SET ended_at = excluded.ended_at, reason = excluded.reason, status = excluded.status,
			request_id = excluded.request_id, bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out
		WHERE calls.ended_at = 0 AND calls.agent_id = excluded.agent_id AND calls.role_id = excluded.role_id
			AND calls.session_id = excluded.session_id AND calls.decision = excluded.decision
			AND calls.id >= (SELECT COALESCE(MAX(until), '') FROM call_digests)`,
		`(`+strings.Repeat("?, ", strings.Count(callColumns, ","))+`?)`)

	callByID = newStatement("callByID", `SELECT `+callColumns+` FROM calls WHERE id = $1`)

	deleteCalls = newStatement("deleteCalls", `
		DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < $1 ORDER BY id LIMIT $2)`)

	callsFrom = newStatement("callsFrom", `
		SELECT `+callColumns+` FROM calls WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3`)

	firstCall = newStatement("firstCall", `
		SELECT id FROM calls WHERE id >= (SELECT COALESCE(MAX(until), '') FROM call_digests) ORDER BY id LIMIT 1`)

	insertCallDigest = newStatement("insertCallDigest", `
		INSERT INTO call_digests (hour, until, calls, sha256) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`)

	listCalls = sync.OnceValue(callLists)
)

// callFilterColumns are the columns that a filter can compare, with its value of each.
var callFilterColumns = []struct {
	name  string
	value func(*rolebroker.CallFilter) string
}{
	{"session_id", func(f *rolebroker.CallFilter) string { return string(f.Session) }},
	{"access_request_id", func(f *rolebroker.CallFilter) string { return string(f.Request) }},
	{"agent_id", func(f *rolebroker.CallFilter) string { return string(f.Agent) }},
	{"role_id", func(f *rolebroker.CallFilter) string { return string(f.Role) }},
	{"operation", func(f *rolebroker.CallFilter) string { return f.Operation }},
	{"service", func(f *rolebroker.CallFilter) string { return f.Service }},
	{"level", func(f *rolebroker.CallFilter) string { return string(f.Level) }},
	{"decision", func(f *rolebroker.CallFilter) string { return string(f.Decision) }},
}

// callLists makes a statement for each set of columns to compare, by its name, so that each can use an index. A list of
// what was refused has a statement of its own, because only these calls have an index.
//
// $1 and $2 are the IDs that the list lies between, without them; $3 is the limit. The values of the filter follow.
func callLists() map[string]*statement {
	lists := map[string]*statement{}
	for set := range 1 << len(callFilterColumns) {
		name, where, next := "listCalls", "", 4
		for i, column := range callFilterColumns {
			if set&(1<<i) == 0 {
				continue
			}
			name += " " + column.name
			where += " AND " + column.name + " = $" + strconv.Itoa(next)
			next++
			if column.name == "access_request_id" { // for the planner to use the index
				where += " AND access_request_id <> ''"
			}
		}
		lists[name] = listOfCalls(name, where)
		if strings.HasSuffix(name, " decision") {
			name, where = name[:len(name)-len("decision")]+"refused", where[:strings.LastIndex(where, " AND ")]
			lists[name] = listOfCalls(name, where+" AND decision = 'refused'")
		}
	}
	return lists
}

func listOfCalls(name, where string) *statement {
	return newStatement(name, `
		SELECT `+callColumns+` FROM calls WHERE id < $1 AND id > $2`+where+` ORDER BY id DESC LIMIT $3`)
}

// RecordCalls stores calls, and the outcomes of those that are stored already. All of them are stored, durably, or none
// is. The same again changes nothing.
func (s *Store) RecordCalls(ctx context.Context, calls []rolebroker.Call) error {
	rows := make([][]any, len(calls))
	for i := range calls {
		row, err := callRow(&calls[i])
		if err != nil {
			return err
		}
		rows[i] = row
	}
	return s.changeTogether(ctx, func(ctx context.Context, tx *tx) error { return tx.execBatch(ctx, putCall, rows) })
}

func callRow(c *rolebroker.Call) ([]any, error) {
	actions, err := listText(c.Actions)
	if err != nil {
		return nil, err
	}
	resources, err := listText(c.Resources)
	if err != nil {
		return nil, err
	}
	arn := ""
	if c.ARN != (rolebroker.RoleARN{}) {
		arn = c.ARN.String()
	}
	return []any{c.ID, millis(c.EndedAt), clean(c.Agent), clean(c.AgentName), clean(c.Token), clean(c.Address),
		clean(c.Integration), clean(c.IntegrationName), clean(c.Role), clean(c.RoleName), arn, clean(c.Task),
		clean(c.Session), clean(c.AccessRequest), clean(c.Service), clean(c.Operation), actions, clean(c.Region),
		resources, c.Level, c.Decision, c.Code, clean(c.Reason), c.Times, c.Status, clean(c.RequestID), c.BytesIn,
		c.BytesOut, millis(c.ValidUntil)}, nil
}

// listText is a list of texts as a column; empty for nil.
func listText(list []string) (string, error) {
	if list == nil {
		return "", nil
	}
	cleaned := make([]string, len(list))
	for i, text := range list {
		cleaned[i] = clean(text)
	}
	text, err := json.Marshal(cleaned)
	return string(text), err
}

// listColumn scans what listText wrote.
type listColumn struct{ list *[]string }

func (c listColumn) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("a list is %T", value)
	}
	*c.list = nil
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), c.list); err != nil {
		return corrupt("a list", err)
	}
	return nil
}

// Call returns a call by ID. Codes: not_found.
func (s *Store) Call(ctx context.Context, id rolebroker.CallID) (*rolebroker.Call, error) {
	found, err := s.calls(ctx, callByID, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("call", string(id))
	}
	return &found[0], nil
}

// Calls lists calls, the newest first: by ID, descending.
func (s *Store) Calls(
	ctx context.Context, filter rolebroker.CallFilter, page rolebroker.Page,
) ([]rolebroker.Call, error) {
	before, after := rolebroker.CallID("cal_~"), rolebroker.CallID("") // ~ is greater than what an ID has
	if !filter.Until.IsZero() {
		before = rolebroker.CallIDFrom(filter.Until)
	}
	if !filter.Since.IsZero() {
		after = rolebroker.CallIDFrom(filter.Since)
	}
	if page.After != "" {
		before = min(before, rolebroker.CallID(page.After))
	}
	name, args := "listCalls", []any{before, after, max(page.Limit, 0)}
	for _, column := range callFilterColumns {
		value := column.value(&filter)
		if value == "" {
			continue
		}
		if column.name == "decision" && filter.Decision == rolebroker.CallRefused {
			name += " refused"
			continue
		}
		name += " " + column.name
		args = append(args, value)
	}
	return s.calls(ctx, listCalls()[name], args...)
}

// CallsFrom lists the calls that began from one time until before another, the oldest first, after the one with an ID.
func (s *Store) CallsFrom(
	ctx context.Context, from, until time.Time, after rolebroker.CallID, limit int,
) ([]rolebroker.Call, error) {
	return s.calls(ctx, callsFrom, max(rolebroker.CallIDFrom(from), after), rolebroker.CallIDFrom(until), limit)
}

func (s *Store) calls(ctx context.Context, st *statement, args ...any) ([]rolebroker.Call, error) {
	var found []rolebroker.Call
	err := s.query(ctx, st, func(scan scan) error {
		var c rolebroker.Call
		if err := scanCall(scan, &c); err != nil {
			return err
		}
		found = append(found, c)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scanCall reads callColumns.
func scanCall(scan scan, c *rolebroker.Call) error {
	return scan(&c.ID, timeColumn{&c.EndedAt}, &c.Agent, &c.AgentName, &c.Token, &c.Address, &c.Integration,
		&c.IntegrationName, &c.Role, &c.RoleName, arnColumn{&c.ARN}, &c.Task, &c.Session, &c.AccessRequest, &c.Service,
		&c.Operation, listColumn{&c.Actions}, &c.Region, listColumn{&c.Resources}, &c.Level, &c.Decision, &c.Code,
		&c.Reason, &c.Times, &c.Status, &c.RequestID, &c.BytesIn, &c.BytesOut, timeColumn{&c.ValidUntil})
}

// FirstCallWithoutDigest returns when the first call began that no digest covers; the zero time if there is none.
func (s *Store) FirstCallWithoutDigest(ctx context.Context) (at time.Time, err error) {
	err = s.query(ctx, firstCall, func(scan scan) error {
		var id rolebroker.CallID
		err := scan(&id)
		at = id.Time()
		return err
	})
	return at, err
}

// RecordCallDigest stores the digest of an hour with its event, unless another server did.
func (s *Store) RecordCallDigest(ctx context.Context, d rolebroker.CallDigest, event rolebroker.AuditEvent) error {
	_, err := s.runRecorded(ctx, event, insertCallDigest, millis(d.Hour),
		rolebroker.CallIDFrom(d.Hour.Add(time.Hour)), d.Calls, d.SHA256)
	return err
}

// DeleteCalls deletes at most limit calls that began before a time, and returns how many.
func (s *Store) DeleteCalls(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.run(ctx, deleteCalls, rolebroker.CallIDFrom(before), max(limit, 0))
	return int(n), err
}
