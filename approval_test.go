package rolebroker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// approvals are the grants of an agent whose connection needs approval, with open requests.
func approvals(requests ...rolebroker.OpenRequest) (*rolebroker.Grants, rolebroker.Grant) {
	in := integration("production", role("readonly"))
	in.ID, in.Roles[0].ID = "int_p", "rol_r"
	connection := rolebroker.NewConnection(&in, noon)
	connection.Approval = rolebroker.ApprovalBorrow
	g := &rolebroker.Grants{Integrations: []rolebroker.Integration{in}, Requests: requests,
		Agent: rolebroker.Agent{Name: "scout", Connections: []rolebroker.Connection{connection}}}
	return g, rolebroker.Grant{Integration: &g.Integrations[0], Role: &g.Integrations[0].Roles[0],
		Connection: &g.Agent.Connections[0]}
}

// granted is an approved request for the role of approvals.
func granted(id, task string, minutes int) rolebroker.OpenRequest {
	return rolebroker.OpenRequest{ID: rolebroker.AccessRequestID(id), Integration: "int_p", Role: "rol_r", Task: task,
		About: rolebroker.ApprovalBorrow, Access: rolebroker.AccessFull, Approved: true,
		Until: noon.Add(time.Duration(minutes) * time.Minute)}
}

// A role is borrowed under the approval of that task that lasts longest, and under no other.
func TestApproved(t *testing.T) {
	pending := granted("req_pending", "waits", 30)
	pending.Approved = false
	another := granted("req_other", "", 99)
	another.Role = "rol_other"
	g, grant := approvals(granted("req_b", "release", 10), granted("req_c", "release", 20), granted("req_a", "release", 10),
		granted("req_none", "", 5), pending, another)
	for _, c := range []struct {
		task    string
		minutes int
		want    rolebroker.AccessRequestID
		says    string
	}{
		{"release", 0, "req_c", ""},
		{"release", 19, "req_c", ""},
		{"release", 20, "", "rolebroker request production/readonly --task release --reason REASON --wait 10m"},
		{"", 4, "req_none", ""},
		{"", 5, "", "rolebroker request production/readonly --reason REASON --wait 10m"},
		{"unheard-of", 0, "", "rolebroker request"},
		{"waits", 0, "", "rolebroker request show req_pending"},
		{"waits", 30, "", "--task waits"},
	} {
		_, got, err := g.Approved(grant, c.task, noon.Add(time.Duration(c.minutes)*time.Minute))
		if got.ID != c.want {
			t.Errorf("%q after %d minutes is under %q, want %q: %v", c.task, c.minutes, got.ID, c.want, err)
		}
		if c.says != "" && (rolebroker.CodeOf(err) != rolebroker.CodeApproval ||
			!strings.Contains(rolebroker.AsError(err).Hint.String(), c.says)) {
			t.Errorf("%q after %d minutes: %v %s", c.task, c.minutes, err, rolebroker.AsError(err).Hint)
		}
	}
	grant.Connection.Approval = rolebroker.ApprovalNone
	if _, got, err := g.Approved(grant, "unheard-of", noon); err != nil || got.ID != "" {
		t.Errorf("a role that needs no approval is under %q: %v", got.ID, err)
	}
}

// What is lent is the narrower of what was approved and what the connection gives now. Where these cannot be compared,
// nobody has approved it.
func TestApprovedAccess(t *testing.T) {
	for _, c := range []struct{ approved, connection, want rolebroker.Access }{
		{"full", "full", "full"}, {"full", "read-only", "read-only"}, {"full", "policy", "policy"},
		{"read-only", "full", "read-only"}, {"read-only", "view-only", "view-only"},
		{"view-only", "read-only", "view-only"}, {"policy", "policy", "policy"},
		{"read-only", "policy", ""}, {"policy", "full", ""}, {"policy", "read-only", ""}, {"unknown", "full", ""},
	} {
		request := granted("req_a", "", 10)
		request.Access = c.approved
		g, grant := approvals(request)
		if grant.Connection.Access = c.connection; c.connection == "policy" {
			grant.Connection.SessionPolicy = "{}"
		}
		got, _, err := g.Approved(grant, "", noon)
		if c.want == "" {
			if rolebroker.CodeOf(err) != rolebroker.CodeApproval {
				t.Errorf("%s on %s: %v", c.approved, c.connection, err)
			}
			continue
		}
		if err != nil || got.Connection.Access != c.want || grant.Connection.Access != c.connection ||
			(got.Connection.SessionPolicy != "") != (c.want == "policy") {
			t.Errorf("%s on %s is %+v: %v", c.approved, c.connection, got.Connection, err)
		}
	}
}

// The end is a statement that denies everything, beside the policies of the connection.
func TestEndAt(t *testing.T) {
	const (
		deny = `{"Effect":"Deny","Action":"*","Resource":"*",` +
			`"Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-03-14T12:00:00Z"}}}`
		one = `{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`
	)
	for _, c := range []struct{ policy, arn, want string }{
		{"", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},` + deny + `]}`},
		{"", "arn:aws:iam::aws:policy/ReadOnlyAccess", `{"Version":"2012-10-17","Statement":[` + deny + `]}`},
		{`{"Version":"2012-10-17","Statement":` + one + `}`, "",
			`{"Version":"2012-10-17","Statement":[` + one + `,` + deny + `]}`},
		{`{"Version":"2008-10-17","Id":"x","Statement":[` + one + `,` + one + `]}`, "",
			`{"Version":"2008-10-17","Id":"x","Statement":[` + one + `,` + one + `,` + deny + `]}`},
	} {
		a := rolebroker.Assumption{Policy: c.policy, PolicyARN: c.arn}
		if err := a.EndAt(noon.Add(999 * time.Millisecond)); err != nil || a.Policy != c.want || !json.Valid([]byte(a.Policy)) {
			t.Errorf("%s with %q ends with\n%s, want\n%s: %v", c.policy, c.arn, a.Policy, c.want, err)
		}
	}
	for _, access := range []rolebroker.Access{rolebroker.AccessReadOnly, rolebroker.AccessViewOnly} {
		_, grant := approvals()
		grant.Connection.Access = access
		a := rolebroker.Assumption{ARN: grant.Role.ARN}
		if err := grant.Connection.Restrict(&a); err != nil {
			t.Fatal(err)
		}
		if err := a.EndAt(noon); err != nil {
			t.Errorf("%s leaves no room for the end: %v", access, err)
		}
	}
	_, grant := approvals()
	grant.Connection.Access = rolebroker.AccessPolicy
	grant.Connection.SessionPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::` +
		strings.Repeat("x", 1900) + `"}}`
	if err := grant.Connection.Check(); err == nil || !strings.Contains(err.Error(), "session_policy: ") {
		t.Errorf("a policy without room for the end is accepted: %v", err)
	}
	grant.Connection.Approval = rolebroker.ApprovalNone
	if err := grant.Connection.Check(); err != nil && strings.Contains(err.Error(), "approval") {
		t.Error(err)
	}
}

// A policy that cannot be read is no reason to lend without an end.
func TestEndOfABrokenPolicy(t *testing.T) {
	a := rolebroker.Assumption{Policy: "nonsense"}
	if err := a.EndAt(noon); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("it ends with %v", err)
	}
}
