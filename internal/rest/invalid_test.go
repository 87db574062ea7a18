package rest_test

import (
	"fmt"
	"strings"
	"testing"
)

// Wrong input is refused with the path of the field and what is expected there.
func TestBadIntegrations(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("taken")
	// one is an integration with a role, of which one field is something else.
	one := func(field, value string) string {
		fields := map[string]string{"name": `"r"`, "arn": `"arn:aws:iam::444455556666:role/R"`, "region": `"us-east-1"`}
		fields[field] = value
		var pairs []string
		for name, value := range fields {
			if value != "" {
				pairs = append(pairs, `"`+name+`": `+value)
			}
		}
		return `{"name": "x", "default_role": "r", "roles": [{` + strings.Join(pairs, ", ") + `}]}`
	}
	const role = `{"name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1"}`
	top := func(field, value string) string {
		return `{"` + field + `": ` + value + `, "` + map[bool]string{true: "description",
			false: "name"}[field == "name"] + `": "x", "default_role": "r", "roles": [` + role + `]}`
	}
	for _, c := range []struct{ body, field, pointer, says string }{
		// ARNs
		{one("arn", ``), "roles[0].arn", "/roles/0/arn",
			"is required; a role's ARN has the form arn:aws:iam::123456789012:role/Name"},
		{one("arn", `""`), "roles[0].arn", "/roles/0/arn", "is required"},
		{one("arn", `"ReadOnly"`), "roles[0].arn", "/roles/0/arn", "not an ARN"},
		{one("arn", `"arn:aws:iam::444455556666:user/ann"`), "roles[0].arn", "/roles/0/arn", "of a user"},
		{one("arn", `"arn:aws:sts::444455556666:assumed-role/R/s"`), "roles[0].arn", "/roles/0/arn",
			"assumed-role session"},
		{one("arn", `"arn:aws:iam::444455556666:role/*"`), "roles[0].arn", "/roles/0/arn", "wildcard"},
		{one("arn", `"arn:aws:iam::1234:role/R"`), "roles[0].arn", "/roles/0/arn", "12 digits"},
		{one("arn", `"arn:mars:iam::444455556666:role/R"`), "roles[0].arn", "/roles/0/arn", "unknown partition"},
		{one("arn", `" arn:aws:iam::444455556666:role/R"`), "roles[0].arn", "/roles/0/arn", "white space"},
		{one("arn", `"arn:aws:iam::444455556666:role/`+strings.Repeat("x", 3000)+`"`), "roles[0].arn", "/roles/0/arn",
			"at most 2048"},
		{one("arn", `17`), "roles[0].arn", "/roles/0/arn",
			`is a number; expected a string, as in "arn:aws:iam::444455556666:role/ReadOnly"`},
		{one("arn", `["a"]`), "roles[0].arn", "/roles/0/arn", "is an array"},
		{one("arn", `{"Fn::GetAtt": ["a", {"b": 1}]}`), "roles[0].arn", "/roles/0/arn", "is an object"},
		{one("arn", `"arn:aws:iam::444455556666:role/\u0000"`), "roles[0].arn", "/roles/0/arn", "NUL"},
		// regions
		{one("region", ``), "roles[0].region", "/roles/0/region", "is required, as in us-east-1"},
		{one("region", `"mars-north-1"`), "roles[0].region", "/roles/0/region", "a region looks like us-east-1"},
		{one("region", `"us-east-1a"`), "roles[0].region", "/roles/0/region", "not an AWS region"},
		{one("region", `"cn-north-1"`), "roles[0].region", "/roles/0/region", "aws-cn"},
		{one("region", `true`), "roles[0].region", "/roles/0/region", "is true; expected a string"},
		// durations
		{one("session_duration", `"soon"`), "roles[0].session_duration", "/roles/0/session_duration",
			"as in 1h or 90m"},
		{one("session_duration", `"3600"`), "roles[0].session_duration", "/roles/0/session_duration", "not a duration"},
		{one("session_duration", `3600`), "roles[0].session_duration", "/roles/0/session_duration",
			`expected a string, as in "1h"`},
		{one("session_duration", `"0s"`), "roles[0].session_duration", "/roles/0/session_duration", "15m to 12h"},
		{one("session_duration", `"-1h"`), "roles[0].session_duration", "/roles/0/session_duration", "15m to 12h"},
		{one("session_duration", `"14m59s"`), "roles[0].session_duration", "/roles/0/session_duration", "15m to 12h"},
		{one("session_duration", `"13h"`), "roles[0].session_duration", "/roles/0/session_duration", "15m to 12h"},
		{one("session_duration", `"20m0.5s"`), "roles[0].session_duration", "/roles/0/session_duration",
			"whole seconds"},
		{one("session_duration", `"99999999999h"`), "roles[0].session_duration", "/roles/0/session_duration",
			"not a duration"},
		// names
		{one("name", ``), "roles[0].name", "/roles/0/name", "is required"},
		{one("name", `"a/b"`), "roles[0].name", "/roles/0/name", "letters, digits"},
		{top("name", `""`), "name", "/name", "is required"},
		{top("name", `null`), "name", "/name", "is required"},
		{top("name", `"-x"`), "name", "/name", "must start with"},
		{top("name", `"`+strings.Repeat("x", 65)+`"`), "name", "/name", "at most 64"},
		{top("name", `"zürich"`), "name", "/name", "'ü'"},
		{top("name", `"int_aaaaaaaaaaaaaaaaaaaaaaaaaa"`), "name", "/name", "looks like an ID"},
		{top("name", `12`), "name", "/name", "is a number"},
		// the rest
		{top("description", `"`+strings.Repeat("ü", 1001)+`"`), "description", "/description", "at most 1000"},
		{top("description", `"\u0000"`), "description", "/description", "NUL"},
		{top("assumption_mode", `"magic"`), "assumption_mode", "/assumption_mode", "platform, cluster"},
		{one("enabled", `"yes"`), "roles[0].enabled", "/roles/0/enabled", "is a string; expected true or false"},
		{top("enabled", `"yes"`), "enabled", "/enabled", "is a string; expected true or false"},
		{top("version", `1.5`), "version", "/version", "whole number"},
		{top("version", `"1"`), "version", "/version", "whole number"},
		{top("created_at", `"yesterday"`), "created_at", "/created_at", "RFC 3339"},
		{top("created_at", `5`), "created_at", "/created_at", "expected a time"},
		{top("external_id", `{}`), "external_id", "/external_id", "is an object"},
		{`{"name": "x", "default_role": "r", "roles": []}`, "roles", "/roles", "at least one role"},
		{`{"name": "x", "default_role": "r"}`, "roles", "/roles", "at least one role"},
		{`{"name": "x", "default_role": "r", "roles": null}`, "roles", "/roles", "at least one role"},
		{`{"name": "x", "default_role": "r", "roles": {}}`, "roles", "/roles", "is an object; expected an array"},
		{`{"name": "x", "default_role": "r", "roles": [` + role + `, null]}`, "roles[1]", "/roles/1",
			"is null; expected an object"},
		{`{"name": "x", "default_role": "r", "roles": [` + role + `, "r"]}`, "roles[1]", "/roles/1",
			"is a string; expected an object"},
		{`{"name": "x", "default_role": "r", "roles": [` + role + `, ` + role + `]}`, "roles[1].name", "/roles/1/name",
			"roles[0] already"},
		{`{"name": "x", "roles": [` + role + `]}`, "default_role", "/default_role", "one of r"},
		{`{"name": "x", "default_role": "s", "roles": [` + role + `]}`, "default_role", "/default_role",
			"choose one of r"},
		// fields that there are not, and fields that there are twice
		{one("arnn", `"x"`), "roles[0].arnn", "/roles/0/arnn",
			`unknown field "arnn"; known are id, name, arn, region, enabled, session_duration`},
		{top("Name", `"x"`), "Name", "/Name", "unknown field"},
		{top("defaultRole", `"r"`), "defaultRole", "/defaultRole", "default_role"},
		{top("a.b[0]", `{"deep": [[[{}]]]}`), `["a.b[0]"]`, "/a.b[0]", "unknown field"},
		{top("a/b~c", `1`), "a/b~c", "/a~1b~0c", "unknown field"},
		{top("", `1`), `[""]`, "/", "unknown field"},
		{`{"name": "x", "name": "y", "default_role": "r", "roles": [` + role + `]}`, "name", "/name", "given twice"},
		{top("deep", strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), "deep", "/deep", "unknown field"},
		{`{"name": "x", "default_role": "r", "roles": [` + strings.Repeat(role+",", 10000) + role + `]}`,
			"roles", "/roles",
			"more than 10000"},
	} {
		for method, path := range map[string]string{"POST": "/api/v1/integrations",
			"PUT": "/api/v1/integrations/taken"} {
			a := w.as(w.admin, method, path, c.body)
			a.what += fmt.Sprintf(" with %.200s", c.body)
			a.refused(400, "invalid", "").at(c.field, c.pointer, c.says)
		}
	}
}

// A refusal lists all wrong fields.
func TestARefusalListsAllWrongFields(t *testing.T) {
	w := newWorld(t)
	w.as(w.admin, "POST", "/api/v1/integrations", `{"id": "x", "name": "-", "default_role": "q", "roles": [
		{"name": "r", "arn": "nonsense", "region": "nowhere", "session_duration": "long"},
		{"id": "y", "name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1", "session_duration": "13h"}]}`).
		refused(400, "invalid", "the integration is not valid").
		at("id", "/id", "made by the server").
		at("name", "/name", "must start").
		at("default_role", "/default_role", "choose one of").
		at("roles[0].arn", "/roles/0/arn", "not an ARN").
		at("roles[0].region", "/roles/0/region", "not an AWS region").
		at("roles[0].session_duration", "/roles/0/session_duration", "not a duration").
		at("roles[1].id", "/roles/1/id", "made by the server").
		at("roles[1].name", "/roles/1/name", "already").
		at("roles[1].session_duration", "/roles/1/session_duration", "out of range")
	w.as(w.admin, "POST", "/api/v1/agents?surprise=1", `{"nam": 1, "disabled": "no"}`).
		refused(400, "invalid", "").at("surprise", "", "unknown query parameter")
	w.as(w.admin, "POST", "/api/v1/agents", `{"nam": 1, "disabled": "no"}`).
		refused(400, "invalid", "").at("nam", "/nam", "unknown field").at("disabled", "/disabled", "true or false")
}

// A body that is no JSON object is refused with the position of the mistake.
func TestBadJSON(t *testing.T) {
	w := newWorld(t)
	for body, says := range map[string]string{
		"{\n  \"name\": \"x\",\n  \"roles\": [}\n": "line 3, column 13",
		`{"name": "x"`:              "unexpected end",
		`{"name": "x"} {}`:          "line 1, column 15",
		`{'name': 'x'}`:             "line 1, column 2",
		`{"name": "x",}`:            "line 1, column 14",
		"{\"name\": \"\xff\"}":      "line 1, column 11: not UTF-8",
		"\xef\xbb\xbf{}":            "line 1, column 1",
		`name: x`:                   "line 1, column 2",
		`[]`:                        "is an array; a JSON object is expected",
		`null`:                      "is null; a JSON object is expected",
		`"x"`:                       "is a string; a JSON object is expected",
		`17`:                        "is a number; a JSON object is expected",
		`true`:                      "is true; a JSON object is expected",
		` `:                         "not JSON",
		strings.Repeat("[", 100000): "not JSON",
		strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000): "exceeded max depth",
	} {
		w.as(w.admin, "POST", "/api/v1/integrations", body).refused(400, "invalid", says)
		w.as(w.admin, "PUT", "/api/v1/agents/scout", body).refused(400, "invalid", says)
	}
	w.as(w.admin, "POST", "/api/v1/integrations", "").refused(400, "invalid", "the request body is empty")
}

// A refusal lists a hundred fields at most, and decoding stops there.
func TestARefusalIsBounded(t *testing.T) {
	w := newWorld(t)
	many := func(item string) string { return strings.TrimSuffix(strings.Repeat(item+",", 101), ",") }
	for _, body := range []string{
		`{` + many(`"a": 1`) + `}`,
		`{` + many(`"a": {"b": [1, {}]}`) + `}`,
		`{"name": "x", ` + many(`"name": "x"`) + `}`,
		`{"name": "x", "connections": [` + many(`1`) + `], "name": "y"}`,
		`{"name": "x", "connections": [` + many(`{"integration": [1]}`) + `], "name": "y"}`,
		`{"name": "x", "connections": [{` + many(`"a": 1`) + `}, {"b": 2}], "name": "y"}`,
		`{"name": "x", "connections": [` + many(`{}`) + `]}`,
	} {
		a := w.as(w.admin, "POST", "/api/v1/agents", body).refused(400, "invalid", "")
		if n := len(a.problem.Errors); n != 100 {
			t.Errorf("%.60s… has %d things wrong", body, n)
		}
	}
	allocations := func(fields int) float64 {
		body := `{` + strings.Repeat(`"a": 1, `, fields) + `"b": 2}`
		return testing.AllocsPerRun(1, func() { w.as(w.admin, "POST", "/api/v1/agents", body).want(400) })
	}
	if few, more := allocations(200), allocations(20_000); more > 2*few {
		t.Errorf("200 unknown fields take %.0f allocations, 20,000 take %.0f", few, more)
	}
}

func TestBadAgents(t *testing.T) {
	w := newWorld(t)
	w.createIntegration("production")
	w.createAgent(`{"name": "taken"}`)
	for _, c := range []struct{ body, field, pointer, says string }{
		{`{}`, "name", "/name", "is required"},
		{`{"name": "a b"}`, "name", "/name", "letters, digits"},
		{`{"name": ["x"]}`, "name", "/name", "is an array; expected a string"},
		{`{"name": "x", "disabled": 1}`, "disabled", "/disabled", "is a number; expected true or false"},
		{`{"name": "x", "description": "` + strings.Repeat("x", 1001) + `"}`, "description", "/description",
			"at most 1000"},
		{`{"name": "x", "connections": "production"}`, "connections", "/connections", "is a string; expected an array"},
		{`{"name": "x", "connections": ["production"]}`, "connections[0]", "/connections/0",
			"is a string; expected an object"},
		{`{"name": "x", "connections": [{}]}`, "connections[0].integration", "/connections/0/integration",
			"is required"},
		{`{"name": "x", "connections": [{"integration": "nowhere"}]}`, "connections[0].integration",
			"/connections/0/integration", "no integration"},
		{`{"name": "x", "connections": [{"integration": "` + strings.Repeat("n", 100000) + `"}]}`,
			"connections[0].integration", "/connections/0/integration", "no integration"},
		{`{"name": "x", "connections": [{"integration": "production"}, {"integration": "production"}]}`,
			"connections[1].integration", "/connections/1/integration", "twice"},
		{`{"name": "x", "connections": [{"integration": "production", "since": 1}]}`, "connections[0].since",
			"/connections/0/since", "known are integration, access,"},
		{`{"name": "x", "connections": [{"integration": "production", "connected_at": "x"}]}`,
			"connections[0].connected_at",
			"/connections/0/connected_at", "RFC 3339"},
		{`{"name": "x", "default_integration": "production"}`, "default_integration", "/default_integration",
			"not one of the agent's connections"},
		{`{"name": "x", "default_integration": "nowhere"}`, "default_integration", "/default_integration",
			"no integration"},
		{`{"name": "x", "default_integration": false}`, "default_integration", "/default_integration",
			"is false; expected a string"},
		{`{"name": "x", "id": "agt_mine"}`, "id", "/id", ""},
	} {
		for method, path := range map[string]string{"POST": "/api/v1/agents", "PUT": "/api/v1/agents/taken"} {
			a := w.as(w.admin, method, path, c.body)
			a.what += fmt.Sprintf(" with %.200s", c.body)
			a.refused(400, "invalid", "").at(c.field, c.pointer, c.says)
			if len(a.Body) > 10_000 {
				t.Errorf("%s is answered with %d bytes", a.what, len(a.Body))
			}
		}
	}
}

func TestBadTokensAndKeys(t *testing.T) {
	w := newWorld(t)
	w.createAgent(`{"name": "scout"}`)
	for _, c := range []struct{ body, field, says string }{
		{`{"expires_in": "30 days"}`, "expires_in", "as in 720h"},
		{`{"expires_in": "-1h"}`, "expires_in", "future"},
		{`{"expires_in": "0"}`, "expires_in", "future"},
		{`{"expires_in": 720}`, "expires_in", `as in "720h"`},
		{`{"expires_at": "2026-03-14T09:26:53Z"}`, "expires_at", "future"},
		{`{"expires_at": "tomorrow"}`, "expires_at", "RFC 3339"},
		{`{"expires_at": "2026-03-15"}`, "expires_at", "RFC 3339"},
		{`{"expires_at": "9999-12-31T23:59:59-23:59"}`, "expires_at", "9999"},
		{`{"expires_at": "2027-03-14T09:26:53Z", "expires_in": "1h"}`, "expires_at", "together"},
		{`{"ttl": "1h"}`, "ttl", "known are"},
	} {
		w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", c.body).refused(400, "invalid", "").
			at(c.field, "/"+c.field, c.says)
		key := `{"name": "k", "access": "admin", ` + c.body[1:]
		w.as(w.admin, "POST", "/api/v1/api-keys", key).refused(400, "invalid", "").at(c.field, "/"+c.field, c.says)
	}
	w.as(w.admin, "POST", "/api/v1/agents/scout/tokens", `{"label": "`+strings.Repeat("x", 101)+`"}`).
		refused(400, "invalid", "").at("label", "/label", "at most 100")
	w.as(w.admin, "POST", "/api/v1/api-keys", `{"name": "k"}`).refused(400, "invalid", "").
		at("access", "/access", "admin, approver, read-only")
	w.as(w.admin, "POST", "/api/v1/api-keys", `{"name": "k", "access": "root"}`).refused(400, "invalid", "").
		at("access", "/access", "admin, approver, read-only")
	w.as(w.admin, "POST", "/api/v1/api-keys", `{"access": "admin"}`).refused(400, "invalid", "").
		at("name", "/name", "is required")
}

func TestBadQueries(t *testing.T) {
	w := newWorld(t)
	w.createAgent(`{"name": "scout"}`)
	for _, list := range []string{"integrations", "agents", "sessions", "api-keys", "agents/scout/tokens"} {
		for query, field := range map[string]string{
			"limit=0":             "limit",
			"limit=-1":            "limit",
			"limit=501":           "limit",
			"limit=ten":           "limit",
			"limit=1e99":          "limit",
			"cursor=!":            "cursor",
			"cursor=garbage":      "cursor",
			"cursor=AA":           "cursor", // a NUL
			"cursor=_w":           "cursor", // not UTF-8
			"cursor=eA%3D%3D":     "cursor", // padded
			"validate=1":          "validate",
			"cursor=%00":          "cursor",
			"limit=1&cursor=%FF":  "cursor",
			"odd%FF=1":            "odd?",
			"limit=1&surprise=%2": "",
			"a;b":                 "",
		} {
			a := w.as(w.reader, "GET", "/api/v1/"+list+"?"+query, "").refused(400, "invalid", field)
			if field != "" {
				a.at(field, "", "")
			}
		}
	}
	w.as(w.reader, "GET", "/api/v1/sessions?live=perhaps", "").refused(400, "invalid", "").at("live", "", "boolean")
	w.as(w.reader, "GET", "/api/v1/sessions?search=x", "").refused(400, "invalid", "").at("search", "", "unknown")
	w.as(w.reader, "GET", "/api/v1/agents?search=%00", "").refused(400, "invalid", "").at("search", "", "not text")
	w.as(w.reader, "GET", "/api/v1/sessions?agent=%FF", "").refused(400, "invalid", "").at("agent", "", "not text")
}
