package store

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// callKinds leaves out what AWS refused with a status that says so.
var callKinds = newStatement("callKinds", `
	SELECT service, operation, actions, resources, role_id, MAX(role_arn), SUM(times), MAX(id) FROM calls
	WHERE agent_id = $1 AND id > $2 AND integration_id = $3 AND decision = 'allowed' AND status NOT IN (401, 403)
		AND (role_id = $4 OR $5)
	GROUP BY service, operation, actions, resources, role_id`)

// callBehind is the newest call of callKinds that is not among the newest ones.
var callBehind = newStatement("callBehind", `
	SELECT id FROM calls
	WHERE agent_id = $1 AND id > $2 AND integration_id = $3 AND decision = 'allowed' AND status NOT IN (401, 403)
		AND (role_id = $4 OR $5)
	ORDER BY id DESC LIMIT 1 OFFSET $6`)

var refusedCalls = newStatement("refusedCalls", `
	SELECT COALESCE(SUM(CASE WHEN decision = 'allowed' THEN times ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN decision = 'refused' THEN times ELSE 0 END), 0)
	FROM calls WHERE agent_id = $1 AND id > $2 AND integration_id = $3
		AND (decision = 'refused' OR status IN (401, 403))`)

var tokenSessions = newStatement("tokenSessions", `
	SELECT DISTINCT session_id FROM calls WHERE agent_id = $1 AND id > $2 AND valid_until > $3`)

// TokenSessions lists the sessions that signed an AWS token for an agent which works after a time.
func (s *Store) TokenSessions(
	ctx context.Context, agent rolebroker.AgentID, at time.Time,
) (found []rolebroker.SessionID, err error) {
	err = s.query(ctx, tokenSessions, func(scan scan) error {
		var id rolebroker.SessionID
		if err := scan(&id); err != nil {
			return err
		}
		found = append(found, id)
		return nil
	}, agent, rolebroker.CallIDFrom(at.Add(-rolebroker.MaxSessionDuration)), millis(at))
	return found, err
}

// CallKinds calls add for each kind of the calls that an agent sent since a time with the roles of an integration, or with
// one of them. It has the calls that the gateway sent and AWS did not answer with 401 or 403. They have no order.
func (s *Store) CallKinds(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID,
	role rolebroker.RoleID, since time.Time, add func(rolebroker.CallKind)) error {
	return s.query(ctx, callKinds, func(scan scan) error {
		var k rolebroker.CallKind
		var last rolebroker.CallID
		err := scan(&k.Service, &k.Operation, listColumn{&k.Actions}, listColumn{&k.Resources}, &k.Role,
			arnColumn{&k.ARN}, &k.Calls, &last)
		if err == nil {
			k.Last = last.Time()
			add(k)
		}
		return err
	}, agent, rolebroker.CallIDFrom(since), in, role, role == "")
}

// SinceNewest returns since, or a later time since which CallKinds adds up at most n calls: the newest ones.
func (s *Store) SinceNewest(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID,
	role rolebroker.RoleID, since time.Time, n int) (time.Time, error) {
	from := since
	err := s.query(ctx, callBehind, func(scan scan) error {
		var behind rolebroker.CallID
		err := scan(&behind)
		from = behind.Time().Add(time.Millisecond) // the time of an ID is in milliseconds
		return err
	}, agent, rolebroker.CallIDFrom(since), in, role, role == "", n)
	return from, err
}

// RefusedCalls counts the calls that CallKinds leaves out: those that AWS answered with 401 or 403, and those that the
// gateway did not send.
func (s *Store) RefusedCalls(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID,
	since time.Time) (byAWS, notSent int64, err error) {
	err = s.query(ctx, refusedCalls, func(scan scan) error { return scan(&byAWS, &notSent) },
		agent, rolebroker.CallIDFrom(since), in)
	return byAWS, notSent, err
}
