package rest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/api"
)

// A reserved external ID can be read before an integration has it and through every
// change of the integration, but not after the integration was deleted.
func TestAnExternalIDFollowsItsIntegration(t *testing.T) {
	w := newWorld(t)
	a := w.as(w.admin, "POST", "/api/v1/external-ids", "").want(201)
	reserved := read[api.ExternalID](a)
	path := "/api/v1/external-ids/" + reserved.ID
	if !strings.HasPrefix(reserved.ID, "ext_") || !strings.HasPrefix(reserved.ExternalID, "rolebroker-") ||
		a.Header.Get("Location") != path || !reserved.ReservedAt.Equal(w.now) {
		t.Errorf("what was reserved is %s with %v", a.Body, a.Header)
	}
	if strings.Contains(a.Body, "integration") || strings.Contains(a.Body, "next") {
		t.Errorf("before it is used it has %s", a.Body)
	}
	is := func(want api.ExternalID) {
		t.Helper()
		if diff := cmp.Diff(want, read[api.ExternalID](w.as(w.reader, "GET", path, "").want(200))); diff != "" {
			t.Errorf("the external ID (-want +got):\n%s", diff)
		}
	}
	is(reserved)
	in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=skip",
		strings.Replace(integrationJSON("production"), "{", `{"external_id": "`+reserved.ExternalID+
			`", `, 1)).want(201))
	now := reserved
	now.Integration, now.IntegrationID = "production", in.ID
	is(now)
	rotate := func(step string) {
		t.Helper()
		in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations/production/rotate-external-id",
			`{"step": "`+step+`", "force": true}`).want(200))
		now.ExternalID, now.NextExternalID = in.ExternalID, in.NextExternalID
		is(now)
	}
	rotate("start")
	rotate("cancel")
	rotate("start")
	rotate("finish")
	if now.ExternalID == reserved.ExternalID || now.NextExternalID != "" {
		t.Errorf("after the change it is %+v", now)
	}
	w.as(w.admin, "DELETE", path, "").refused(409, "conflict", "production")
	is(now)
	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", integrationJSON("prod")).want(200)
	now.Integration = "prod"
	is(now)
	w.as(w.admin, "DELETE", "/api/v1/integrations/prod", "").want(204)
	w.as(w.reader, "GET", path, "").refused(404, "not_found", "an external ID is used only once")
	w.as(w.admin, "DELETE", path, "").refused(404, "not_found", "an external ID is used only once")
}

func TestAnExternalIDIsGivenBack(t *testing.T) {
	w := newWorld(t)
	reserved := read[api.ExternalID](w.as(w.admin, "POST", "/api/v1/external-ids", "").want(201))
	path := "/api/v1/external-ids/" + reserved.ID
	w.as(w.reader, "DELETE", path, "").refused(403, "denied", "read-only")
	w.as(w.reader, "GET", path, "").want(200)
	w.as(w.admin, "DELETE", path, "").want(204)
	w.as(w.admin, "DELETE", path, "").refused(404, "not_found", "an external ID is used only once")
	w.as(w.admin, "GET", path, "").refused(404, "not_found", "an external ID is used only once")
	w.as(w.admin, "POST", "/api/v1/integrations", strings.Replace(integrationJSON("x"), "{",
		`{"external_id": "`+reserved.ExternalID+`", `, 1)).
		refused(400, "invalid", "").at("external_id", "/external_id", "reserved")
	// An external ID is no path, and neither is what strangers send.
	other := read[api.ExternalID](w.as(w.admin, "POST", "/api/v1/external-ids", "").want(201))
	for _, id := range []string{other.ExternalID, strings.ToUpper(other.ID), other.ID + "%20", "%00", "%FF", "%25",
		"..%2F" + other.ID, strings.Repeat("x", 5000)} {
		w.as(w.admin, "GET", "/api/v1/external-ids/"+id, "").refused(404, "not_found", "")
		w.as(w.admin, "DELETE", "/api/v1/external-ids/"+id, "").refused(404, "not_found", "")
	}
	w.as(w.admin, "GET", "/api/v1/external-ids/"+other.ID, "").want(200)
}
