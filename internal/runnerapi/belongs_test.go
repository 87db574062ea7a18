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

// heir replaces our runner by a new one of the same name, which assumes the roles of
// the integration from now on.
func (w *world) heir() *client.Client {
	w.Helper()
	ctx := context.Background()
	move := func(runner string) {
		w.Helper()
		_, err := w.tb.Admin.UpdateIntegration(ctx, "cluster", api.IntegrationRequest{Name: "cluster",
			AssumptionMode: "cluster", Runner: runner, DefaultRole: "inner",
			Roles: []api.RoleRequest{w.tb.Role("inner", "Inner", "us-east-1")}}, "", api.ValidateSkip)
		if err != nil {
			w.Fatal(err)
		}
	}
	move("theirs")
	if err := w.tb.Admin.DeleteRunner(ctx, "ours", ""); err != nil {
		w.Fatal(err)
	}
	heir, _ := w.join("ours")
	move("ours")
	return heir
}

// Sessions belong to a runner, and not to its name: a new runner of the same name
// neither finishes, counts nor renews them.
func TestANewRunnerOfTheSameNameInheritsNoSessions(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.identify(w.ours)
	first := w.session(0)
	if err := w.ours.BeginSession(ctx, first); err != nil {
		t.Fatal(err)
	}
	heir := w.heir()
	w.identify(heir)
	w.refused("the outcome", heir.FinishSession(ctx, first.ID, api.SessionOutcome{State: "active",
		ExpiresAt: time.Now().Add(time.Hour), AccessKeyID: "ASIAIOSFODNN7EXAMPLE"}), rolebroker.CodeNotFound)
	late := w.session(0)
	late.Late = true
	w.refused("a renewal", heir.BeginSession(ctx, late), rolebroker.CodeDenied)
	if err := heir.RecordUse(ctx, api.Usage{Fetches: []api.Fetch{{Session: first.ID, Count: 2,
		Last: time.Now()}}}); err != nil {
		t.Error(err)
	}
	for s, err := range w.tb.Admin.AllSessions(ctx, api.SessionFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.State != "requested" || s.Fetches != 0 {
			t.Errorf("the new runner changed %+v", s)
		}
	}
	if err := heir.BeginSession(ctx, w.session(0)); err != nil {
		t.Errorf("its own session: %v", err)
	}
}

// identify has scout show its token to a runner.
func (w *world) identify(runner *client.Client) {
	w.Helper()
	known, err := runner.Identify(context.Background(), api.Identification{Token: api.Secret(w.tested.Reveal())})
	if err != nil || known.Token == nil {
		w.Fatalf("%+v, %v", known, err)
	}
}

// A runner of an earlier version tells no access, and would lend everything that the role allows. It is refused a
// connection that is limited, with what to do, and still lends others.
func TestAnOlderRunnerLendsNoLimitedConnection(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.identify(w.ours)
	limit := func(l api.LimitsRequest) {
		t.Helper()
		if _, err := w.tb.Admin.Limit(ctx, "scout", "cluster", l, ""); err != nil {
			t.Fatal(err)
		}
	}
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	begins := func(change func(*api.RunnerSession)) error {
		s := w.session(0)
		change(&s)
		return w.ours.BeginSession(ctx, s)
	}
	older := func(*api.RunnerSession) {}
	tells := func(access, hash string, narrowed bool) func(*api.RunnerSession) {
		return func(s *api.RunnerSession) { s.Access, s.PolicyHash, s.Narrowed = access, hash, narrowed }
	}
	if err := begins(older); err != nil {
		t.Errorf("an older runner and a connection without limits: %v", err)
	}
	for _, l := range []api.LimitsRequest{{Access: "read-only"}, {Access: "view-only"},
		{Access: "policy", SessionPolicy: policy}} {
		limit(l)
		err := begins(older)
		w.refused("an older runner with "+l.Access, err, rolebroker.CodeDenied)
		if !strings.Contains(err.Error(), "is limited to access "+l.Access+", which runner ours cannot enforce") ||
			!strings.Contains(rolebroker.AsError(err).Hint.String(), "upgrade the runner") {
			t.Errorf("%v (%s)", err, rolebroker.AsError(err).Hint)
		}
		w.refused("a runner that missed the change", begins(tells("full", "", false)), rolebroker.CodeStale)
		w.refused("a runner that narrows to more", begins(tells("full", "", true)), rolebroker.CodeStale)
		w.refused("a runner that invents one", begins(tells("all", "", false)), rolebroker.CodeInvalid)
	}
	w.refused("another policy", begins(tells("policy", rolebroker.HashPolicy("{}"), false)), rolebroker.CodeStale)
	w.refused("a narrowed policy", begins(tells("read-only", "", true)), rolebroker.CodeStale)
	if err := begins(tells("policy", rolebroker.HashPolicy(policy), false)); err != nil {
		t.Errorf("the policy: %v", err)
	}
	none := []string{}
	limit(api.LimitsRequest{Roles: &none})
	w.refused("a role that the connection does not include", begins(older), rolebroker.CodeDenied)
	limit(api.LimitsRequest{})
	if err := begins(tells("read-only", "", true)); err != nil {
		t.Errorf("a process that asks for less: %v", err)
	}
}

// A runner has to name the approval that a session is under. One of an earlier version names none, and lends nothing that
// needs one; an approval of another task, one that is over, and one that is made up are refused too. The record of the
// session ends with the approval.
func TestARunnerNamesTheApproval(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.identify(w.ours)
	if _, err := w.tb.Admin.Limit(ctx, "scout", "cluster", api.LimitsRequest{Approval: "borrow"}, ""); err != nil {
		t.Fatal(err)
	}
	begins := func(request string) error {
		s := w.session(0)
		s.Access, s.AccessRequest = "full", request
		return w.ours.BeginSession(ctx, s)
	}
	w.refused("nobody approved it", begins(""), rolebroker.CodeApproval)
	made, err := w.tb.Admin.CreateAPIKey(ctx, api.APIKeyRequest{Name: "alice", Access: "approver"})
	if err != nil {
		t.Fatal(err)
	}
	key := rolebroker.NewSecret(made.Key.Reveal())
	w.tb.HandedOut(key)
	alice, scout := w.tb.Client(key), w.tb.Client(w.tb.Token("scout"))
	approved := func(task string) api.AccessRequest {
		t.Helper()
		asked, err := scout.RequestAccess(ctx, api.AccessRequestRequest{Role: w.cluster.Roles[0].ID, Reason: "r",
			Task: task})
		if err == nil {
			var granted api.AccessRequest
			if granted, err = alice.ApproveRequest(ctx, asked.ID, api.ApproveRequest{Duration: "10m"}); err == nil {
				return granted
			}
		}
		t.Fatal(err)
		return api.AccessRequest{}
	}
	another := approved("another")
	w.refused("another task is approved", begins(another.ID), rolebroker.CodeApproval)
	granted := approved("")
	w.refused("a runner that names none", begins(""), rolebroker.CodeDenied)
	w.refused("a runner that names another", begins(another.ID), rolebroker.CodeStale)
	w.refused("a runner that invents one", begins("anything"), rolebroker.CodeInvalid)
	if err := begins(granted.ID); err != nil {
		t.Fatal(err)
	}
	for s, err := range w.tb.Admin.AllSessions(ctx, api.SessionFilter{}) {
		if err != nil || s.AccessRequest != granted.ID || s.ExpiresAt.After(*granted.EndsAt) {
			t.Errorf("the session is %+v: %v", s, err)
		}
	}
	// A session that it began while it could not reach the server is recorded, and under no approval of something else.
	for request, want := range map[string]string{granted.ID: granted.ID, another.ID: "",
		string(rolebroker.NewAccessRequestID()): ""} {
		late := w.session(0)
		late.Access, late.AccessRequest, late.Late = "full", request, true
		if err := w.ours.BeginSession(ctx, late); err != nil {
			t.Error(err)
		}
		for s, err := range w.tb.Admin.AllSessions(ctx, api.SessionFilter{}) {
			if err != nil || s.ID == late.ID && s.AccessRequest != want {
				t.Errorf("a late session that names %s is under %q: %v", request, s.AccessRequest, err)
			}
		}
	}
	if _, err := alice.EndRequest(ctx, granted.ID); err != nil {
		t.Fatal(err)
	}
	w.refused("it is ended", begins(granted.ID), rolebroker.CodeApproval)
}
