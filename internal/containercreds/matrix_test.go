package containercreds_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// agents asks every route of the agents' door, and looks at the audit events that this leaves.
type agents struct {
	*testing.T
	tb   *testbed.Testbed
	seen map[string]bool // IDs of the events that newEvents returned
}

// newEvents takes the audit events that were stored since the last call.
func (a *agents) newEvents() (found []api.AuditEvent) {
	a.Helper()
	for e, err := range a.tb.Admin.AllAuditEvents(a.Context(), api.AuditFilter{}) {
		if err != nil {
			a.Fatal(err)
		}
		if !a.seen[e.ID] {
			found = append(found, e)
		}
		a.seen[e.ID] = true
	}
	return found
}

// ask sends a request with a token, and returns the status and the answer.
func (a *agents) ask(token rolebroker.Secret, method, path, body string) (int, string) {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), method, a.tb.URL+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Authorization", token.Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		a.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

// Each route leaves the audit events that its row says if an agent asks it, and none in the database if somebody else does.
// A new route without a row fails.
func TestEveryRouteOfAgentsLeavesItsEvents(t *testing.T) {
	a := &agents{T: t, tb: testbed.New(t, nil), seen: map[string]bool{}}
	off := a.tb.Agent("off", "production")
	for _, agent := range []string{"scout", "off"} {
		if _, err := a.tb.Admin.Limit(t.Context(), agent, "production", api.LimitsRequest{Approval: "borrow"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.tb.Admin.CutOff(t.Context(), "off", api.CutOffRequest{}); err != nil {
		t.Fatal(err)
	}
	_, made := a.ask(a.tb.Scout, "POST", "/v1/access-requests", `{"reason": "first", "task": "one"}`)
	var first api.MyAccessRequest
	if err := json.Unmarshal([]byte(made), &first); err != nil {
		t.Fatal(err)
	}
	a.newEvents()

	const question = `{"role": "deployer", "reason": "release 17"}`
	const begin, ask = "refused session.begin", "refused access-request.create"
	for _, pattern := range containercreds.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		for who, token := range map[string]rolebroker.Secret{"nobody": {}, "an administrator": a.tb.AdminKey} {
			if status, answer := a.ask(token, method, path, question); status != 401 && status != 403 {
				t.Errorf("%s answers %d to %s: %s", pattern, status, who, answer)
			}
			if found := a.newEvents(); len(found) > 0 {
				t.Errorf("%s by %s leaves %+v", pattern, who, found)
			}
		}
		rows := map[string][]struct {
			token  rolebroker.Secret
			path   string // follows that of the route
			body   string
			status int
			leaves string // the outcome and the action of each event
		}{
			"GET /v1/credentials":  {{a.tb.Scout, "", "", 403, begin}, {off, "", "", 403, begin}},
			"GET /v1/credentials/": {{a.tb.Scout, "deployer", "", 403, begin}, {off, "deployer", "", 403, begin}},
			"GET /v1/roles":        {{a.tb.Scout, "", "", 200, ""}, {off, "", "", 200, ""}},
			"GET /v1/calls": {{a.tb.Scout, "", "", 200, ""}, {off, "", "", 200, ""}, {a.tb.Scout, "?limit=0", "", 400, ""},
				{a.tb.Scout, "?level=high", "", 400, ""}, {a.tb.Scout, "?cursor=agt_1", "", 400, ""}},
			"GET /v1/access-requests":  {{a.tb.Scout, "", "", 200, ""}, {off, "", "", 200, ""}},
			"GET /v1/access-requests/": {{a.tb.Scout, first.ID, "", 200, ""}, {off, first.ID, "", 404, ask}},
			"POST /v1/access-requests": {{a.tb.Scout, "", question, 201, "done access-request.create"},
				{a.tb.Scout, "", question, 201, ""}, // the same
				{a.tb.Scout, "", `{}`, 400, ""},
				{off, "", question, 403, ask}},
			"POST /v1/tokens": {{a.tb.Scout, "", `{"kind": "eks", "cluster_name": "c", "role": "off"}`, 403, begin},
				{a.tb.Scout, "", `{"kind": "eks"}`, 400, ""},
				{a.tb.Scout, "", `{"kind": "eks", "cluster": "c"}`, 400, ""},
				{off, "", `{"kind": "eks", "cluster_name": "c", "role": "off"}`, 403, begin}},
		}[pattern]
		if rows == nil {
			t.Errorf("%s has no row", pattern)
		}
		for _, row := range rows {
			status, answer := a.ask(row.token, method, path+row.path, row.body)
			var left []string
			for _, e := range a.newEvents() {
				left = append(left, e.Outcome+" "+e.Action)
				if e.Actor.Kind != "agent" || e.Actor.Name == "" || e.Actor.Token == "" {
					t.Errorf("%s%s leaves %+v", pattern, row.path, e)
				}
			}
			if status != row.status || strings.Join(left, ", ") != row.leaves {
				t.Errorf("%s%s answers %d and leaves %q, want %d and %q: %s", pattern, row.path, status, left, row.status,
					row.leaves, answer)
			}
		}
	}
}
