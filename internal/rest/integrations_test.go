package rest_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/rest"
)

func TestIntegrationLife(t *testing.T) {
	w := newWorld(t)
	a := w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", production).want(201)
	in := read[api.Integration](a)
	if !strings.HasPrefix(in.ID, "int_") || in.ExternalID == "" ||
		a.Header.Get("Location") != "/api/v1/integrations/"+in.ID || a.Header.Get("ETag") != in.ETag() {
		t.Errorf("the new integration is %s with %v", a.Body, a.Header)
	}
	notTried := api.RoleState{Status: "unknown", Code: "not_tried", Message: "nobody has tried to assume the role"}
	want := api.Integration{
		State: api.IntegrationState{Status: "unknown", Enabled: 1, Unknown: 1},
		ID:    in.ID, Name: "production", Description: "Production accounts", Enabled: true,
		AssumptionMode: "platform", ExternalID: in.ExternalID, SourceIdentity: true, DefaultRole: "readonly",
		Roles: []api.Role{
			{ID: in.Roles[0].ID, Name: "readonly", ARN: "arn:aws:iam::444455556666:role/ReadOnly", Region: "us-east-1",
				Enabled: true, SessionDuration: "1h", State: notTried},
			{ID: in.Roles[1].ID, Name: "deployer", ARN: "arn:aws:iam::444455556666:role/team/Deployer",
				Region:          "eu-west-1",
				SessionDuration: "1h30m", State: notTried},
		},
		Version: 1, CreatedAt: w.now, UpdatedAt: w.now,
	}
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("the integration (-want +got):\n%s", diff)
	}
	for _, ref := range []string{"production", in.ID} {
		got := w.as(w.reader, "GET", "/api/v1/integrations/"+ref, "").want(200)
		if got.Body != a.Body || got.Header.Get("ETag") != in.ETag() {
			t.Errorf("GET %s answers %s, want what POST did", ref, got.Body)
		}
	}
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", production).refused(409, "conflict", "production")

	w.as(w.admin, "DELETE", "/api/v1/integrations/production", "").want(204)
	w.as(w.admin, "GET", "/api/v1/integrations/production", "").refused(404, "not_found", "production")
	w.as(w.admin, "DELETE", "/api/v1/integrations/production", "").refused(404, "not_found", "production")
	w.as(w.admin, "PUT", "/api/v1/integrations/production", production).refused(404, "not_found", "production")
}

// A disabled integration is disabled for agents at once, and stays so until a request
// enables it.
func TestAnIntegrationCanBeDisabled(t *testing.T) {
	w := newWorld(t)
	shown := w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", production).want(201).Body
	off := strings.Replace(shown, `"enabled":true,"assumption_mode"`, `"enabled":false,"assumption_mode"`, 1)
	off = w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", off).want(200).Body
	if in := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "").want(200)); in.Enabled {
		t.Errorf("it is enabled: %s", off)
	}
	again := w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", off).want(200)
	if read[api.Integration](again).Enabled {
		t.Errorf("writing back what was read enables it: %s", again.Body)
	}
	older := w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", production).want(200)
	if read[api.Integration](older).Enabled {
		t.Errorf("a request of a client that does not know enabled enables it: %s", older.Body)
	}
	on := w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", shown).want(200)
	if !read[api.Integration](on).Enabled {
		t.Errorf("it is not enabled: %s", on.Body)
	}
}

// The default role, and an only role, can be disabled.
func TestTheDefaultRoleCanBeDisabled(t *testing.T) {
	w := newWorld(t)
	in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", `{"name": "one",
		"default_role": "r", "roles": [{"name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1",
		"enabled": false}]}`).want(201))
	if in.DefaultRole != "r" || in.Roles[0].Enabled {
		t.Errorf("it is %+v", in)
	}
}

// An answer can be edited and written back, unless someone changed the integration
// meanwhile.
func TestIntegrationRoundTrip(t *testing.T) {
	w := newWorld(t)
	shown := w.as(w.admin, "POST", "/api/v1/integrations", production).want(201)
	before := read[api.Integration](shown)
	w.now = w.now.Add(time.Hour)
	after := read[api.Integration](w.as(w.admin, "PUT", "/api/v1/integrations/production", shown.Body).want(200))
	before.Version, before.UpdatedAt = 2, w.now
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("after writing back what was read (-before +after):\n%s", diff)
	}

	renamed := strings.NewReplacer(`"readonly"`, `"look"`, `"production"`, `"prod"`).Replace(shown.Body)
	a := w.as(w.admin, "PUT", "/api/v1/integrations/production", renamed).want(200)
	if got := read[api.Integration](a); got.ID != before.ID || got.Name != "prod" ||
		got.Roles[0].ID != before.Roles[0].ID || got.Roles[0].Name != "look" {
		t.Errorf("after renaming it is %s", a.Body)
	}
}

// PUT replaces: a field that is left out becomes empty or gets its default.
func TestIntegrationReplace(t *testing.T) {
	w := newWorld(t)
	w.as(w.admin, "POST", "/api/v1/integrations", production).want(201)
	a := w.as(w.admin, "PUT", "/api/v1/integrations/production", integrationJSON("production")).want(200)
	if got := read[api.Integration](a); got.Description != "" || len(got.Roles) != 1 ||
		got.AssumptionMode != "platform" ||
		!got.Roles[0].Enabled {
		t.Errorf("after replacing it is %s", a.Body)
	}
}

func TestIntegrationGuards(t *testing.T) {
	w := newWorld(t)
	id := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", production).want(201)).ID
	const path = "/api/v1/integrations/production"
	etag := func(version string) string { return `"` + id + "." + version + `"` }
	put := func(ifMatch string) *answer {
		return w.as(w.admin, "PUT", path+"?validate=skip", production, "If-Match", ifMatch)
	}

	put(etag("1")).want(200) // now it is 2
	for _, stale := range []string{etag("1"), etag("3"), etag("0"), etag("-2"), etag("99999999999999999999"), etag(""),
		etag("2.x"), etag("1.2"), etag("2."),
		`"1"`, `"3"`, `"0"`, `"-2"`, `"99999999999999999999"`, `"somebody else's"`, `".2"`, `"."`, `"int_another.2"`} {
		put(stale).refused(412, "stale", "hint")
	}
	put(`*`).want(200)              // 3
	put("W/" + etag("3")).want(200) // 4: a proxy that compresses weakens
	put(`"4"`).want(200)            // 5: a version alone
	for _, garbage := range []string{`5`, `"5`, `5"`, `"5", "6"`, `"5"x`, `W/5`, `W/`, id + ".5"} {
		put(garbage).refused(400, "invalid", "ETag").at("If-Match", "", `.7"`)
	}
	w.as(w.admin, "DELETE", path, "", "If-Match", etag("1")).refused(412, "stale", "")
	w.as(w.admin, "DELETE", path, "", "If-Match", "nonsense").refused(400, "invalid", "If-Match")

	for _, known := range []string{etag("5"), "W/" + etag("5"), etag("1") + ", " + etag("5"), `*`} {
		if a := w.as(w.reader, "GET", path, "", "If-None-Match", known).
			want(304); a.Body != "" || a.Header.Get("ETag") != etag("5") {
			t.Errorf("304 comes with %q and %v", a.Body, a.Header)
		}
	}
	for _, old := range []string{etag("4"), `"int_another.5"`} {
		w.as(w.reader, "GET", path, "", "If-None-Match", old).want(200)
	}
	w.as(w.admin, "DELETE", path, "", "If-Match", etag("5")).want(204)
}

// An integration that was deleted and made again with the same name has another
// ETag, although the version is the same.
func TestETagsHaveTheID(t *testing.T) {
	w := newWorld(t)
	for path, create := range map[string]func() (id, etag string){
		"/api/v1/integrations/x": func() (string, string) { in := w.createIntegration("x"); return in.ID, in.ETag() },
		"/api/v1/agents/x": func() (string, string) {
			a := w.createAgent(`{"name": "x"}`)
			return a.ID, a.ETag()
		},
	} {
		body := map[bool]string{true: `{"name": "x"}`, false: integrationJSON("x")}[strings.Contains(path, "agents")]
		id, first := create()
		w.as(w.admin, "DELETE", path, "", "If-Match", first).want(204)
		w.as(w.admin, "PUT", path, body, "If-Match", first).refused(404, "not_found", "")
		_, second := create()
		w.as(w.admin, "PUT", path, body, "If-Match", first).refused(412, "stale", "hint")
		w.as(w.admin, "DELETE", path, "", "If-Match", first).refused(412, "stale", "hint")
		w.as(w.admin, "DELETE", strings.Replace(path, "/x", "/"+id, 1), "", "If-Match", first).refused(404,
			"not_found", "")
		w.as(w.reader, "GET", path, "", "If-None-Match", first).want(200)
		w.as(w.admin, "PUT", path, body, "If-Match", second).want(200)
	}
}

// vanishing is a broker whose integration exists when it is read, and is gone when it
// is changed.
type vanishing struct {
	failing
	deleted string
}

func (v *vanishing) Integration(context.Context, rolebroker.Caller, string) (*rolebroker.Integration, error) {
	return &rolebroker.Integration{ID: "int_old", Name: "x", Version: 1}, nil
}

func (v *vanishing) DeleteIntegration(_ context.Context, _ rolebroker.Caller, nameOrID string, _ int64) error {
	v.deleted = nameOrID
	return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no integration %q", nameOrID)
}

func TestETagsNoticeAChangeDuringTheRequest(t *testing.T) {
	v := &vanishing{}
	r := httptest.NewRequest("DELETE", "/api/v1/integrations/x", nil)
	r.Header.Set("If-Match", `"int_old.1"`)
	ask(t, rest.New(rest.Options{Broker: v, Auth: v}), r).refused(412, "stale", "hint")
	if v.deleted != "int_old" {
		t.Errorf("%s was deleted", v.deleted)
	}
}

func TestExternalIDs(t *testing.T) {
	w := newWorld(t)
	reserved := read[api.ExternalID](w.as(w.admin, "POST", "/api/v1/external-ids", "").want(201)).ExternalID
	with := func(name, externalID string) string {
		return strings.Replace(integrationJSON(name), `{`, `{"external_id": "`+externalID+`", `, 1)
	}
	w.as(w.admin, "POST", "/api/v1/integrations", with("own", "chosen-by-me")).refused(400, "invalid", "").
		at("external_id", "/external_id", "reserved")
	in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations", with("one", reserved)).want(201))
	if in.ExternalID != reserved {
		t.Errorf("it has the external ID %s, want the reserved %s", in.ExternalID, reserved)
	}
	w.as(w.admin, "POST", "/api/v1/integrations", with("two", reserved)).refused(400, "invalid", "").
		at("external_id", "/external_id", "used")
	w.as(w.admin, "PUT", "/api/v1/integrations/one", with("one", "another")).refused(400, "invalid", "").
		at("external_id", "/external_id", "")
	w.as(w.admin, "PUT", "/api/v1/integrations/one", with("one", reserved)).want(200)
	w.as(w.reader, "POST", "/api/v1/external-ids", "").refused(403, "denied", "read-only")
}

// Only the server makes IDs.
func TestIntegrationIDs(t *testing.T) {
	w := newWorld(t)
	with := func(id, roleID string) string {
		return `{"id": "` + id + `", "name": "one", "default_role": "r", "roles": [{"id": "` + roleID +
			`", "name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1"}]}`
	}
	w.as(w.admin, "POST", "/api/v1/integrations", with("int_mine", "rol_mine")).refused(400, "invalid", "").
		at("id", "/id", "made by the server").at("roles[0].id", "/roles/0/id", "made by the server")

	one, two := w.createIntegration("one"), w.createIntegration("two")
	w.as(w.admin, "PUT", "/api/v1/integrations/one", with(two.ID, one.Roles[0].ID)).refused(400, "invalid", "").
		at("id", "/id", one.ID)
	w.as(w.admin, "PUT", "/api/v1/integrations/one", with(one.ID, two.Roles[0].ID)).refused(400, "invalid", "").
		at("roles[0].id", "/roles/0/id", "not a role of this integration")
	w.as(w.admin, "PUT", "/api/v1/integrations/one", with(one.ID, one.Roles[0].ID)).want(200)

	twice := `{"name": "one", "default_role": "r", "roles": [
		{"id": "` + one.Roles[0].ID + `", "name": "r", "arn": "arn:aws:iam::444455556666:role/R", "region": "us-east-1"},
		{"id": "` + one.Roles[0].ID + `", "name": "s", "arn": "arn:aws:iam::444455556666:role/S", "region": "us-east-1"}]}`
	w.as(w.admin, "PUT", "/api/v1/integrations/one", twice).refused(400, "invalid", "").
		at("roles[1].id", "/roles/1/id", "roles[0]")
}

// Answers have durations in the shortest form.
func TestSessionDurations(t *testing.T) {
	w := newWorld(t)
	for given, want := range map[string]string{"3600s": "1h", "90m": "1h30m", "1h0m1s": "1h1s",
		"15m": "15m", "12h": "12h",
		"": "1h", "900.0s": "15m"} {
		body := strings.Replace(integrationJSON("d"), `"region"`, `"session_duration": "`+given+`", "region"`, 1)
		got := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations",
			body).want(201)).Roles[0].SessionDuration
		if got != want {
			t.Errorf("%q is answered as %q, want %q", given, got, want)
		}
		w.as(w.admin, "DELETE", "/api/v1/integrations/d", "").want(204)
	}
}
