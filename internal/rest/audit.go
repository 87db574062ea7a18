package rest

import (
	"context"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// auditEvents are the methods of the broker for the audit trail.
type auditEvents interface {
	AuditEvents(ctx context.Context, who rolebroker.Caller, filter rolebroker.AuditFilter, page rolebroker.Page) (
		[]rolebroker.AuditRecord, error)
}

type listAuditEvents struct {
	Paging
	Actor   string    `query:"actor" doc:"Only events of the API key, runner or agent with this ID, or with this name at the time." example:"admin"`
	Action  string    `query:"action" doc:"Only this action, or all of a noun." example:"agent.connect"`
	Subject string    `query:"subject" doc:"Only events that concern what has this ID, or had this name at the time." example:"scout"`
	Outcome string    `query:"outcome" enum:"done,refused" doc:"Only events with this outcome."`
	Since   time.Time `query:"since" doc:"Only events at this time or later." example:"2026-03-14T09:26:53Z"`
	Until   time.Time `query:"until" doc:"Only events before this time." example:"2026-03-15T00:00:00Z"`
}

func (s *server) listAuditEvents(ctx context.Context, who rolebroker.Caller, in *listAuditEvents) (
	*listAnswer[api.AuditEvent], error) {
	newestFirst := order[rolebroker.AuditRecord]{rolebroker.AuditCursor, isAuditCursor}
	return list(in.Paging, newestFirst, s.auditEvent, func(page rolebroker.Page) ([]rolebroker.AuditRecord, error) {
		filter := rolebroker.AuditFilter{Actor: in.Actor, Action: in.Action, Subject: in.Subject,
			Outcome: rolebroker.AuditOutcome(in.Outcome), Since: in.Since, Until: in.Until}
		return s.Broker.AuditEvents(ctx, who, filter, page)
	})
}

// auditEvent shows a record. One that cannot be read, because it was altered in the database, has its ID and time.
func (s *server) auditEvent(r *rolebroker.AuditRecord) api.AuditEvent {
	event, err := trail.Event(r.Record)
	if err != nil {
		event = api.AuditEvent{ID: string(r.ID), Time: r.At, Reason: "the record cannot be read"}
	}
	if r.Sequence >= 0 {
		event.Sequence, event.Hash = &r.Sequence, r.Hash
	}
	return event
}

// isAuditCursor says whether a text has the form of rolebroker.AuditCursor.
func isAuditCursor(cursor string) bool {
	id, ok := cutTime(cursor)
	return ok && strings.HasPrefix(id, "evt_")
}
