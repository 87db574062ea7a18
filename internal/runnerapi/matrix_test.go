package runnerapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/runnerapi"
)

// routes asks every route of the runners' door, and looks at the audit events that this leaves.
type routes struct {
	*world
	bound api.Binding // of scout, at our runner

	seen  map[string]bool // IDs of the events that newEvents returned
	asked map[string]bool // by pattern
	mux   *http.ServeMux  // notes what is asked
}

func newRoutes(t *testing.T) *routes {
	r := &routes{world: newWorld(t), seen: map[string]bool{}, asked: map[string]bool{}, mux: http.NewServeMux()}
	for _, pattern := range runnerapi.Patterns() {
		r.asked[pattern] = false
		r.mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { r.asked[pattern] = true })
	}
	ctx := context.Background()
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	_, err := r.tb.Admin.UpdateRunner(ctx, "ours", api.RunnerRequest{Name: "ours", Issuer: issuer}, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.bound, err = r.tb.Admin.Bind(ctx, "scout", api.BindingRequest{Issuer: issuer, Namespace: "agents",
		ServiceAccount: "scout"}); err != nil {
		t.Fatal(err)
	}
	if _, err = r.tb.Admin.Limit(ctx, "scout", "cluster", api.LimitsRequest{Keys: "withheld"}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err = r.tb.Admin.Limit(ctx, "scout", "platform", api.LimitsRequest{Approval: "borrow"}, ""); err != nil {
		t.Fatal(err)
	}
	r.newEvents()
	return r
}

// newEvents takes the audit events that were stored since the last call.
func (r *routes) newEvents() (found []api.AuditEvent) {
	r.Helper()
	for e, err := range r.tb.Admin.AllAuditEvents(context.Background(), api.AuditFilter{}) {
		if err != nil {
			r.Fatal(err)
		}
		if !r.seen[e.ID] {
			found = append(found, e)
		}
		r.seen[e.ID] = true
	}
	return found
}

// ask sends a request with a credential, and returns the status and the answer. It reads no stream.
func (r *routes) ask(credential rolebroker.Secret, route string, body any) (int, string) {
	r.Helper()
	method, path, _ := strings.Cut(route, " ")
	text, err := json.Marshal(body)
	if err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.tb.URL+"/runner/v1/"+path, strings.NewReader(string(text)))
	if err != nil {
		r.Fatal(err)
	}
	if !credential.IsZero() {
		req.Header.Set("Authorization", "Bearer "+credential.Reveal())
	}
	r.mux.ServeHTTP(nil, req)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer answer.Body.Close()
	if path == "events" {
		return answer.StatusCode, ""
	}
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer.StatusCode, string(said)
}

// does asks as a runner that may, which leaves one event of an action, or with an empty one none.
func (r *routes) does(credential rolebroker.Secret, action, route string, body any) string {
	r.Helper()
	status, answer := r.ask(credential, route, body)
	found := r.newEvents()
	if status != http.StatusOK || strings.Contains(answer, `"refusal"`) {
		r.Errorf("%s answers %d: %s", route, status, answer)
	}
	if action == "" && len(found) > 0 || action != "" && (len(found) != 1 || found[0].Action != action ||
		found[0].Outcome != "done") {
		r.Errorf("%s leaves %+v, want %q", route, found, action)
	}
	return answer
}

// reaches asks as a runner for what is another's, which leaves one refusal of an action.
func (r *routes) reaches(credential rolebroker.Secret, action, route string, body any) {
	r.Helper()
	status, answer := r.ask(credential, route, body)
	found := r.newEvents()
	if status < 400 && !strings.Contains(answer, `"refusal"`) {
		r.Errorf("%s answers %d: %s", route, status, answer)
	}
	if len(found) != 1 || found[0].Action != action || found[0].Outcome != "refused" || found[0].Actor.Kind != "runner" {
		r.Errorf("%s answers %d and leaves %+v, want a refusal of %s", route, status, found, action)
	}
}

// Each route that changes something leaves one audit event, and so does a runner that reaches for what is another's.
// Who is no runner leaves none in the database. A new route without a row fails.
func TestEveryRouteOfRunnersLeavesItsEvent(t *testing.T) {
	r := newRoutes(t)
	ours := r.credential
	join := api.JoinRequest{Token: api.Secret(r.token.Reveal()), Program: "test"}
	var joined api.RunnerCredential
	if err := json.Unmarshal([]byte(r.does(rolebroker.Secret{}, "runner.join", "POST join", join)), &joined); err != nil {
		t.Fatal(err)
	}
	theirs := rolebroker.NewSecret(joined.Credential.Reveal())
	r.tb.HandedOut(theirs)
	for _, shown := range []rolebroker.Secret{{}, r.tested, r.tb.AdminKey, r.token} {
		for pattern := range r.asked {
			method, path, _ := strings.Cut(pattern, " /runner/v1/")
			route := method + " " + strings.NewReplacer("{", "", "}", "").Replace(path)
			if status, answer := r.ask(shown, route, join); status != http.StatusUnauthorized && status != 429 {
				t.Errorf("%s answers %d to no runner: %s", route, status, answer)
			}
		}
	}
	for _, e := range r.newEvents() {
		if e.Action != "runner.join" || e.Outcome != "refused" { // the join token is known, and was used
			t.Errorf("who is no runner leaves %+v", e)
		}
	}
	clear(r.asked)

	session := r.session(0)
	session.Access, session.Withheld = "full", true
	scout := "agents/" + r.scout.ID + "/grants"
	token := r.tokenOf("scout")
	r.reaches(ours, "runner.grants", "GET "+scout, nil)
	r.reaches(ours, "runner.identify", "GET tokens/"+token, nil)
	r.reaches(ours, "runner.record", "POST sessions", session)
	r.does(ours, "", "POST identify", api.Identification{Token: api.Secret(r.tested.Reveal())})
	r.does(ours, "", "GET "+scout, nil)
	r.does(ours, "", "GET tokens/"+token, nil)
	lending := session
	lending.ID, lending.Withheld = string(rolebroker.NewSessionID()), false // a runner from before it had a gateway
	r.reaches(ours, "runner.record", "POST sessions", lending)
	r.does(ours, "session.begin", "POST sessions", session)
	r.does(ours, "", "POST sessions", session) // the same
	r.does(ours, "session.assume", "PUT sessions/"+session.ID, api.SessionOutcome{State: "active", AccessKeyID: "ASIAIOSFODNN7EXAMPLE",
		ExpiresAt: time.Now().Add(time.Hour)})
	r.does(ours, "", "POST use", api.Usage{Fetches: []api.Fetch{{Session: session.ID, Count: 1, Last: time.Now()}}})
	r.does(ours, "", "POST report", api.RunnerReport{Program: "test"})
	r.does(ours, "", "GET integrations", nil)
	r.does(ours, "", "GET validations", nil)
	r.does(ours, "", "GET events", nil)

	validations := api.RunnerValidations{Version: r.cluster.Version, Validations: []api.IdentifiedOutcome{}}
	r.does(ours, "", "POST integrations/"+r.cluster.ID+"/validations", validations)
	r.reaches(theirs, "runner.record", "POST integrations/"+r.cluster.ID+"/validations", validations)
	question := api.AccessQuestion{Token: r.bound.ID, AccessRequestRequest: api.AccessRequestRequest{Reason: "r",
		Role: "platform/readonly"}}
	r.does(ours, "access-request.create", "POST access-requests", question)
	r.reaches(theirs, "runner.lend", "POST access-requests", question)
	r.reaches(theirs, "runner.lend", "POST loans", api.LoanRequest{Token: r.bound.ID, Role: "platform/readonly"})

	// A key for the runner's gateway, which the other runner cannot open, and a call with it.
	keys := api.GatewayKeyRequest{AgentToken: api.Secret(r.tested.Reveal()), Role: "cluster/inner"}
	var made api.LoanAnswer
	if err := json.Unmarshal([]byte(r.does(ours, "", "POST gateway-keys", keys)), &made); err != nil {
		t.Fatal(err)
	}
	r.tb.HandedOut(rolebroker.NewSecret(made.SecretAccessKey.Reveal()))
	signed := api.SignedKey{ID: made.AccessKeyID, Token: made.Token}
	answer := r.does(ours, "", "POST gateway-keys/open", signed)
	if !strings.Contains(answer, made.SecretAccessKey.Reveal()) {
		t.Errorf("the key is %s", answer)
	}
	r.reaches(theirs, "runner.identify", "POST gateway-keys/open", signed)
	call := api.RunnerCall{ID: string(rolebroker.NewCallID(time.Now())), Agent: r.scout.ID, Token: token,
		Integration: r.cluster.ID, Role: r.cluster.Roles[0].ID, Session: session.ID, Level: "write",
		Decision: "allowed", Times: 1}
	r.does(ours, "", "POST calls", api.RunnerCalls{Calls: []api.RunnerCall{call}})
	r.does(ours, "", "POST calls/approve", api.CallQuestion{Call: call})
	r.reaches(theirs, "runner.lend", "POST calls/approve", api.CallQuestion{Call: call})
	r.ask(ours, "POST validations/vrq_none", api.ValidationAnswer{}) // which there is not
	r.does(ours, "runner.renew-credential", "POST credential", nil)
	r.asked["POST /runner/v1/join"] = true // above
	for _, pattern := range runnerapi.Patterns() {
		if !r.asked[pattern] {
			t.Errorf("no row asks %s", pattern)
		}
	}
}

// tokenOf is the ID of the only token of an agent.
func (r *routes) tokenOf(agent string) string {
	r.Helper()
	for token, err := range r.tb.Admin.AllTokens(context.Background(), agent) {
		if err != nil {
			r.Fatal(err)
		}
		return token.ID
	}
	return ""
}
