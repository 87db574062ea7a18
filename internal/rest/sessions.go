package rest

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// sessions are the methods of the broker for sessions.
type sessions interface {
	EndSession(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID, apply bool) (
		*rolebroker.Session, *rolebroker.CutOff, error)
	EndedSession(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID) (
		*rolebroker.Session, *rolebroker.CutOff, error)
	EndSessions(ctx context.Context, who rolebroker.Caller, agent, role string) (rolebroker.Ended, error)
	Session(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID) (*rolebroker.SessionDetails, error)
	Sessions(ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page) (
		[]rolebroker.Session, error)
}

type listSessions struct {
	Paging
	Agent       string    `query:"agent" doc:"Only sessions of the agent with this ID, or with this name at the time." example:"scout"`
	Integration string    `query:"integration" doc:"Only sessions for the integration with this ID, or with this name at the time." example:"production"`
	Role        string    `query:"role" doc:"Only sessions for the role with this ID or ARN, or with this name or integration/role at the time." example:"production/readonly"`
	Token       string    `query:"token" doc:"Only sessions that were begun with the agent token or the binding that has this ID." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Request     string    `query:"request" doc:"Only sessions under the approval of the access request that has this ID. Without token." example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	Account     string    `query:"account" doc:"Only sessions for roles of the AWS account with this ID." example:"444455556666"`
	Since       time.Time `query:"since" doc:"Only sessions that were requested at this time or later." example:"2026-03-14T09:26:53Z"`
	Until       time.Time `query:"until" doc:"Only sessions that were requested before this time." example:"2026-03-15T00:00:00Z"`
	At          time.Time `query:"at" doc:"Only sessions that were requested at this time or before, and whose credentials had not expired then; those of sessions that were ended may have worked, too. Without since, until and live." example:"2026-03-14T15:00:00Z"`
	Live        bool      `query:"live" doc:"true: only sessions whose credentials may still work."`
}

func (s *server) listSessions(ctx context.Context, who rolebroker.Caller, in *listSessions) (
	*listAnswer[api.Session], error) {
	newestFirst := order[rolebroker.Session]{rolebroker.SessionCursor, isSessionCursor}
	show := func(x *rolebroker.Session) api.Session { return convert.Session(x, s.Now()) }
	return list(in.Paging, newestFirst, show, func(page rolebroker.Page) ([]rolebroker.Session, error) {
		filter := rolebroker.SessionFilter{Agent: in.Agent, Integration: in.Integration, Role: in.Role,
			Token: rolebroker.TokenID(in.Token), Request: rolebroker.AccessRequestID(in.Request), Account: in.Account, Since: in.Since, Until: in.Until}
		if !in.At.IsZero() {
			if in.Live || !in.Since.IsZero() || !in.Until.IsZero() {
				return nil, errAt
			}
			filter.LiveAt, filter.Until = in.At, in.At.Add(time.Millisecond)
		}
		if in.Live {
			filter.LiveAt = s.Now()
		}
		return s.Broker.Sessions(ctx, who, filter, page)
	})
}

// errAt refuses a filter of several times.
var errAt = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the filter is not valid",
	Fields: []rolebroker.Field{{Path: "at", Message: "cannot be together with since, until or live"}}}

type (
	InSession struct {
		ID string `path:"session" doc:"The session's ID." example:"ses_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	}
	endSession struct {
		InSession
		Body *body[api.EndSessionRequest]
	}
	sessionAnswer struct {
		Body api.EndedSession
	}
	endSessions struct {
		Body body[api.EndSessionsRequest]
	}
	sessionDetailsAnswer struct {
		Body api.SessionDetails
	}
	endedAnswer struct {
		Body api.EndedSessions
	}
)

func (s *server) getSession(ctx context.Context, who rolebroker.Caller, in *InSession) (
	*sessionDetailsAnswer, error) {
	d, err := s.Broker.Session(ctx, who, rolebroker.SessionID(in.ID))
	if err != nil {
		return nil, err
	}
	shown := api.SessionDetails{Session: convert.Session(&d.Session, s.Now()), BegunBy: string(d.BegunBy),
		AgentDeleted: d.AgentGone, Calls: []api.Call{}, MoreCalls: d.MoreCalls, Events: []api.AuditEvent{},
		MoreEvents: d.MoreEvents}
	if d.Approval != nil {
		approval := convert.AccessRequest(d.Approval, s.Now())
		shown.Approval = &approval
	}
	if d.AllowedBy != nil {
		event := s.auditEvent(d.AllowedBy)
		shown.AllowedBy = &event
	}
	for i := range d.Calls {
		shown.Calls = append(shown.Calls, trail.Call(&d.Calls[i]))
	}
	for i := range d.Events {
		shown.Events = append(shown.Events, s.auditEvent(&d.Events[i]))
	}
	return &sessionDetailsAnswer{shown}, nil
}

func (s *server) endSession(ctx context.Context, who rolebroker.Caller, in *endSession) (*sessionAnswer, error) {
	apply := in.Body != nil && in.Body.value.Apply
	return s.ended(s.Broker.EndSession(ctx, who, rolebroker.SessionID(in.ID), apply))
}

func (s *server) getEndedSession(ctx context.Context, who rolebroker.Caller, in *InSession) (*sessionAnswer, error) {
	return s.ended(s.Broker.EndedSession(ctx, who, rolebroker.SessionID(in.ID)))
}

func (s *server) ended(session *rolebroker.Session, cut *rolebroker.CutOff, err error) (*sessionAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &sessionAnswer{convert.EndedSession(convert.Session(session, s.Now()), cut)}, nil
}

func (s *server) endSessions(ctx context.Context, who rolebroker.Caller, in *endSessions) (*endedAnswer, error) {
	ended, err := s.Broker.EndSessions(ctx, who, in.Body.value.Agent, in.Body.value.Role)
	if err != nil {
		return nil, err
	}
	return &endedAnswer{convert.EndedSessions(ended)}, nil
}

// isSessionCursor says whether a text has the form of rolebroker.SessionCursor.
func isSessionCursor(cursor string) bool {
	id, ok := cutTime(cursor)
	return ok && strings.HasPrefix(id, "ses_")
}

// cutTime returns what follows the milliseconds in a cursor.
func cutTime(cursor string) (rest string, ok bool) {
	millis, rest, _ := strings.Cut(cursor, ".")
	_, err := strconv.ParseInt(millis, 10, 64)
	return rest, err == nil
}
