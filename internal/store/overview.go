package store

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

var (
	// troubledRoles has the roles of failing integrations that failed when they were tried or lent last.
	troubledRoles = newStatement("troubledRoles", `
		SELECT `+integrationColumns+`, `+roleColumns+`, `+validationColumns+`, `+lendingColumns+`
		FROM (SELECT * FROM integrations WHERE status = 'failed' AND enabled = TRUE
			ORDER BY failing_since DESC, name LIMIT $1) AS i
		LEFT JOIN runners AS u ON u.id = i.runner_id
		JOIN roles AS r ON r.integration_id = i.id AND r.enabled
		LEFT JOIN validations AS v ON v.role_id = r.id
		LEFT JOIN lendings AS l ON l.role_id = r.id
		WHERE v.status = 'failed' OR l.refused <> ''
		ORDER BY i.failing_since DESC, i.name, r.position LIMIT $2`)
	countTroubled = newStatement("countTroubled",
		`SELECT count(*) FROM integrations WHERE status = 'failed' AND enabled = TRUE`)

	// Counts of what began from $1 until before $2, up to $3.
	countSessions = newStatement("countSessions", `
		SELECT count(*) FROM (SELECT 1 FROM sessions WHERE requested_at >= $1 AND requested_at < $2 LIMIT $3) AS counted`)
	countCalls = newStatement("countCalls", `
		SELECT count(*) FROM (SELECT 1 FROM calls WHERE id >= $1 AND id < $2 LIMIT $3) AS counted`)
	countRefused = newStatement("countRefused", `
		SELECT count(*) FROM (
			SELECT 1 FROM calls WHERE id >= $1 AND id < $2 AND decision = 'refused' AND code <> $4 LIMIT $3) AS counted`)
	countWaited = newStatement("countWaited", `
		SELECT count(*) FROM (
			SELECT 1 FROM calls WHERE id >= $1 AND id < $2 AND decision = 'refused' AND code = $4 LIMIT $3) AS counted`)
	digestedCalls = newStatement("digestedCalls", `SELECT hour, calls FROM call_digests WHERE hour >= $1`)

	endingTokens = newStatement("endingTokens", `
		SELECT t.id, t.label, t.expires_at, a.id, a.name FROM tokens AS t JOIN agents AS a ON a.id = t.agent_id
		WHERE t.expires_at > $1 AND t.expires_at <= $2 AND t.expires_at > 0 AND t.revoked_at = 0 AND t.issuer = ''
		ORDER BY t.expires_at, t.id LIMIT $3`)
	endingKeys = newStatement("endingKeys", `
		SELECT `+apiKeyRow+` FROM api_keys AS k WHERE k.expires_at > $1 AND k.expires_at <= $2
		ORDER BY expires_at, id LIMIT $3`)
	anyToken = newStatement("anyToken", `SELECT 1 FROM tokens LIMIT 1`)

	cutOffAgents = selectAgents("cutOffAgents",
		`WHERE cut_off_at > 0 ORDER BY cut_off_at DESC LIMIT $1`)
)

// TroubledRoles returns the failing integrations, the one with the newest trouble first, with those of their enabled
// roles that may be what fails; StateOf decides. It returns at most so many integrations, and so many roles in all.
func (s *Store) TroubledRoles(ctx context.Context, integrations, roles int) ([]rolebroker.Integration, error) {
	return s.integrations(ctx, troubledRoles, max(integrations, 0), max(roles, 0))
}

// CountTroubled counts the failing integrations that are enabled.
func (s *Store) CountTroubled(ctx context.Context) (int, error) {
	return s.count(ctx, countTroubled)
}

// count returns the only column of the only row of a statement.
func (s *Store) count(ctx context.Context, st *statement, args ...any) (n int, err error) {
	err = s.query(ctx, st, func(scan scan) error { return scan(&n) }, args...)
	return n, err
}

// Activity counts the sessions, calls, refused calls and calls that lacked a yes of each of so many hours from a time
// on, which begins an hour.
// It counts up to most of each, except the calls of an hour that has a digest.
func (s *Store) Activity(
	ctx context.Context, from time.Time, hours, most int,
) (counted []rolebroker.Activity, err error) {
	digested := map[int64]int{}
	err = s.query(ctx, digestedCalls, func(scan scan) error {
		var hour int64
		var calls int
		err := scan(&hour, &calls)
		digested[hour] = calls
		return err
	}, millis(from))
	for i := 0; i < hours && err == nil; i++ {
		a := rolebroker.Activity{From: from.Add(time.Duration(i) * time.Hour)}
		until, known := a.From.Add(time.Hour), false
		first, last := rolebroker.CallIDFrom(a.From), rolebroker.CallIDFrom(until)
		if a.Calls, known = digested[millis(a.From)]; !known {
			a.Calls, err = s.count(ctx, countCalls, first, last, max(most, 0))
		}
		if err == nil {
			a.Refused, err = s.count(ctx, countRefused, first, last, max(most, 0), string(rolebroker.CodeApproval))
		}
		if err == nil {
			a.Waited, err = s.count(ctx, countWaited, first, last, max(most, 0), string(rolebroker.CodeApproval))
		}
		if err == nil {
			a.Sessions, err = s.count(ctx, countSessions, millis(a.From), millis(until), max(most, 0))
		}
		counted = append(counted, a)
	}
	if err != nil {
		return nil, err
	}
	return counted, nil
}

// EndingTokens lists agents' tokens that expire after one time and not after another, the soonest first.
func (s *Store) EndingTokens(
	ctx context.Context, from, until time.Time, limit int,
) (ending []rolebroker.EndingKey, err error) {
	err = s.query(ctx, endingTokens, func(scan scan) error {
		var e rolebroker.EndingKey
		err := scan(&e.Token, &e.Name, timeColumn{&e.At}, &e.Agent, &e.AgentName)
		ending = append(ending, e)
		return err
	}, millis(from), millis(until), max(limit, 0))
	return ending, err
}

// EndingAPIKeys lists API keys that expire after one time and not after another, the soonest first.
func (s *Store) EndingAPIKeys(
	ctx context.Context, from, until time.Time, limit int,
) ([]rolebroker.APIKey, error) {
	return s.apiKeys(ctx, endingKeys, millis(from), millis(until), max(limit, 0))
}

// HasToken reports whether there is a token or a binding of any agent.
func (s *Store) HasToken(ctx context.Context) (has bool, err error) {
	err = s.query(ctx, anyToken, func(scan scan) error { has = true; return scan(new(int)) })
	return has, err
}

// CutOffAgents lists the agents that are cut off, the last one first.
func (s *Store) CutOffAgents(ctx context.Context, limit int) ([]rolebroker.Agent, error) {
	return s.agents(ctx, cutOffAgents, max(limit, 0))
}
