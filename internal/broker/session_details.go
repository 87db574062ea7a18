package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// Session finds a session by its ID, with what explains it. Codes: denied, not_found.
func (b *Broker) Session(
	ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID,
) (*rolebroker.SessionDetails, error) {
	named := rolebroker.Named(rolebroker.KindSession, string(id))
	if err := b.May(ctx, who, rolebroker.ActionSessionGet, named); err != nil {
		return nil, err
	}
	session, err := b.store.Session(ctx, id)
	if err != nil {
		return nil, withHint(err, "rolebroker session list shows what there is")
	}
	d := &rolebroker.SessionDetails{Session: *session}
	for _, add := range []func(context.Context, *rolebroker.SessionDetails) error{
		b.addAgent, b.addApproval, b.addAllowed, b.addCalls, b.addEvents,
	} {
		if err := add(ctx, d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (b *Broker) addAgent(ctx context.Context, d *rolebroker.SessionDetails) error {
	_, err := b.store.Agent(ctx, string(d.Agent))
	d.AgentGone = rolebroker.CodeOf(err) == rolebroker.CodeNotFound
	return unlessGone(err)
}

func (b *Broker) addApproval(ctx context.Context, d *rolebroker.SessionDetails) (err error) {
	if d.AccessRequest == "" {
		return nil
	}
	if d.Approval, err = b.store.AccessRequest(ctx, d.AccessRequest); err != nil {
		d.Approval = nil
	}
	return unlessGone(err)
}

// unlessGone is the error of finding something that may have been deleted.
func unlessGone(err error) error {
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil
	}
	return err
}

// addCalls adds the newest calls.
func (b *Broker) addCalls(ctx context.Context, d *rolebroker.SessionDetails) (err error) {
	d.Calls, err = b.store.Calls(ctx, rolebroker.CallFilter{Session: d.ID},
		rolebroker.Page{Limit: rolebroker.MaxSessionCalls + 1})
	if d.MoreCalls = len(d.Calls) > rolebroker.MaxSessionCalls; d.MoreCalls {
		d.Calls = d.Calls[:rolebroker.MaxSessionCalls]
	}
	return err
}

// addEvents adds the newest events, and the request that the first of all was recorded for.
func (b *Broker) addEvents(ctx context.Context, d *rolebroker.SessionDetails) (err error) {
	about := rolebroker.AuditFilter{Subject: string(d.ID)}
	d.Events, err = b.store.AuditEvents(ctx, about, rolebroker.Page{Limit: rolebroker.MaxSessionEvents + 1})
	if d.MoreEvents = len(d.Events) > rolebroker.MaxSessionEvents; d.MoreEvents {
		d.Events = d.Events[:rolebroker.MaxSessionEvents]
	}
	if err != nil {
		return err
	}
	about.Action = string(rolebroker.ActionSessionBegin)
	begun, err := b.store.AuditEvents(ctx, about, rolebroker.Page{Limit: 1})
	if err == nil && len(begun) > 0 {
		if e, err := trail.Event(begun[0].Record); err == nil {
			d.BegunBy = rolebroker.RequestID(e.RequestID)
		}
	}
	return err
}

// Bounds of the search for the change that allowed a session: so many changes of an agent are read, at a time and in
// all.
const (
	agentChanges    = 100
	maxAgentChanges = 1000
)

// addAllowed adds the last change of the connection before the session began.
func (b *Broker) addAllowed(ctx context.Context, d *rolebroker.SessionDetails) error {
	until := stored(d.RequestedAt).Add(time.Millisecond)
	names, err := b.namesOf(ctx, d.Integration, d.IntegrationName)
	if err != nil {
		return err
	}
	changes := rolebroker.AuditFilter{Subject: string(d.Agent), Action: "agent", Until: until}
	page := rolebroker.Page{Limit: agentChanges}
	for range maxAgentChanges / agentChanges {
		found, err := b.store.AuditEvents(ctx, changes, page)
		if err != nil {
			return err
		}
		for i := range found {
			if trail.ChangesConnection(found[i].Record, d.Integration, names) {
				d.AllowedBy = &found[i]
				return nil
			}
		}
		if len(found) < agentChanges {
			return nil
		}
		page.After = rolebroker.AuditCursor(&found[len(found)-1])
	}
	return nil
}

// namesOf returns the names that an integration has on record: one, and those that it was renamed from and to.
func (b *Broker) namesOf(ctx context.Context, id rolebroker.IntegrationID, name string) (map[string]bool, error) {
	names := map[string]bool{name: true}
	found, err := b.store.AuditEvents(ctx, rolebroker.AuditFilter{Subject: string(id),
		Action: string(rolebroker.ActionIntegrationUpdate)}, rolebroker.Page{Limit: agentChanges})
	for _, r := range found {
		if e, err := trail.Event(r.Record); err == nil && e.Outcome == string(rolebroker.OutcomeDone) {
			names[e.Before["name"]], names[e.After["name"]] = true, true
		}
	}
	delete(names, "")
	return names, err
}
