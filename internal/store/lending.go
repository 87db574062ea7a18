package store

import (
	"context"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// lendingColumns are the columns of a lending in a LEFT JOIN, where it may be
// missing.
const lendingColumns = `COALESCE(l.fingerprint, ''), COALESCE(l.refused, ''), COALESCE(l.message, ''),
	COALESCE(l.request_id, ''), COALESCE(l.agent_name, ''), COALESCE(l.lent_by, ''), COALESCE(l.lent_at, 0),
	COALESCE(l.since, 0)`

var (
	recordLending = newStatement("recordLending", `
		INSERT INTO lendings (role_id, integration_id, fingerprint, refused, message, request_id, agent_name, lent_by,
			lent_at, since)
		SELECT id, integration_id, CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS TEXT),
			CAST($7 AS TEXT), CAST($8 AS TEXT), CAST($9 AS BIGINT), CAST($10 AS BIGINT)
		FROM roles WHERE id = $1 AND integration_id = $2
		ON CONFLICT (role_id) DO UPDATE SET fingerprint = excluded.fingerprint, refused = excluded.refused,
			message = excluded.message, request_id = excluded.request_id, agent_name = excluded.agent_name,
			lent_by = excluded.lent_by, lent_at = excluded.lent_at, since = excluded.since
		WHERE excluded.lent_at >= lendings.lent_at`)

	// lentBefore is the lending of a role that its state is from: no validation is newer.
	lentBefore = newStatement("lentBefore", `
		SELECT l.refused, l.fingerprint FROM lendings AS l LEFT JOIN validations AS v ON v.role_id = l.role_id
		WHERE l.role_id = $1 AND l.lent_at > COALESCE(v.checked_at, 0)`)

	forgetLendings = newStatement("forgetLendings", `
		DELETE FROM lendings WHERE integration_id = $1
		AND NOT EXISTS (SELECT 1 FROM roles AS r WHERE r.id = lendings.role_id)`)

	statesOfAgent = newStatement("statesOfAgent", `
		SELECT r.id, `+validationColumns+`, `+lendingColumns+`
		FROM connections AS c
		JOIN roles AS r ON r.integration_id = c.integration_id
		LEFT JOIN validations AS v ON v.role_id = r.id
		LEFT JOIN lendings AS l ON l.role_id = r.id
		WHERE c.agent_id = $1`)
)

// lendingRow is the lending in a row of a LEFT JOIN. Its At is zero if the role
// has none.
type lendingRow struct {
	rolebroker.Lending
	fingerprint string
}

// dest returns the scan destinations of lendingColumns.
func (l *lendingRow) dest() []any {
	return []any{&l.fingerprint, &l.Refused, &l.Message, &l.RequestID, &l.Agent, &l.By, timeColumn{&l.At},
		timeColumn{&l.Since}}
}

// of returns the lending, or nil if there is none or the role has changed since.
func (l *lendingRow) of(in *rolebroker.Integration, role *rolebroker.Role) *rolebroker.Lending {
	if l.At.IsZero() || l.fingerprint != in.Fingerprint(role) {
		return nil
	}
	return &l.Lending
}

// RecordLending stores what STS answered when a role with the fingerprint was
// lent, unless a newer answer is stored. If the role does not exist, it stores nothing and returns nil.
func (s *Store) RecordLending(ctx context.Context, in rolebroker.IntegrationID, role rolebroker.RoleID,
	fingerprint string, l *rolebroker.Lending) error {
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		if held, err := tx.exec(ctx, holdIntegration, in); err != nil || held == 0 {
			return err
		}
		var before lendingRow
		known := false
		err := tx.query(ctx, lentBefore, func(scan scan) error {
			known = true
			return scan(&before.Refused, &before.fingerprint)
		}, clean(string(role)))
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, recordLending, role, in, fingerprint, l.Refused, clean(l.Message), clean(l.RequestID),
			clean(l.Agent), clean(l.By), millis(l.At), millis(l.Since)); err != nil {
			return err
		}
		if known && before.Refused == l.Refused && before.fingerprint == fingerprint {
			return nil // it says the same
		}
		return tx.summarize(ctx, in)
	})
}

// AddStates adds to the roles of grants their validations, without hints, and lendings.
func (s *Store) AddStates(ctx context.Context, g *rolebroker.Grants) error {
	type states struct {
		validation validationRow
		lending    lendingRow
	}
	found := map[rolebroker.RoleID]*states{}
	err := s.query(ctx, statesOfAgent, func(scan scan) error {
		var id rolebroker.RoleID
		row := &states{}
		err := scan(slices.Concat([]any{&id}, row.validation.dest(), row.lending.dest())...)
		found[id] = row
		return err
	}, g.Agent.ID)
	for i := range g.Integrations {
		in := &g.Integrations[i]
		for j := range in.Roles {
			if row := found[in.Roles[j].ID]; row != nil {
				in.Roles[j].Validation = row.validation.of(in, &in.Roles[j])
				in.Roles[j].Lending = row.lending.of(in, &in.Roles[j])
			}
		}
	}
	return err
}
