package rest_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// The Go client and the API work together over a real connection.
func TestThroughTheClient(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	ctx := t.Context()
	c, err := client.New(client.Options{URL: server.URL, Token: rolebroker.NewSecret(strings.TrimPrefix(w.admin,
		"Bearer "))})
	if err != nil {
		t.Fatal(err)
	}
	reserved := must(c.ReserveExternalID(ctx))(t)
	externalID := reserved.ExternalID
	disabled := false
	in := must(c.CreateIntegration(ctx, api.IntegrationRequest{Name: "production", ExternalID: externalID,
		DefaultRole: "r", Roles: []api.RoleRequest{
			{Name: "r", ARN: "arn:aws:iam::444455556666:role/R", Region: "us-east-1", SessionDuration: "2h"},
			{Name: "s", ARN: "arn:aws:iam::444455556666:role/S", Region: "us-east-1",
				Enabled: &disabled}}}, api.ValidateSkip))(t)
	if in.ExternalID != externalID || in.Roles[0].SessionDuration != "2h" || in.Roles[1].Enabled {
		t.Errorf("the integration is %+v", in)
	}
	if diff := cmp.Diff(in, must(c.Integration(ctx, "production"))(t)); diff != "" {
		t.Errorf("the integration is not what was created:\n%s", diff)
	}
	updated := must(c.UpdateIntegration(ctx, in.ID,
		api.IntegrationRequest{ID: in.ID, Name: "production", DefaultRole: "r",
			Roles: []api.RoleRequest{{ID: in.Roles[0].ID, Name: "r", ARN: in.Roles[0].ARN,
				Region: "eu-west-1"}}}, in.ETag(), api.ValidateSkip))(t)
	if updated.Version != 2 || updated.Roles[0].ID != in.Roles[0].ID {
		t.Errorf("the integration is %+v", updated)
	}
	wantCode(t, c.DeleteIntegration(ctx, "production", in.ETag()), rolebroker.CodeStale)

	must(c.CreateAgent(ctx, api.AgentRequest{Name: "scout"}))(t)
	agent := must(c.Connect(ctx, "scout", "production"))(t)
	empty := ""
	agent = must(c.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", DefaultIntegration: &empty},
		agent.ETag()))(t)
	if agent.DefaultIntegration != "" || len(agent.Connections) != 1 {
		t.Errorf("the agent is %+v", agent)
	}
	token := must(c.CreateToken(ctx, "scout", api.TokenRequest{Label: "laptop", ExpiresIn: "1h"}))(t)
	wantNil(t, c.RevokeToken(ctx, "scout", token.ID))
	for listed, err := range c.AllTokens(ctx, "scout") {
		if err != nil || listed.ID != token.ID || listed.Status != api.StatusRevoked || listed.Label != "laptop" {
			t.Errorf("the token is %+v: %v", listed, err)
		}
	}
	runner := must(c.CreateRunner(ctx, api.RunnerRequest{Name: "eks"}))(t)
	runner = must(c.UpdateRunner(ctx, "eks", api.RunnerRequest{Name: "gke", Issuer: "https://oidc.example.com/id/A"},
		runner.ETag()))(t)
	if diff := cmp.Diff(runner, must(c.Runner(ctx, "gke"))(t)); diff != "" || runner.Version != 2 ||
		runner.Issuer == "" {
		t.Errorf("the runner is %+v\n%s", runner, diff)
	}
	if join := must(c.CreateJoinToken(ctx, "gke",
		api.JoinTokenRequest{ExpiresIn: "5m"}))(t); !join.ExpiresAt.Equal(w.now.Add(5 * time.Minute)) {
		t.Errorf("the join token expires at %s", join.ExpiresAt)
	}
	clustered := must(c.CreateIntegration(ctx, api.IntegrationRequest{Name: "clustered", AssumptionMode: "cluster",
		Runner: "gke", DefaultRole: "r", Roles: []api.RoleRequest{
			{Name: "r", ARN: "arn:aws:iam::444455556666:role/R", Region: "us-east-1"}}}, api.ValidateSkip))(t)
	if clustered.Runner != "gke" {
		t.Errorf("the integration is %+v", clustered)
	}
	wantCode(t, c.DeleteRunner(ctx, "gke", ""), rolebroker.CodeConflict)
	wantNil(t, c.DeleteIntegration(ctx, "clustered", ""))
	for listed, err := range c.AllRunners(ctx, "") {
		if err != nil || listed.ID != runner.ID {
			t.Errorf("the runner is %+v: %v", listed, err)
		}
	}
	bound := must(c.Bind(ctx, "scout", api.BindingRequest{Issuer: "https://oidc.example.com/id/A", Namespace: "agents",
		ServiceAccount: "scout"}))(t)
	for listed, err := range c.AllBindings(ctx, "scout") {
		if diff := cmp.Diff(bound, listed); err != nil || diff != "" {
			t.Errorf("the binding is %+v: %v", listed, err)
		}
	}
	wantNil(t, c.Unbind(ctx, "scout", bound.ID))
	wantNil(t, c.DeleteRunner(ctx, "gke", runner.ETag()))
	key := must(c.CreateAPIKey(ctx, api.APIKeyRequest{Name: "ci", Access: "read-only"}))(t)
	wantNil(t, c.DeleteAPIKey(ctx, key.ID))
	if sessions := must(c.Sessions(ctx, api.SessionFilter{Agent: "scout", Live: true},
		client.List{Limit: 1}))(t); len(sessions.Items) != 0 {
		t.Errorf("the sessions are %+v", sessions)
	}
	if p := must(c.Platform(ctx))(t); p.Version != "1.2.3" {
		t.Errorf("the platform is %+v", p)
	}
	wantNil(t, c.Disconnect(ctx, "scout", "production"))
	wantNil(t, c.DeleteAgent(ctx, "scout", ""))
	_, err = c.Agent(ctx, "scout")
	wantCode(t, err, rolebroker.CodeNotFound)

	_, err = c.CreateIntegration(ctx, api.IntegrationRequest{Name: "x", DefaultRole: "r",
		Roles: []api.RoleRequest{{Name: "r", ARN: "nonsense", Region: "us-east-1"}}}, "")
	wantCode(t, err, rolebroker.CodeInvalid)
	if fields := rolebroker.AsError(err).Fields; len(fields) != 1 || fields[0].Path != "roles[0].arn" {
		t.Errorf("the fields are %+v", fields)
	}
}

// must is the value, and fails the test if there is an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		wantNil(t, err)
		return v
	}
}

func wantNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, code rolebroker.Code) {
	t.Helper()
	if rolebroker.CodeOf(err) != code {
		t.Errorf("the error is %v, want %s", err, code)
	}
}
