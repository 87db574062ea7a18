package runnerapi_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// recorded has our runner record a call, and returns what is on record of it; nil: nothing is.
func (w *world) recorded(call api.RunnerCall) *api.Call {
	w.Helper()
	ctx := context.Background()
	answer, err := w.ours.RecordCalls(ctx, []api.RunnerCall{call})
	if err != nil {
		w.Fatal(err)
	}
	found, err := w.tb.Admin.Call(ctx, call.ID)
	switch {
	case len(answer.Refused) == 0 && err == nil:
		return &found
	case len(answer.Refused) != 1 || rolebroker.CodeOf(err) != rolebroker.CodeNotFound:
		w.Errorf("a call that is refused, %+v, is on record: %v", answer.Refused, err)
	}
	return nil
}

// begun identifies scout to our runner, begins a session, and returns a write under it that is about to be sent.
func (w *world) begun() api.RunnerCall {
	w.Helper()
	ctx := context.Background()
	if _, err := w.ours.Identify(ctx, api.Identification{Token: api.Secret(w.tested.Reveal())}); err != nil {
		w.Fatal(err)
	}
	session := w.session(0)
	if err := w.ours.BeginSession(ctx, session); err != nil {
		w.Fatal(err)
	}
	tokens, err := w.tb.Admin.Tokens(ctx, "scout", client.List{})
	if err != nil {
		w.Fatal(err)
	}
	return api.RunnerCall{ID: string(rolebroker.NewCallID(time.Now())), Agent: w.scout.ID, Token: tokens.Items[0].ID,
		Integration: w.cluster.ID, Role: session.Role, Session: session.ID, Service: "s3", Operation: "PutObject",
		Actions: []string{"s3:PutObject"}, Resources: []string{"arn:aws:s3:::reports/a"}, Level: "write",
		Decision: "allowed", Times: 1}
}

func TestACallBelongsToItsSession(t *testing.T) {
	w := newWorld(t)
	other := w.tb.Agent("rover", "platform")
	tokens, err := w.tb.Admin.Tokens(context.Background(), "rover", client.List{})
	if err != nil || other.IsZero() {
		t.Fatal(err)
	}
	good := w.begun()
	for what, change := range map[string]func(*api.RunnerCall){
		"before the session":             func(c *api.RunnerCall) { c.ID = callAt(-time.Hour) },
		"of another task":                func(c *api.RunnerCall) { c.Task = "release-17" },
		"with a token of another agent":  func(c *api.RunnerCall) { c.Token = tokens.Items[0].ID },
		"that is not allowed or refused": func(c *api.RunnerCall) { c.Decision = "" },
	} {
		bad := good
		if change(&bad); w.recorded(bad) != nil {
			t.Errorf("a call %s is on record", what)
		}
	}
	if w.recorded(good) == nil {
		t.Error("its own call is not on record")
	}
}

// callAt is the ID of a call that began so much later than now.
func callAt(later time.Duration) string { return string(rolebroker.NewCallID(time.Now().Add(later))) }

// A runner that has not heard yet that a session was ended, or that it lost the role, sends nothing to AWS.
func TestWhatWasTakenAwayRefusesTheNextWrite(t *testing.T) {
	ctx := context.Background()
	for what, take := range map[string]func(*world, api.RunnerCall) error{
		"the session": func(w *world, call api.RunnerCall) error {
			_, err := w.tb.Admin.EndSession(ctx, call.Session, api.EndSessionRequest{})
			return err
		},
		"the integration": func(w *world, _ api.RunnerCall) error {
			_, err := w.tb.Admin.UpdateIntegration(ctx, "cluster", api.IntegrationRequest{Name: "cluster",
				AssumptionMode: "cluster", Runner: "theirs", DefaultRole: "inner",
				Roles: []api.RoleRequest{w.tb.Role("inner", "Inner", "us-east-1")}}, "", api.ValidateSkip)
			return err
		},
	} {
		w := newWorld(t)
		call := w.begun()
		if err := take(w, call); err != nil {
			t.Fatal(err)
		}
		if w.recorded(call) != nil {
			t.Errorf("without %s, a write is on record", what)
		}
	}
}

// What people read of a call that a runner asks about is fit to show, and the record of the call has no approval that
// they did not give.
func TestARunnersQuestionIsFitToShow(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	call := w.begun()
	if _, err := w.tb.Admin.Limit(ctx, "scout", "cluster", api.LimitsRequest{Keys: "withheld",
		Approval: "write"}, ""); err != nil {
		t.Fatal(err)
	}
	asked := call
	asked.Decision, asked.Service, asked.Operation = "", "s3\x1b[2J", "Put\nApproved by\u202e"+strings.Repeat("x", 9000)
	asked.Region, asked.Resources = "eu\nwest", []string{strings.Repeat("r", 9000)}
	if answer, err := w.ours.ApproveCall(ctx, api.CallQuestion{Call: asked}); err != nil || answer.Allowed {
		t.Fatalf("the call is answered with %+v, %v", answer, err)
	}
	found, err := w.tb.Admin.AccessRequests(ctx, api.AccessRequestFilter{}, client.List{})
	if err != nil || len(found.Items) != 1 || found.Items[0].Call == nil {
		t.Fatalf("people are asked %+v, %v", found, err)
	}
	shown := found.Items[0].Call
	for _, text := range append([]string{shown.Service, shown.Operation, shown.Region}, shown.Resources...) {
		if len(text) > 1000 || strings.ContainsAny(text, "\n\x1b\u202e") {
			t.Errorf("people read %.200q", text)
		}
	}
	call.Level, call.AccessRequest = "read", found.Items[0].ID
	if on := w.recorded(call); on == nil || on.AccessRequest != "" {
		t.Errorf("under an approval that nobody gave, on record is %+v", on)
	}
}
