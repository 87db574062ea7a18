package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

var (
	// endRoleOfAgent does nothing for an agent that was deleted.
	endRoleOfAgent = newStatement("endRoleOfAgent", `
		INSERT INTO endings (agent_id, role_id, generation)
		SELECT id, CAST($2 AS TEXT), 1 FROM agents WHERE id = $1
		ON CONFLICT (agent_id, role_id) DO UPDATE SET generation = endings.generation + 1`)

	rolesNamed = newStatement("rolesNamed", `
		SELECT i.id, r.id, i.name, r.name FROM roles AS r JOIN integrations AS i ON i.id = r.integration_id
		WHERE r.id = $1 OR r.arn = $1 OR r.name = $1
		ORDER BY i.name, r.position`)

	endSession        = endSessions("endSession", `id = $4`)
	endSessionsOf     = endSessions("endSessionsOf", `agent_id = $4`)
	endSessionsFor    = endSessions("endSessionsFor", `role_id = $4`)
	endSessionsForOne = endSessions("endSessionsForOne", `role_id = $4 AND agent_id = $5`)
)

// endSessions marks the live sessions that a condition selects. $1 is the time, $2
// is who ended them, and $3 is a bound: no session that was requested before is
// live.
func endSessions(name, condition string) *statement {
	return newStatement(name, `
		UPDATE sessions SET ended_at = $1, ended_by = $2
		WHERE requested_at >= $3 AND expires_at > $1 AND ended_at = 0 AND state <> 'failed' AND `+condition+`
		RETURNING expires_at`)
}

// RolesNamed returns the roles that have an ID, an ARN or a name, in the order of
// their integrations' names.
func (s *Store) RolesNamed(ctx context.Context, reference string) ([]rolebroker.EndedRole, error) {
	var found []rolebroker.EndedRole
	err := s.query(ctx, rolesNamed, func(scan scan) error {
		var r rolebroker.EndedRole
		var integration, name string
		err := scan(&r.Integration, &r.Role, &integration, &name)
		r.Reference = integration + "/" + name
		found = append(found, r)
		return err
	}, reference)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// EndSessions raises the generations of what the ending selects, and marks the
// sessions that are live then. It ends a session again without effect. The event
// gets the facts of what was ended. Codes: not_found (the session).
func (s *Store) EndSessions(
	ctx context.Context, e rolebroker.Ending, event rolebroker.AuditEvent,
) (ended rolebroker.Ended, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) (err error) {
		if ended, err = tx.endSessions(ctx, e); err != nil || tx.unchanged {
			return err
		}
		event.After = ended.Facts()
		return tx.record(ctx, event)
	})
	return ended, err
}

func (t *tx) endSessions(ctx context.Context, e rolebroker.Ending) (ended rolebroker.Ended, err error) {
	if e.Session != "" {
		err = t.endSession(ctx, e, &ended)
		t.unchanged = ended.Sessions == 0
		return ended, err
	}
	if len(e.Roles) == 0 {
		if err := t.endAgent(ctx, e.Agent); err != nil {
			return ended, err
		}
		return ended, t.markEnded(ctx, e, &ended, endSessionsOf, e.Agent)
	}
	roles := slices.Clone(e.Roles)
	slices.SortFunc(roles, func(a, b rolebroker.EndedRole) int { // always in the same order, against deadlocks
		return strings.Compare(string(a.Integration)+string(a.Role), string(b.Integration)+string(b.Role))
	})
	for _, role := range roles {
		if err := t.endRole(ctx, e, role, &ended); err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// endSession ends one session. The agent's other sessions for the role keep their
// records, and are renewed when the agent asks next.
func (t *tx) endSession(ctx context.Context, e rolebroker.Ending, ended *rolebroker.Ended) error {
	var of rolebroker.Session
	err := t.query(ctx, sessionByID, func(scan scan) error { return scanSession(scan, &of) }, e.Session)
	if err == nil && of.ID == "" {
		err = notFound("session", string(e.Session))
	}
	if err != nil {
		return err
	}
	if err := t.markEnded(ctx, e, ended, endSession, e.Session); err != nil || ended.Sessions == 0 {
		return err
	}
	t.changes = append(t.changes,
		rolebroker.Change{Agent: of.Agent, Integration: of.Integration, Role: of.Role, Ended: true})
	_, err = t.exec(ctx, endRoleOfAgent, of.Agent, of.Role)
	return err
}

// endRole ends the sessions for a role: of one agent, or of all.
func (t *tx) endRole(
	ctx context.Context, e rolebroker.Ending, role rolebroker.EndedRole, ended *rolebroker.Ended,
) error {
	t.changes = append(t.changes,
		rolebroker.Change{Agent: e.Agent, Integration: role.Integration, Role: role.Role, Ended: true})
	if e.Agent != "" {
		if _, err := t.exec(ctx, endRoleOfAgent, e.Agent, role.Role); err != nil {
			return err
		}
		return t.markEnded(ctx, e, ended, endSessionsForOne, role.Role, e.Agent)
	}
	if _, err := t.exec(ctx, holdIntegration, role.Integration); err != nil {
		return err
	}
	if _, err := t.exec(ctx, endRole, role.Role); err != nil {
		return err
	}
	return t.markEnded(ctx, e, ended, endSessionsFor, role.Role)
}

// markEnded marks the live sessions that st selects, and adds them to ended.
func (t *tx) markEnded(
	ctx context.Context, e rolebroker.Ending, ended *rolebroker.Ended, st *statement, selects ...any,
) error {
	earliest := e.At.Add(-2 * rolebroker.MaxSessionDuration)
	args := append([]any{millis(e.At), clean(e.By), millis(earliest)}, selects...)
	return t.query(ctx, st, func(scan scan) error {
		var expires time.Time
		err := scan(timeColumn{&expires})
		ended.Sessions++
		if expires.After(ended.Until) {
			ended.Until = expires
		}
		return err
	}, args...)
}
