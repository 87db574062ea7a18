package runnerapi_test

import (
	"context"
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
