package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// auditEvents are the methods of the broker for the audit trail.
type auditEvents interface {
	AuditEvents(ctx context.Context, who rolebroker.Caller, filter rolebroker.AuditFilter, page rolebroker.Page) (
		[]rolebroker.AuditRecord, error)
	AuditTrail(ctx context.Context, who rolebroker.Caller) (rolebroker.AuditTrail, rolebroker.AuditCheckpoint, error)
	FollowTrail(ctx context.Context, who rolebroker.Caller, from int64, filter rolebroker.AuditFilter,
		wait time.Duration) ([]rolebroker.AuditRecord, int64, error)
	ExportTrail(ctx context.Context, who rolebroker.Caller, from int64, since time.Time) (
		func(*trail.Exporter) error, error)
}

// AuditFilter selects audit events of any time.
type AuditFilter struct {
	Actor   string `query:"actor" doc:"Only events of the API key, runner or agent with this ID, or with this name at the time." example:"admin"`
	Action  string `query:"action" doc:"Only this action, or all of a noun." example:"agent.connect"`
	Subject string `query:"subject" doc:"Only events that concern what has this ID, or had this name at the time." example:"scout"`
	Outcome string `query:"outcome" enum:"done,refused" doc:"Only events with this outcome."`
	Token   string `query:"token" doc:"Only events of the agent token or binding with this ID, or of the runner's credential or join token." example:"tok_5mzq2k4vprb7xw3tdn6hjc8ysa"`
	Address string `query:"address" doc:"Only events whose request came from this IP address." example:"192.0.2.7"`
	Request string `query:"request_id" doc:"Only events that were recorded for the request with this ID, which the header X-Request-Id of its answer had." example:"7mzq2k4vprb5xw3tdn6hjc8ysa"`
}

func (f AuditFilter) filter(since, until time.Time) rolebroker.AuditFilter {
	return rolebroker.AuditFilter{Actor: f.Actor, Action: f.Action, Subject: f.Subject,
		Outcome: rolebroker.AuditOutcome(f.Outcome), Token: f.Token, Address: f.Address,
		Request: rolebroker.RequestID(f.Request), Since: since, Until: until}
}

type listAuditEvents struct {
	Paging
	AuditFilter
	Since time.Time `query:"since" doc:"Only events at this time or later." example:"2026-03-14T09:26:53Z"`
	Until time.Time `query:"until" doc:"Only events before this time." example:"2026-03-15T00:00:00Z"`
}

func (s *server) listAuditEvents(ctx context.Context, who rolebroker.Caller, in *listAuditEvents) (
	*listAnswer[api.AuditEvent], error) {
	newestFirst := order[rolebroker.AuditRecord]{rolebroker.AuditCursor, isAuditCursor}
	return list(in.Paging, newestFirst, s.auditEvent, func(page rolebroker.Page) ([]rolebroker.AuditRecord, error) {
		return s.Broker.AuditEvents(ctx, who, in.filter(in.Since, in.Until), page)
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

type auditTrailAnswer struct {
	Body api.AuditTrail
}

func (s *server) getAuditTrail(ctx context.Context, who rolebroker.Caller, _ *struct{}) (*auditTrailAnswer, error) {
	state, checkpoint, err := s.Broker.AuditTrail(ctx, who)
	if err != nil {
		return nil, err
	}
	shown := api.AuditTrail{Size: state.Size, Waiting: state.Waiting, Covered: checkpoint.Size,
		Signed: state.Checkpoint > 0, Checkpoint: checkpoint.Signed}
	if shown.Signed {
		shown.CheckpointAt = &state.CheckpointAt
	}
	return &auditTrailAnswer{shown}, nil
}

type followAuditTrail struct {
	AuditFilter
	From int64 `query:"from_sequence" minimum:"-1" default:"-1" doc:"Begin with the event of this sequence; left out: with the next one." example:"1204"`
	Wait int   `query:"wait" minimum:"0" maximum:"30" default:"0" doc:"How many seconds to wait for an event; the answer may come sooner without one."`
}

type followed struct {
	Body api.FollowedAudit
}

func (s *server) followAuditTrail(ctx context.Context, who rolebroker.Caller, in *followAuditTrail) (*followed, error) {
	waiting, stop := s.untilClosing(ctx)
	defer stop()
	found, next, err := s.Broker.FollowTrail(waiting, who, in.From, in.filter(time.Time{}, time.Time{}),
		time.Duration(in.Wait)*time.Second)
	if err != nil {
		return nil, err
	}
	answer := &followed{api.FollowedAudit{Items: []api.AuditEvent{}, NextSequence: next}}
	for i := range found {
		answer.Body.Items = append(answer.Body.Items, s.auditEvent(&found[i]))
	}
	return answer, nil
}

// untilClosing returns a context that also ends when the server stops, for a request that waits.
func (s *server) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if s.Closing == nil {
		return ctx, cancel
	}
	go func() {
		select {
		case <-s.Closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

type exportAuditTrail struct {
	From   int64     `query:"from_sequence" minimum:"0" doc:"Begin with the event of this sequence; left out: with the first that is still there." example:"1204"`
	Since  time.Time `query:"since" doc:"Begin with the first event of this time or later." example:"2026-03-14T09:26:53Z"`
	Format string    `query:"format" enum:"jsonl,ocsf" default:"jsonl" doc:"jsonl can be verified; ocsf is for other programs."`
}

// Resolve refuses both at once. It notes whether the sequence was given, since 0 is one.
func (in *exportAuditTrail) Resolve(ctx huma.Context) []error {
	given := ctx.Query("from_sequence") != ""
	if given && !in.Since.IsZero() {
		return []error{&huma.ErrorDetail{Location: "query.since", Message: "cannot be combined with from_sequence"}}
	}
	if !given {
		in.From = -1
	}
	return nil
}

// exported is an answer that is written as it is read.
type exported struct {
	ContentType string `header:"Content-Type"`
	Body        func(huma.Context)
}

func (s *server) exportAuditTrail(ctx context.Context, who rolebroker.Caller, in *exportAuditTrail) (*exported, error) {
	write, err := s.Broker.ExportTrail(ctx, who, in.From, in.Since)
	if err != nil {
		return nil, err
	}
	return &exported{api.AuditExportType, func(out huma.Context) {
		if err := write(trail.NewExporter(out.BodyWriter(), rolebroker.AuditFormat(in.Format))); err != nil {
			s.logCause(ctx, "export-audit-trail", err)
			panic(http.ErrAbortHandler) // so that the client sees that the answer is not whole
		}
	}}, nil
}

// getLines is get for an operation that answers lines of JSON.
func getLines[I any](c collection, path, id string, h handler[I, exported]) {
	op := operation[I](c, http.MethodGet, path, id, http.StatusOK)
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		api.AuditExportType: {Schema: &huma.Schema{Type: huma.TypeString}}}}
	register(c, op, h)
}
