package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

const accessRequestColumns = `id, agent_id, agent_name, token_id, integration_id, integration_name, role_id, role_name,
	access, task, reason, duration, created_at, expires_at, decision, decided_at, decided_by, decider_id, rule_id, note,
	break_glass, granted, granted_access, ends_at, ended_at, ended_by, role_arn, policy_hash,
	writes, asked_call, granted_actions, granted_resources, about`

var (
	accessRequestByID = newStatement("accessRequestByID",
		`SELECT `+accessRequestColumns+` FROM access_requests WHERE id = $1`)
	insertAccessRequest = newStatement("insertAccessRequest", `
		INSERT INTO access_requests (`+accessRequestColumns+`, open_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
			$24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)`)
	// lastRequestOfCalls is the newest request of an agent about a call with a role for a task, or about all of them.
	lastRequestOfCalls = newStatement("lastRequestOfCalls", `
		SELECT `+accessRequestColumns+` FROM access_requests
		WHERE agent_id = $1 AND integration_id = $2 AND role_id = $3 AND task = $4
			AND writes AND about IN ($5, '')
			AND (asked_call IN ('', $6) OR decision = 'approved' AND granted_actions = '' AND granted_resources = '')
		ORDER BY created_at DESC, id DESC LIMIT 1`)
	// openAccessRequests has the last to expire first. Those that are open at any time are the first ones.
	openAccessRequests = newStatement("openAccessRequests", `
		SELECT `+accessRequestColumns+` FROM access_requests WHERE agent_id = $1 AND open_until > $2
		ORDER BY open_until DESC, id LIMIT $3`)
	decideAccessRequest = newStatement("decideAccessRequest", `
		UPDATE access_requests SET decision = $2, decided_at = $3, decided_by = $4, decider_id = $5, rule_id = $6,
			note = $7, break_glass = $8, granted = $9, granted_access = $10, ends_at = $11, open_until = $12,
			granted_actions = $13, granted_resources = $14
		WHERE id = $1 AND decision = '' AND ended_at = 0 AND expires_at > $3`)
	endAccessRequest = newStatement("endAccessRequest", `
		UPDATE access_requests SET ended_at = $2, ended_by = $3, open_until = 0 WHERE id = $1 AND open_until > $2`)
	endAccessRequestsOf = newStatement("endAccessRequestsOf", `
		UPDATE access_requests SET ended_at = $2, ended_by = $3, open_until = 0
		WHERE agent_id = $1 AND open_until > $2`)
	endSessionsUnder = endSessions("endSessionsUnder", `access_request_id = $4 AND access_request_id <> ''`)

	deleteAccessRequests = newStatement("deleteAccessRequests", `
		DELETE FROM access_requests WHERE id IN (
			SELECT id FROM access_requests WHERE created_at < $1 AND open_until < $1 ORDER BY created_at LIMIT $2)`)

	// holdAgent changes nothing. It makes concurrent requests of an agent wait for each other, and for its cut-off.
	holdAgent = newStatement("holdAgent", `UPDATE agents SET id = id WHERE id = $1 AND NOT disabled`)

	listAccessRequests = sync.OnceValue(accessRequestLists)
)

// accessRequestStates are the conditions of the states at the time $4.
var accessRequestStates = map[rolebroker.AccessRequestState]string{
	"":                         ``,
	rolebroker.RequestPending:  ` AND decision = '' AND ended_at = 0 AND expires_at > $4`,
	rolebroker.RequestApproved: ` AND decision = 'approved' AND ended_at = 0 AND ends_at > $4`,
	rolebroker.RequestDenied:   ` AND decision = 'denied' AND ended_at = 0`,
	rolebroker.RequestEnded:    ` AND ended_at > 0`,
	rolebroker.RequestExpired: ` AND ended_at = 0 AND (decision = '' AND expires_at <= $4
		OR decision = 'approved' AND ends_at <= $4)`,
}

// accessRequestList is what a list compares: a column of the agent, or none, and the state.
type accessRequestList struct {
	agent string
	state rolebroker.AccessRequestState
	glass bool // those that an owner approved
	old   bool // the oldest first
}

// accessRequestLists makes a statement for each filter, so that each can use an index.
//
// $1 and $2 are the key after which the list begins in its order, $3 is a lower bound of the time, $4 is now, $5 is the
// limit.
func accessRequestLists() map[accessRequestList]*statement {
	lists := map[accessRequestList]*statement{}
	for state, condition := range accessRequestStates {
		for _, agent := range []string{"", "agent_id", "agent_name"} {
			for _, glass := range []bool{false, true} {
				for _, old := range []bool{false, true} {
					list := accessRequestList{agent, state, glass, old}
					lists[list] = list.statement(condition)
				}
			}
		}
	}
	return lists
}

// statement is that of a list. condition is that of its state.
func (l accessRequestList) statement(condition string) *statement {
	name, order, after := "listAccessRequests "+l.agent+" "+string(l.state), "DESC", "<"
	if l.agent != "" {
		condition += " AND " + l.agent + " = $6"
	}
	if l.glass {
		name, condition = name+" glass", condition+" AND break_glass"
	}
	if l.old {
		name, order, after = name+" oldest first", "ASC", ">"
	}
	return newStatement(name, `
		SELECT `+accessRequestColumns+` FROM access_requests
		WHERE (created_at, id) `+after+` ($1, $2) AND created_at >= $3 AND CAST($4 AS BIGINT) >= 0`+condition+`
		ORDER BY created_at `+order+`, id `+order+` LIMIT $5`)
}

// AccessRequest returns an access request by ID. Codes: not_found.
func (s *Store) AccessRequest(
	ctx context.Context, id rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	found, err := s.accessRequests(ctx, accessRequestByID, id)
	if err == nil && len(found) == 0 {
		err = notFound("access request", string(id))
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// AccessRequests lists access requests by CreatedAt and then ID, both descending: the newest first, unless the filter
// says otherwise.
func (s *Store) AccessRequests(
	ctx context.Context, filter rolebroker.AccessRequestFilter, page rolebroker.Page,
) ([]rolebroker.AccessRequest, error) {
	after, id := auditCursor(page.After, time.Time{})
	if filter.OldestFirst && page.After == "" {
		after = 0
	}
	args := []any{after, id, millis(filter.Since), millis(filter.At), max(page.Limit, 0)}
	list := accessRequestList{state: filter.State, glass: filter.BreakGlass, old: filter.OldestFirst}
	if filter.Agent != "" {
		list.agent = "agent_name"
		if rolebroker.IsID(filter.Agent) {
			list.agent = "agent_id"
		}
		args = append(args, filter.Agent)
	}
	st := listAccessRequests()[list]
	if st == nil {
		return nil, nil
	}
	return s.accessRequests(ctx, st, args...)
}

func (s *Store) accessRequests(
	ctx context.Context, st *statement, args ...any,
) ([]rolebroker.AccessRequest, error) {
	var found []rolebroker.AccessRequest
	err := s.query(ctx, st, func(scan scan) error { return scanAccessRequest(scan, &found) }, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func scanAccessRequest(scan scan, found *[]rolebroker.AccessRequest) error {
	var r rolebroker.AccessRequest
	var writes bool
	err := scan(&r.ID, &r.Agent, &r.AgentName, &r.Token, &r.Integration, &r.IntegrationName, &r.Role, &r.RoleName,
		&r.Access, &r.Task, &r.Reason, durationColumn{&r.Duration}, timeColumn{&r.CreatedAt}, timeColumn{&r.ExpiresAt},
		&r.Decision, timeColumn{&r.DecidedAt}, &r.DecidedBy, &r.Decider, &r.Rule, &r.Note, &r.BreakGlass,
		durationColumn{&r.Granted}, &r.GrantedAccess, timeColumn{&r.EndsAt}, timeColumn{&r.EndedAt}, &r.EndedBy,
		arnColumn{&r.ARN}, &r.PolicyHash, &writes, askedCallColumn{&r.Call}, listColumn{&r.Narrowed.Actions},
		listColumn{&r.Narrowed.Resources}, &r.About)
	switch {
	case r.About == "" && writes: // a server of an earlier version asked
		r.About = rolebroker.ApprovalWrite
	case r.About == "":
		r.About = rolebroker.ApprovalBorrow
	}
	*found = append(*found, r)
	return err
}

// askedCallColumn scans a call that asked.
type askedCallColumn struct{ call **rolebroker.AskedCall }

func (c askedCallColumn) Scan(value any) (err error) {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("a call is %T", value)
	}
	if *c.call, err = rolebroker.ParseAskedCall(text); err != nil {
		return corrupt("a call that asked", err)
	}
	return nil
}

// addRequests adds to grants the access requests that may be open, if a person has to approve anything.
func (s *Store) addRequests(ctx context.Context, g *rolebroker.Grants) error {
	if !g.NeedApproval() {
		return nil
	}
	found, err := s.accessRequests(ctx, openAccessRequests, g.Agent.ID, int64(0), rolebroker.MaxOpenRequests)
	for i := range found {
		g.Requests = append(g.Requests, found[i].Open())
	}
	return err
}

// CreateAccessRequest stores a request, with an event for each thing that happened to it, unless the agent has an open
// one for the same role, access and task: then it stores nothing and returns that one. Codes: denied (the agent is
// disabled, or there is none), throttled (it has too many that are open).
func (s *Store) CreateAccessRequest(
	ctx context.Context, r *rolebroker.AccessRequest, events ...rolebroker.AuditEvent,
) (same *rolebroker.AccessRequest, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		same = nil
		held, err := tx.exec(ctx, holdAgent, r.Agent)
		switch {
		case err != nil:
			return err
		case held == 0:
			return rolebroker.Errorf(rolebroker.CodeDenied, "agent %s is disabled, or was deleted", r.AgentName)
		}
		open, err := tx.openAccessRequests(ctx, r.Agent, r.CreatedAt)
		if err != nil {
			return err
		}
		if same = sameRequest(open, r); same != nil {
			return nil
		}
		if same, err = tx.answeredAlready(ctx, r); err != nil || same != nil {
			return err
		}
		if err := tooManyRequests(open, r); err != nil {
			return err
		}
		if err := tx.insertAccessRequest(ctx, r); err != nil {
			return err
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: r.Agent})
		for _, event := range events {
			if err := tx.record(ctx, event); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return same, nil
}

func (t *tx) openAccessRequests(
	ctx context.Context, agent rolebroker.AgentID, at time.Time,
) (open []rolebroker.AccessRequest, err error) {
	err = t.query(ctx, openAccessRequests, func(scan scan) error { return scanAccessRequest(scan, &open) }, agent,
		millis(at), rolebroker.MaxOpenRequests+1)
	return open, err
}

// sameRequest returns the open request that asks for the same; nil if there is none.
func sameRequest(open []rolebroker.AccessRequest, r *rolebroker.AccessRequest) *rolebroker.AccessRequest {
	for i := range open {
		o := &open[i]
		if o.Integration == r.Integration && o.Role == r.Role && o.Access == r.Access && o.Task == r.Task &&
			o.ARN == r.ARN && o.PolicyHash == r.PolicyHash && o.About == r.About && asksFor(o, r) {
			return o
		}
	}
	return nil
}

// asksFor reports whether an open request for the same role and task asks for what another one does.
func asksFor(open, r *rolebroker.AccessRequest) bool {
	switch {
	case !r.About.IsOfCalls():
		return true
	case open.Decision != "":
		return open.Narrowed.Permits(open.Call, r.Call)
	}
	return open.Call == nil || r.Call != nil && open.Call.IsSame(r.Call)
}

// answeredAlready returns the last request about a call, if a person denied or ended it and the call asks again by
// itself; else nil. An agent that asks with a reason may ask again.
func (t *tx) answeredAlready(ctx context.Context, r *rolebroker.AccessRequest) (*rolebroker.AccessRequest, error) {
	if !r.About.IsOfCalls() || r.Call == nil || r.Again {
		return nil, nil
	}
	var last []rolebroker.AccessRequest
	err := t.query(ctx, lastRequestOfCalls, func(scan scan) error { return scanAccessRequest(scan, &last) }, r.Agent,
		r.Integration, r.Role, r.Task, r.About, clean(r.Call.Text()))
	if err != nil || len(last) == 0 || last[0].Decision != rolebroker.DecisionDenied && last[0].EndedAt.IsZero() {
		return nil, err
	}
	return &last[0], nil
}

// tooManyRequests refuses one more than an agent may have. Codes: throttled.
func tooManyRequests(open []rolebroker.AccessRequest, r *rolebroker.AccessRequest) error {
	pending := 0
	for i := range open {
		if open[i].Decision == "" {
			pending++
		}
	}
	switch {
	case r.Decision == "" && pending >= rolebroker.MaxPendingRequests:
		return rolebroker.Errorf(rolebroker.CodeThrottled, "agent %s has %d access requests that nobody has decided, "+
			"the most that are allowed", r.AgentName, pending).
			WithHint("wait for a decision; each expires %s after it was made",
				rolebroker.ShortDuration(rolebroker.RequestLifetime))
	case len(open) >= rolebroker.MaxOpenRequests:
		return rolebroker.Errorf(rolebroker.CodeThrottled, "agent %s has %d access requests that are pending or "+
			"approved, the most that are allowed", r.AgentName, len(open)).
			WithHint("wait until one expires, or have an administrator end one: rolebroker request end REQUEST")
	}
	return nil
}

func (t *tx) insertAccessRequest(ctx context.Context, r *rolebroker.AccessRequest) error {
	actions, resources, err := narrowedColumns(r)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, insertAccessRequest, r.ID, r.Agent, r.AgentName, r.Token, r.Integration, r.IntegrationName,
		r.Role, r.RoleName, r.Access, r.Task, r.Reason, r.Duration.Milliseconds(), millis(r.CreatedAt),
		millis(r.ExpiresAt), r.Decision, millis(r.DecidedAt), clean(r.DecidedBy), r.Decider, r.Rule, r.Note, r.BreakGlass,
		r.Granted.Milliseconds(), r.GrantedAccess, millis(r.EndsAt), millis(r.EndedAt), clean(r.EndedBy),
		r.ARN.String(), r.PolicyHash, r.About.IsOfCalls(), clean(r.Call.Text()), actions, resources,
		r.About, millis(r.OpenUntil()))
	if violated(err) == idTaken {
		return rolebroker.Errorf(rolebroker.CodeConflict, "an access request with the ID %s exists already", r.ID)
	}
	return err
}

// narrowedColumns are what an approval is narrowed to.
func narrowedColumns(r *rolebroker.AccessRequest) (actions, resources string, err error) {
	if actions, err = listText(r.Narrowed.Actions); err == nil {
		resources, err = listText(r.Narrowed.Resources)
	}
	return actions, resources, err
}

// DecideAccessRequest stores the decision of a request, and its grant, if the request is pending at DecidedAt. Codes:
// not_found, conflict (it is not pending).
func (s *Store) DecideAccessRequest(
	ctx context.Context, r *rolebroker.AccessRequest, event rolebroker.AuditEvent,
) error {
	actions, resources, err := narrowedColumns(r)
	if err != nil {
		return err
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		decided, err := tx.exec(ctx, decideAccessRequest, r.ID, r.Decision, millis(r.DecidedAt), clean(r.DecidedBy),
			r.Decider, r.Rule, r.Note, r.BreakGlass, r.Granted.Milliseconds(), r.GrantedAccess, millis(r.EndsAt),
			millis(r.OpenUntil()), actions, resources)
		if err != nil {
			return err
		}
		if decided == 0 {
			return tx.notPending(ctx, r.ID, r.DecidedAt)
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: r.Agent})
		return nil
	})
}

// notPending returns why a request cannot be decided. Codes: not_found, conflict.
func (t *tx) notPending(ctx context.Context, id rolebroker.AccessRequestID, at time.Time) error {
	var found []rolebroker.AccessRequest
	err := t.query(ctx, accessRequestByID, func(scan scan) error { return scanAccessRequest(scan, &found) }, id)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		return notFound("access request", string(id))
	}
	return found[0].NotPending(at)
}

// EndAccessRequest ends a request that is open, and marks the sessions under it that are live. It reports whether it
// was open.
func (s *Store) EndAccessRequest(
	ctx context.Context, r *rolebroker.AccessRequest, at time.Time, by string, event rolebroker.AuditEvent,
) (ended bool, err error) {
	err = s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		n, err := tx.exec(ctx, endAccessRequest, r.ID, millis(at), clean(by))
		ended, tx.unchanged = n > 0, n == 0
		if err != nil || n == 0 {
			return err
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: r.Agent})
		return tx.markEnded(ctx, rolebroker.Ending{At: at, By: by}, &rolebroker.Ended{}, endSessionsUnder, r.ID)
	})
	return ended, err
}

// endAccessRequests ends the requests of an agent that are open. The caller publishes the change of the agent.
func (t *tx) endAccessRequests(
	ctx context.Context, agent rolebroker.AgentID, at time.Time, by string,
) (ended int64, err error) {
	return t.exec(ctx, endAccessRequestsOf, agent, millis(at), clean(by))
}

// DeleteAccessRequests removes at most limit requests that were made before a time and were not open then, and returns
// how many.
func (s *Store) DeleteAccessRequests(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.run(ctx, deleteAccessRequests, millis(before), limit)
	return int(n), err
}
