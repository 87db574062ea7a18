package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// requests takes what agents ask people. It is the containercreds.Requests of a server.
type requests struct {
	server    *Server
	publicURL string // empty: the URL of the server
	now       func() time.Time
	closing   <-chan struct{} // ends the waiting when it is closed
}

// MayCall returns the approval under which an agent may make a call. Where it needs one, it waits for people at most so
// long, and the refusal then says where they decide.
func (r requests) MayCall(ctx context.Context, who rolebroker.Caller, req rolebroker.Request,
	call *rolebroker.AskedCall, wait time.Duration) (rolebroker.AccessRequestID, error) {
	ctx, cancel := r.untilClosing(ctx)
	defer cancel()
	id, asked, err := r.server.broker.MayCall(ctx, who, req, call, wait)
	if err == nil || asked == nil {
		return id, err
	}
	refusal := rolebroker.AsError(err)
	return "", refusal.WithSteps(append(slices.Clone(refusal.Hint), rolebroker.Step{
		Text: "a person who is signed in decides at " + r.page(asked)})...)
}

// untilClosing returns a context that also ends when the server stops.
func (r requests) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-r.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// RequestAccess stores a request, or finds the open one for the same.
func (r requests) RequestAccess(ctx context.Context, who rolebroker.Caller, ask api.AccessRequestRequest) (
	api.MyAccessRequest, error) {
	duration, err := convert.FromDuration(ask.Duration)
	if err != nil {
		return api.MyAccessRequest{}, &rolebroker.Error{Code: rolebroker.CodeInvalid,
			Message: "the access request is not valid",
			Fields:  []rolebroker.Field{{Path: "duration", Message: err.Error()}}}
	}
	return r.show(r.server.broker.RequestAccess(ctx, who, broker.AccessRequestSpec{Role: ask.Role, Task: ask.Task,
		Reason: ask.Reason, Duration: duration, Again: rolebroker.AccessRequestID(ask.Again)}))
}

// MyAccessRequest finds a request of the caller, and waits at most so long while it is pending.
func (r requests) MyAccessRequest(ctx context.Context, who rolebroker.Caller, id string, wait time.Duration) (
	api.MyAccessRequest, error) {
	ctx, cancel := r.untilClosing(ctx)
	defer cancel()
	return r.show(r.server.broker.MyAccessRequest(ctx, who, rolebroker.AccessRequestID(id), wait))
}

// MyAccessRequests lists the newest requests of the caller.
func (r requests) MyAccessRequests(ctx context.Context, who rolebroker.Caller, state string) (
	[]api.MyAccessRequest, error) {
	found, err := r.server.broker.MyAccessRequests(ctx, who, rolebroker.AccessRequestState(state))
	if err != nil {
		return nil, err
	}
	return convert.All(found, r.convert), nil
}

func (r requests) show(found *rolebroker.AccessRequest, err error) (api.MyAccessRequest, error) {
	if err != nil {
		return api.MyAccessRequest{}, err
	}
	return r.convert(found), nil
}

func (r requests) convert(found *rolebroker.AccessRequest) api.MyAccessRequest {
	return convert.MyAccessRequest(found, r.now(), r.page(found))
}

// page is the URL where people decide a request.
func (r requests) page(of *rolebroker.AccessRequest) string {
	return cmp.Or(r.publicURL, r.server.url) + rolebroker.AccessRequestPage + string(of.ID)
}
