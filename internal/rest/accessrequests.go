package rest

import (
	"context"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// accessRequests are the methods of the broker for people who decide access requests.
type accessRequests interface {
	AccessRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID) (
		*rolebroker.AccessRequest, error)
	AccessRequests(ctx context.Context, who rolebroker.Caller, filter rolebroker.AccessRequestFilter,
		page rolebroker.Page) ([]rolebroker.AccessRequest, error)
	ApproveRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, with rolebroker.ApprovalTerms) (
		*rolebroker.AccessRequest, error)
	DenyRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, reason string) (
		*rolebroker.AccessRequest, error)
	EndRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID) (
		*rolebroker.AccessRequest, error)
}

// InAccessRequest is the path of one access request.
type InAccessRequest struct {
	ID string `path:"access_request" doc:"The ID of the access request." example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`
}

type (
	listAccessRequests struct {
		Paging
		State string    `query:"state" enum:"pending,approved,denied,expired,ended" doc:"Only requests in this state now."`
		Agent string    `query:"agent" doc:"Only requests of the agent with this ID, or with this name at the time." example:"scout"`
		Since time.Time `query:"since" doc:"Only requests that were made at this time or later." example:"2026-03-14T09:26:53Z"`
	}
	approveRequest struct {
		InAccessRequest
		Body body[api.ApproveRequest]
	}
	denyRequest struct {
		InAccessRequest
		Body body[api.DenyRequest]
	}
	accessRequestAnswer struct {
		Body api.AccessRequest
	}
)

func (s *server) listAccessRequests(ctx context.Context, who rolebroker.Caller, in *listAccessRequests) (
	*listAnswer[api.AccessRequest], error) {
	newestFirst := order[rolebroker.AccessRequest]{rolebroker.AccessRequestCursor, isAccessRequestCursor}
	show := func(r *rolebroker.AccessRequest) api.AccessRequest { return convert.AccessRequest(r, s.Now()) }
	return list(in.Paging, newestFirst, show, func(page rolebroker.Page) ([]rolebroker.AccessRequest, error) {
		filter := rolebroker.AccessRequestFilter{State: rolebroker.AccessRequestState(in.State), Agent: in.Agent,
			Since: in.Since}
		return s.Broker.AccessRequests(ctx, who, filter, page)
	})
}

func (s *server) getAccessRequest(ctx context.Context, who rolebroker.Caller, in *InAccessRequest) (
	*accessRequestAnswer, error) {
	return s.accessRequest(s.Broker.AccessRequest(ctx, who, rolebroker.AccessRequestID(in.ID)))
}

func (s *server) approveRequest(ctx context.Context, who rolebroker.Caller, in *approveRequest) (
	*accessRequestAnswer, error) {
	req := in.Body.value
	duration, err := convert.FromDuration(req.Duration)
	if err != nil {
		return nil, invalid("duration", err.Error())
	}
	return s.accessRequest(s.Broker.ApproveRequest(ctx, who, rolebroker.AccessRequestID(in.ID),
		rolebroker.ApprovalTerms{Duration: duration, Access: rolebroker.Access(req.Access), Note: req.Note,
			BreakGlass: req.BreakGlass, AllCalls: req.AllCalls,
			Narrowed: rolebroker.Narrowed{Actions: req.Actions, Resources: req.Resources}}))
}

func (s *server) denyRequest(ctx context.Context, who rolebroker.Caller, in *denyRequest) (
	*accessRequestAnswer, error) {
	return s.accessRequest(s.Broker.DenyRequest(ctx, who, rolebroker.AccessRequestID(in.ID), in.Body.value.Reason))
}

func (s *server) endRequest(ctx context.Context, who rolebroker.Caller, in *InAccessRequest) (
	*accessRequestAnswer, error) {
	return s.accessRequest(s.Broker.EndRequest(ctx, who, rolebroker.AccessRequestID(in.ID)))
}

// accessRequest answers an access request.
func (s *server) accessRequest(r *rolebroker.AccessRequest, err error) (*accessRequestAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &accessRequestAnswer{convert.AccessRequest(r, s.Now())}, nil
}

// isAccessRequestCursor says whether a text has the form of rolebroker.AccessRequestCursor.
func isAccessRequestCursor(cursor string) bool {
	id, ok := cutTime(cursor)
	return ok && strings.HasPrefix(id, "req_")
}
