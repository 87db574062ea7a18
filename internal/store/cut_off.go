package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

var (
	endAccessRequestsFor = newStatement("endAccessRequestsFor", `
		UPDATE access_requests SET ended_at = $2, ended_by = $3, open_until = 0
		WHERE agent_id = $1 AND open_until > $2 AND role_id = $4`)

	insertCutOff = newStatement("insertCutOff", `
		INSERT INTO cut_offs (id, agent_id, agent_name, roles, cut_at, cut_by, reason, sessions, requests)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	cutOffs = newStatement("cutOffs", `
		SELECT id, agent_id, agent_name, roles, cut_at, cut_by, reason, sessions, requests FROM cut_offs
		WHERE agent_id = $1 ORDER BY cut_at DESC, id DESC LIMIT $2`)

	roleCutOffs = newStatement("roleCutOffs", `
		SELECT id, agent_id, agent_name, roles, cut_at, cut_by, reason, sessions, requests FROM cut_offs
		WHERE roles <> '' AND cut_at >= $1 ORDER BY cut_at DESC, id DESC LIMIT $2`)

	putDenyPolicy = newStatement("putDenyPolicy", `
		INSERT INTO deny_policies (role_arn, policy, agent_id, session_id, integrations, called, issued_before, expires_at,
			state, problem, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (role_arn, policy) DO UPDATE SET agent_id = excluded.agent_id, session_id = excluded.session_id,
			integrations = excluded.integrations, called = excluded.called, issued_before = excluded.issued_before,
			expires_at = excluded.expires_at, state = excluded.state, problem = excluded.problem,
			changed_at = excluded.changed_at, changed_by = excluded.changed_by`)
	denyPolicies = newStatement("denyPolicies", `
		SELECT role_arn, policy, agent_id, session_id, integrations, called, issued_before, expires_at, state, problem,
			changed_at, changed_by
		FROM deny_policies WHERE agent_id = $1 ORDER BY role_arn, policy`)
)

// CutOff replaces an agent as UpdateAgent does, ends sessions as EndSessions does, and ends the open access requests of
// the agent, for the roles of the ending if it has any, in one transaction. It stores and returns what was ended. Codes:
// not_found, stale.
func (s *Store) CutOff(
	ctx context.Context, a *rolebroker.Agent, expected int64, e rolebroker.Ending, reason string,
	event rolebroker.AuditEvent,
) (rolebroker.CutOff, error) {
	cut := rolebroker.CutOff{ID: rolebroker.NewCutOffID(), Agent: a.ID, AgentName: a.Name, Roles: e.Roles, At: e.At, By: e.By, Reason: reason}
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
		if err := tx.insertCutOff(ctx, &cut); err != nil {
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

func (t *tx) insertCutOff(ctx context.Context, c *rolebroker.CutOff) error {
	roles := ""
	if len(c.Roles) > 0 {
		text, err := json.Marshal(c.Roles)
		if err != nil {
			return err
		}
		roles = string(text)
	}
	_, err := t.exec(ctx, insertCutOff, c.ID, c.Agent, c.AgentName, clean(roles), millis(c.At), clean(c.By),
		clean(c.Reason), c.Ended.Sessions, c.Requests)
	return err
}

// CutOffs lists cut-offs of an agent, the newest first, as CutOff returned them, but without the time when what was
// ended expires.
func (s *Store) CutOffs(ctx context.Context, agent rolebroker.AgentID, limit int) ([]rolebroker.CutOff, error) {
	return s.listCutOffs(ctx, cutOffs, agent, max(limit, 0))
}

// RoleCutOffs lists the cut-offs of all agents from roles, and not from everything, at a time or later, as CutOffs
// does.
func (s *Store) RoleCutOffs(ctx context.Context, since time.Time, limit int) ([]rolebroker.CutOff, error) {
	return s.listCutOffs(ctx, roleCutOffs, millis(since), max(limit, 0))
}

func (s *Store) listCutOffs(ctx context.Context, st *statement, args ...any) ([]rolebroker.CutOff, error) {
	var found []rolebroker.CutOff
	err := s.query(ctx, st, func(scan scan) error {
		var c rolebroker.CutOff
		var roles string
		err := scan(&c.ID, &c.Agent, &c.AgentName, &roles, timeColumn{&c.At}, &c.By, &c.Reason, &c.Ended.Sessions,
			&c.Requests)
		if err == nil && roles != "" {
			if err = json.Unmarshal([]byte(roles), &c.Roles); err != nil {
				err = corrupt("the roles of a cut-off", err)
			}
		}
		found = append(found, c)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// PutDenyPolicies stores the records of deny policies, in the place of those for the same roles with the same names.
func (s *Store) PutDenyPolicies(
	ctx context.Context, policies []rolebroker.DenyPolicy, event rolebroker.AuditEvent,
) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		for _, p := range policies {
			ids := make([]string, len(p.Integrations))
			for i, id := range p.Integrations {
				ids[i] = string(id)
			}
			_, err := tx.exec(ctx, putDenyPolicy, p.Role.String(), p.Name, p.Agent, p.Session, strings.Join(ids, " "),
				clean(strings.Join(p.Called, " ")), millis(p.Before), millis(p.Until), p.State, clean(p.Problem), millis(p.At),
				clean(p.By))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// DenyPolicies lists the deny policies that the server put on roles because of an agent, or tried to.
func (s *Store) DenyPolicies(ctx context.Context, agent rolebroker.AgentID) ([]rolebroker.DenyPolicy, error) {
	var found []rolebroker.DenyPolicy
	err := s.query(ctx, denyPolicies, func(scan scan) error {
		var p rolebroker.DenyPolicy
		var arn, integrations, called string
		err := scan(&arn, &p.Name, &p.Agent, &p.Session, &integrations, &called, timeColumn{&p.Before},
			timeColumn{&p.Until}, &p.State, &p.Problem, timeColumn{&p.At}, &p.By)
		if err == nil {
			if p.Role, err = rolebroker.ParseRoleARN(arn); err != nil {
				err = corrupt("the role of a deny policy", err)
			}
		}
		for _, id := range strings.Fields(integrations) {
			p.Integrations = append(p.Integrations, rolebroker.IntegrationID(id))
		}
		p.Called = strings.Fields(called)
		found = append(found, p)
		return err
	}, agent)
	if err != nil {
		return nil, err
	}
	return found, nil
}
