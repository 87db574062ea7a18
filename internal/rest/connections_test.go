package rest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/api"
)

const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`

func TestAConnectionIsLimited(t *testing.T) {
	w := newWorld(t)
	in := w.createIntegration("production")
	role := in.Roles[0].Name
	w.createAgent(`{"name": "scout"}`)
	const path = "/api/v1/agents/scout"
	shows := func(a *answer, want api.Connection) {
		t.Helper()
		want.Integration, want.Keys, want.ConnectedAt = "production", "lent", w.now
		for _, shown := range []*answer{a, w.as(w.reader, "GET", path, "")} {
			got := read[api.Agent](shown.want(200))
			if diff := cmp.Diff([]api.Connection{want}, got.Connections); diff != "" {
				t.Errorf("%s (-want +got):\n%s", a.what, diff)
			}
		}
	}
	put := func(body string) *answer { return w.as(w.admin, "PUT", path+"/connections/production", body) }
	full := api.Connection{Access: "full", Approval: "none"}
	limited := api.Connection{Access: "policy", SessionPolicy: policy, Roles: []string{role}, Approval: "borrow"}

	shows(put(""), full)
	shows(put(`{"access": "read-only"}`), api.Connection{Access: "read-only", Approval: "none"})
	shows(put(`{"access": "policy", "session_policy": `+strings.ReplaceAll(policy, `,"`, ` , "`)+`, "roles": ["`+
		in.Roles[0].ID+`"], "keys": "lent", "approval": "borrow"}`), limited)

	// A client of an earlier version sends no body, and connections without limits. It widens nothing.
	shows(put(""), limited)
	shows(w.as(w.admin, "PUT", path, `{"name": "scout", "connections": [{"integration": "production"}]}`), limited)
	// What is read can be written back.
	agent := w.as(w.reader, "GET", path, "").want(200)
	shows(w.as(w.admin, "PUT", path, agent.Body), limited)
	// A body replaces all limits.
	shows(put(`{"access": "view-only"}`), api.Connection{Access: "view-only", Approval: "none"})
	shows(w.as(w.admin, "PUT", path, `{"name": "scout", "connections": [{"integration": "production", "roles": []}]}`),
		api.Connection{Access: "full", Approval: "none", Roles: []string{}})
	shows(put(`{}`), full)

	// What returns credentials is allowed by name, with keys withheld; what is read can be written back.
	const allow = `{"keys": "withheld", "allowed_actions": ["secretsmanager:GetSecretValue", "ssm:GetParameter"]}`
	allows := func(a *answer) {
		t.Helper()
		got := read[api.Agent](a.want(200)).Connections[0]
		if fmt.Sprint(got.Keys, got.AllowedActions) != "withheld[secretsmanager:GetSecretValue ssm:GetParameter]" {
			t.Errorf("%s: %+v", a.what, got)
		}
	}
	allows(put(allow))
	agent = w.as(w.reader, "GET", path, "").want(200)
	allows(agent)
	allows(w.as(w.admin, "PUT", path, agent.Body))
	allows(put(""))
	shows(put(`{}`), full)

	etag := w.as(w.reader, "GET", path, "").want(200).Header.Get("ETag")
	put(`{"access": "read-only"}`).want(200)
	w.as(w.admin, "PUT", path+"/connections/production", `{}`, "If-Match", etag).refused(412, "stale", "")
	w.as(w.reader, "PUT", path+"/connections/production", `{}`).refused(403, "denied", "")
	shows(put(""), api.Connection{Access: "read-only", Approval: "none"})
}

func TestBadLimits(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	w.createAgent(`{"name": "scout"}`)
	const path = "/api/v1/agents/scout"
	w.as(w.admin, "PUT", path+"/connections/production", `{"access": "read-only"}`).want(200)
	before := w.as(w.reader, "GET", path, "").want(200).Body
	for _, c := range []struct{ body, field, pointer, says string }{
		{`{"access": "admin"}`, "access", "/access", "is not one of full, read-only, view-only, policy"},
		{`{"access": "Read-only"}`, "access", "/access", "is not one of"},
		{`{"access": ["full"]}`, "access", "/access", "is an array; expected a string"},
		{`{"access": "policy"}`, "session_policy", "/session_policy", "is required with access policy"},
		{`{"session_policy": ` + policy + `}`, "session_policy", "/session_policy", "only with access policy"},
		{`{"access": "read-only", "session_policy": ` + policy + `}`, "session_policy", "/session_policy", "only with"},
		{`{"access": "policy", "session_policy": "{}"}`, "session_policy", "/session_policy", "is a string; expected an object"},
		{`{"access": "policy", "session_policy": []}`, "session_policy", "/session_policy", "is an array"},
		{`{"access": "policy", "session_policy": {}}`, "session_policy.Statement", "/session_policy/Statement", "is required"},
		{`{"access": "policy", "session_policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", ` +
			`"Resource": "*", "Principal": "*"}]}}`, "session_policy.Statement[0].Principal",
			"/session_policy/Statement/0/Principal", "is not an element"},
		{`{"access": "policy", "session_policy": {"Version": "2012-10-17", "Version": "2012-10-17"}}`,
			"session_policy.Version", "/session_policy/Version", "twice"},
		{`{"access": "policy", "session_policy": ` + strings.Replace(policy, "Get*", strings.Repeat("x", 2000), 1) + `}`,
			"session_policy", "/session_policy", "STS takes at most 2048"},
		{`{"roles": ["nobody"]}`, "roles[0]", "/roles/0", `has no role \"nobody\"`},
		{`{"roles": [7]}`, "roles[0]", "/roles/0", "is a number; expected a string"},
		{`{"roles": "readonly"}`, "roles", "/roles", "is a string; expected an array"},
		{`{"keys": "none"}`, "keys", "/keys", "is not one of lent, withheld"},
		{`{"approval": "write"}`, "approval", "/approval", "write is possible only with keys"},
		{`{"allowed_actions": ["sts:AssumeRole"]}`, "allowed_actions", "/allowed_actions", "only with keys"},
		{`{"keys": "withheld", "allowed_actions": ["s3:GetObject"]}`, "allowed_actions[0]", "/allowed_actions/0",
			"is not among the actions that return credentials"},
		{`{"keys": "withheld", "allowed_actions": ["sts:*"]}`, "allowed_actions[0]", "/allowed_actions/0",
			"is not an action of IAM by its full name"},
		{`{"keys": "withheld", "allowed_actions": ["sts:AssumeRole", "STS:assumerole"]}`, "allowed_actions[1]",
			"/allowed_actions/1", "is listed twice"},
		{`{"keys": "withheld", "access": "read-only", "allowed_actions": ["sts:AssumeRole"]}`, "allowed_actions[0]",
			"/allowed_actions/0", "is denied by access read-only, in AWS"},
		{`{"keys": "withheld", "allowed_actions": "sts:AssumeRole"}`, "allowed_actions", "/allowed_actions",
			"is a string; expected an array"},
		{`{"approval": "always"}`, "approval", "/approval", "is not one of none, borrow, write"},
		{`{"acces": "full"}`, "acces", "/acces", "known are access, session_policy, roles, keys, approval"},
	} {
		a := w.as(w.admin, "PUT", path+"/connections/production", c.body)
		a.what += fmt.Sprintf(" with %.200s", c.body)
		a.refused(400, "invalid", "").at(c.field, c.pointer, strings.ReplaceAll(c.says, `\"`, `"`))
		inAgent := `{"name": "scout", "connections": [{"integration": "production", ` + c.body[1:] + `]}`
		a = w.as(w.admin, "PUT", path, inAgent)
		if c.field != "acces" { // it knows other fields too
			a.refused(400, "invalid", "").at("connections[0]."+c.field, "/connections/0"+c.pointer,
				strings.ReplaceAll(c.says, `\"`, `"`))
		}
	}
	w.as(w.admin, "PUT", path+"/connections/production", `[]`).refused(400, "invalid", "a JSON object is expected")
	w.as(w.admin, "PUT", path+"/connections/nowhere", `{"access": "full"}`).refused(404, "not_found", "nowhere")
	if after := w.as(w.reader, "GET", path, "").want(200).Body; after != before {
		t.Errorf("the agent was\n%s\nand is\n%s", before, after)
	}
}
