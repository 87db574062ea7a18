package runner

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// asked takes access requests in the server of a world.
type asked struct{ broker *broker.Broker }

func (a asked) RequestAccess(ctx context.Context, who rolebroker.Caller, ask api.AccessRequestRequest) (
	api.MyAccessRequest, error) {
	duration, err := convert.FromDuration(ask.Duration)
	if err != nil {
		return api.MyAccessRequest{}, err
	}
	return shown(a.broker.RequestAccess(ctx, who, broker.AccessRequestSpec{Role: ask.Role, Task: ask.Task,
		Reason: ask.Reason, Duration: duration}))
}

func (a asked) MyAccessRequest(ctx context.Context, who rolebroker.Caller, id string, wait time.Duration) (
	api.MyAccessRequest, error) {
	return shown(a.broker.MyAccessRequest(ctx, who, rolebroker.AccessRequestID(id), wait))
}

func (a asked) MyAccessRequests(ctx context.Context, who rolebroker.Caller, state string) (
	[]api.MyAccessRequest, error) {
	found, err := a.broker.MyAccessRequests(ctx, who, rolebroker.AccessRequestState(state))
	return convert.All(found, func(r *rolebroker.AccessRequest) api.MyAccessRequest {
		return convert.MyAccessRequest(r, time.Now(), "")
	}), err
}

func shown(r *rolebroker.AccessRequest, err error) (api.MyAccessRequest, error) {
	if err != nil {
		return api.MyAccessRequest{}, err
	}
	return convert.MyAccessRequest(r, time.Now(), "https://server/access-requests/"+string(r.ID)), nil
}

// needApproval has both integrations of scout need an approval, and returns a client with an approver key.
func (w *world) needApproval() *client.Client {
	w.Helper()
	for _, in := range []string{"cluster", "platform"} {
		try(w.admin.Limit(context.Background(), "scout", in, api.LimitsRequest{Approval: "borrow"}, ""))(w)
	}
	key := try(w.admin.CreateAPIKey(context.Background(), api.APIKeyRequest{Name: "alice", Access: "approver"}))(w)
	return clientOf(w, w.network.handler, rolebroker.NewSecret(key.Key.Reveal()))
}

// A runner lends what a person approved: what it assumes itself and what the platform assumes, from the approval until
// its end, or until a person ends it. Its agents ask through it, and the server has the approval in the record.
func TestARunnerLendsUnderAnApproval(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, ctx := w.needApproval(), context.Background()
		agent := clientOf(w, w.runner.http.Handler, w.scout)
		grant := func(role, duration string) api.AccessRequest {
			w.Helper()
			w.eventually(role+" needs an approval", func() bool {
				_, err := w.borrows(w.scout, role)
				return rolebroker.CodeOf(err) == rolebroker.CodeApproval
			})
			made := try(agent.RequestAccess(ctx, api.AccessRequestRequest{Role: role, Reason: "r", Duration: "1h"}))(w)
			if made.State != "pending" || !strings.HasPrefix(made.URL, "https://server/") {
				w.Errorf("it asked %+v", made)
			}
			w.deny(role, rolebroker.CodeApproval)
			decided := make(chan api.MyAccessRequest)
			go func() { decided <- try(agent.MyAccessRequest(ctx, made.ID, time.Minute))(w) }()
			time.Sleep(time.Second)
			granted := try(alice.ApproveRequest(ctx, made.ID, api.ApproveRequest{Duration: duration}))(w)
			if got := <-decided; got.State != "approved" || !got.EndsAt.Equal(*granted.EndsAt) {
				w.Errorf("it waited for %+v", got)
			}
			return granted
		}
		for _, role := range []string{"cluster/inner", "platform/readonly"} {
			granted := grant(role, "10m")
			w.eventually(role+" is lent", func() bool { _, err := w.borrows(w.scout, role); return err == nil })
			if lent := w.allow(role); lent.Expiration.After(*granted.EndsAt) {
				w.Errorf("%s expires at %s, after %s", role, lent.Expiration, granted.EndsAt)
			}
			if s := w.sessions()[0]; s.AccessRequest != granted.ID || s.ExpiresAt.After(*granted.EndsAt) {
				w.Errorf("the session of %s is %+v", role, s)
			}
			time.Sleep(10 * time.Minute)
			w.deny(role, rolebroker.CodeApproval)

			granted = grant(role, "")
			w.eventually(role+" is lent again", func() bool { _, err := w.borrows(w.scout, role); return err == nil })
			try(alice.EndRequest(ctx, granted.ID))(w)
			w.eventually(role+" is ended", func() bool {
				_, err := w.borrows(w.scout, role)
				return rolebroker.CodeOf(err) == rolebroker.CodeApproval
			})
		}
		w.deny("cluster/other", rolebroker.CodeApproval)
	})
}

// While the server cannot be reached, a runner goes on under the approval that it knows, and not beyond its end.
func TestAnApprovalEndsInAnOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		alice, ctx := w.needApproval(), context.Background()
		made := try(clientOf(w, w.runner.http.Handler, w.scout).RequestAccess(ctx,
			api.AccessRequestRequest{Role: "inner", Reason: "r"}))(w)
		try(alice.ApproveRequest(ctx, made.ID, api.ApproveRequest{Duration: "20m"}))(w)
		w.eventually("it is lent", func() bool { _, err := w.borrows(w.scout, "inner"); return err == nil })
		w.network.set(cut)
		w.deny("platform/readonly", rolebroker.CodeApproval) // which the server would say
		time.Sleep(19 * time.Minute)
		w.allow("inner")
		time.Sleep(time.Minute)
		w.deny("inner", rolebroker.CodeApproval)
	})
}
