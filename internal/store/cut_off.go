package store

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

var endAccessRequestsFor = newStatement("endAccessRequestsFor", `
	UPDATE access_requests SET ended_at = $2, ended_by = $3, open_until = 0
	WHERE agent_id = $1 AND open_until > $2 AND role_id = $4`)

// CutOff replaces an agent as UpdateAgent does, ends sessions as EndSessions does, and ends the open access requests of
// the agent, for the roles of the ending if it has any, in one transaction. It returns what was ended. Codes: not_found,
// stale.
func (s *Store) CutOff(
	ctx context.Context, a *rolebroker.Agent, expected int64, e rolebroker.Ending, reason string,
	event rolebroker.AuditEvent,
) (rolebroker.CutOff, error) {
	cut := rolebroker.CutOff{Agent: a.ID, AgentName: a.Name, Roles: e.Roles, At: e.At, By: e.By, Reason: reason}
	before := event.After
	err := s.change(ctx, func(ctx context.Context, tx *tx) (err error) {
		if err := tx.updateAgent(ctx, a, expected); err != nil {
			return err
		}
		if cut.Ended, err = tx.endSessions(ctx, e); err != nil {
			return err
		}
		if cut.Requests, err = tx.endRequests(ctx, e); err != nil {
			return err
		}
		event.After = cut.Facts()
		for field, value := range before {
			event.After[field] = value
		}
		return tx.record(ctx, event)
	})
	return cut, s.nameMissingIntegration(ctx, a, err)
}

// endRequests ends the open access requests that an ending concerns, and returns how many.
func (t *tx) endRequests(ctx context.Context, e rolebroker.Ending) (ended int, err error) {
	if len(e.Roles) == 0 {
		n, err := t.endAccessRequests(ctx, e.Agent, e.At, e.By)
		return int(n), err
	}
	for _, role := range e.Roles {
		n, err := t.exec(ctx, endAccessRequestsFor, e.Agent, millis(e.At), clean(e.By), role.Role)
		if err != nil {
			return ended, err
		}
		ended += int(n)
	}
	return ended, nil
}
