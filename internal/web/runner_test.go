package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// The form keeps the runner that an integration names, until it leaves the mode.
func TestTheFormKeepsTheRunner(t *testing.T) {
	s := newSite(t, false)
	b := s.as(s.admin)
	path := b.create("production")
	ctx := context.Background()
	runner, err := s.broker.CreateRunner(ctx, root, broker.RunnerSpec{Name: "eks"})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	in.AssumptionMode, in.Runner = rolebroker.ModeCluster, runner.ID
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 0, rolebroker.ValidateSkip); err != nil {
		t.Fatal(err)
	}
	hidden := `<input type="hidden" name="runner" value="` + string(runner.ID) + `">`
	if page := b.get(path).Body.String(); !strings.Contains(page, hidden) {
		t.Fatal("the form has no runner")
	}
	save := func(version, mode, want string) {
		t.Helper()
		answer := b.post(path, "name", "production", "mode", mode, "runner", string(runner.ID), "version", version, "rows", "1", "default", "0", "role.0.id", string(in.Roles[0].ID),
			"role.0.name", "readonly", "role.0.arn", roleARN, "role.0.region", "us-east-1", "role.0.enabled", "on", "action", "save")
		if answer.Code != http.StatusSeeOther {
			t.Fatalf("saving answers %d: %s", answer.Code, answer.Body)
		}
		if in, err := s.broker.Integration(ctx, root, "production"); err != nil || in.RunnerName != want {
			t.Errorf("its runner is %q: %v", in.RunnerName, err)
		}
	}
	save("2", "cluster", "eks")
	save("3", "platform", "")
	if page := b.get(path).Body.String(); strings.Contains(page, `name="runner"`) {
		t.Error("the form has a runner that the integration does not have")
	}
}
