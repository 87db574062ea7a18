package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/rest"
)

const asItGoes = "application/x-ndjson"

// outcomes are a validation's statuses and codes, by role.
func outcomes(v api.Validations) []string {
	all := []string{}
	for _, r := range v.Roles {
		all = append(all, r.Name+" "+r.Status+" "+r.Code)
	}
	return all
}

// comesTo checks the result of a validation that is answered all at once.
func (a *answer) comesTo(ok bool, want ...string) api.Validations {
	a.t.Helper()
	got := read[api.Validations](a.want(200))
	if got.OK != ok || !cmp.Equal(want, outcomes(got)) {
		a.t.Errorf("%s comes to %t, %q; want %t, %q", a.what, got.OK, outcomes(got), ok, want)
	}
	return got
}

func TestAValidationIsAnsweredInTheOrderOfTheRoles(t *testing.T) {
	w := newAWSWorld(t)
	in := w.saved("production", "Good")
	a := w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").want(200)
	requestID := ""
	for _, call := range w.aws.Assumed() {
		if call.ExternalID == in.ExternalID && call.Code == "" {
			requestID = call.RequestID
		}
	}
	const role = `{"name":"good","status":"assumable","code":"assumable","message":"the role can be assumed, and only with the external ID of this integration","hint":"","request_id":"`
	want := role + requestID + `","checked_at":"2026-03-14T09:26:53Z"}`
	if requestID == "" || a.Body != `{"ok":true,"roles":[`+want+`]}`+"\n" ||
		a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the answer is %s with %v, want %s in it", a.Body, a.Header, want)
	}

	w.later()
	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip",
		w.draft("production", "Closed", "Good", "Open", "Gone", "Better")).want(200)
	got := w.as(w.admin, "POST", "/api/v1/integrations/"+in.ID+"/validate", "").
		comesTo(false, "closed failed denied", "good assumable assumable", "open warning external_id_not_required",
			"gone failed denied", "better assumable assumable")
	for _, r := range got.Roles {
		if r.Message == "" || (r.Hint == "") != (r.Status == "assumable") || r.RequestID == "" ||
			!r.CheckedAt.Equal(w.now) {
			t.Errorf("the outcome says too little: %+v", r)
		}
	}
	if got.ExternalID != "" {
		t.Errorf("the external ID of what is saved is answered as if it was a draft's: %+v", got)
	}

	// It is kept, and shown with the integration to whoever may read it.
	shown := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "").want(200))
	listed := read[api.List[api.Integration]](w.as(w.reader, "GET", "/api/v1/integrations", "").want(200)).Items[0]
	if diff := cmp.Diff(shown, listed); diff != "" {
		t.Errorf("it is listed otherwise:\n%s", diff)
	}
	for i, r := range shown.Roles {
		told := got.Roles[i]
		kept := &api.Validation{Status: told.Status, Code: told.Code, Message: told.Message, Hint: told.Hint,
			HintSteps: told.HintSteps, RequestID: told.RequestID, CheckedAt: told.CheckedAt}
		if diff := cmp.Diff(kept, r.Validation); diff != "" {
			t.Errorf("what is kept of %s (-told +kept):\n%s", r.Name, diff)
		}
	}
	for _, change := range [][3]string{
		{"PUT", "?validate=skip", w.draft("production", "Closed", "Good", "Open", "Gone", "Better")},
		{"POST", "/rotate-external-id", `{"step": "start"}`}, {"POST", "/rotate-external-id", `{"step": "cancel"}`},
	} {
		answer := w.as(w.admin, change[0], "/api/v1/integrations/production"+change[1], change[2])
		changed := read[api.Integration](answer.want(200))
		if diff := cmp.Diff(shown.Roles, changed.Roles); diff != "" {
			t.Errorf("%s %s answers other roles:\n%s", change[0], change[1], diff)
		}
	}
	made := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations",
		strings.ReplaceAll(w.draft("staging", "Closed"), w.externalID, w.reserve())).want(201))
	if made.Roles[0].Validation == nil || made.Roles[0].Validation.Hint == "" {
		t.Errorf("a new integration has %+v", made.Roles[0].Validation)
	}
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate?require_external_id=true", "").
		comesTo(false, "closed failed denied", "good assumable assumable", "open failed external_id_not_required",
			"gone failed denied", "better assumable assumable")
	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", w.draft("production", "Open")).want(200)
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").
		comesTo(true, "open warning external_id_not_required")
}

func TestRolesThatCannotBeTriedAreUnknown(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Good")
	up := w.down()
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").comesTo(false, "good unknown unreachable")
	up()
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").comesTo(true, "good assumable assumable")
	w.down()
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").comesTo(false, "good unknown unreachable")
	if v := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "").
		want(200)).Roles[0].Validation; v == nil || v.Code != "assumable" {
		t.Errorf("what was known was replaced by %+v", v)
	}

	none := newWorld(t) // without any AWS
	none.createIntegration("production")
	none.as(none.admin, "POST", "/api/v1/integrations/production/validate", "").comesTo(false, "r unknown unreachable")
}

func TestWhoMayValidate(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Good")
	for _, accept := range []string{"", asItGoes} {
		w.as(w.reader, "POST", "/api/v1/integrations/production/validate", "", "Accept", accept).
			refused(403, "denied", "read-only")
		w.as(w.reader, "POST", "/api/v1/validate", w.draft("new", "Good"), "Accept", accept).
			refused(403, "denied", "read-only")
		w.as("", "POST", "/api/v1/integrations/production/validate", "", "Accept", accept).refused(401,
			"unauthenticated", "")
		w.as(w.admin, "POST", "/api/v1/integrations/staging/validate", "", "Accept", accept).
			refused(404, "not_found", `no integration \"staging\"`)
		w.as(w.admin, "POST", "/api/v1/integrations/a%00b/validate", "", "Accept", accept).refused(404, "not_found", "")
		w.as(w.admin, "POST", "/api/v1/integrations/production/validate?require_external_id=perhaps", "",
			"Accept", accept).
			refused(400, "invalid", "").at("require_external_id", "", "boolean")
		w.as(w.admin, "POST", "/api/v1/integrations/production/validate?force=true", "", "Accept", accept).
			refused(400, "invalid", "").at("force", "", "unknown")
		w.as(w.admin, "GET", "/api/v1/integrations/production/validate", "", "Accept", accept).refused(405,
			"invalid", "POST")
	}
	w.assumes(0)
}

// lines are the lines of an answer with one line for each outcome.
func (a *answer) lines() []api.ValidationLine {
	a.t.Helper()
	a.want(200)
	if kind := a.Header.Get("Content-Type"); kind != asItGoes {
		a.t.Errorf("%s answers with %s", a.what, kind)
	}
	var all []api.ValidationLine
	for line := range strings.Lines(a.Body) {
		all = append(all, lineOf(a.t, line))
	}
	return all
}

// lineOf is the one line of a text.
func lineOf(t testing.TB, line string) (l api.ValidationLine) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil || !strings.HasSuffix(line, "\n") {
		t.Fatalf("%q is not a line: %v", line, err)
	}
	return l
}

func TestAValidationCanBeAnsweredLineByLine(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Closed", "Good", "Open")
	for _, accept := range []string{asItGoes, "application/x-ndjson; charset=utf-8",
		"text/html, application/x-ndjson;q=0.9, */*"} {
		answer := w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "", "Accept", accept)
		if got := answer.Header.Get("X-Accel-Buffering"); got != "no" {
			t.Errorf("a proxy is told to buffer: %q", got)
		}
		all := answer.lines()
		if len(all) != 4 || all[3].Result == nil {
			t.Fatalf("the lines are %+v", all)
		}
		result := *all[3].Result
		if want := []string{"closed failed denied", "good assumable assumable",
			"open warning external_id_not_required"}; result.OK || !cmp.Equal(want, outcomes(result)) {
			t.Errorf("the result is %+v", result)
		}
		told := make([]api.RoleValidation, 3)
		for _, line := range all[:3] { // in any order
			if line.Role == nil || line.Result != nil || line.Error != nil {
				t.Fatalf("a line that is no role's: %+v", line)
			}
			told[line.Index] = *line.Role
		}
		if diff := cmp.Diff(result.Roles, told); diff != "" {
			t.Errorf("the lines are not the result (-result +lines):\n%s", diff)
		}
	}
	for _, accept := range []string{"", "application/json", "*/*", "application/*", "ndjson", "application/x-ndjsonx"} {
		if kind := w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "", "Accept", accept).
			want(200).Header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("Accept: %q is answered with %s", accept, kind)
		}
	}

	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", w.draft("production", "Good")).want(200)
	a := w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "", "Accept", asItGoes)
	one := a.lines()[0].Role
	encoded, err := json.Marshal(one)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"index":0,"role":` + string(encoded) + "}\n" + `{"index":0,"result":{"ok":true,"roles":[` +
		string(encoded) + `]}}` + "\n"; a.Body != want {
		t.Errorf("the lines are\n%s, want\n%s", a.Body, want)
	}
}

func TestTheWaitForADeniedRoleIsBounded(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Good")
	for _, wait := range []string{"-1s", "5m1s", "soon", "30", "1h"} {
		for _, request := range []string{"POST /api/v1/integrations/production/validate", "POST /api/v1/validate",
			"PUT /api/v1/integrations/production", "POST /api/v1/integrations"} {
			method, path, _ := strings.Cut(request, " ")
			a := w.as(w.admin, method, path+"?wait="+wait, w.draft("production", "Good")).want(400)
			if !strings.Contains(a.Body, "is not a duration from 0s to 5m, as in 30s") {
				t.Errorf("wait=%s is answered with %s", wait, a.Body)
			}
		}
	}
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate?wait=5m", "").comesTo(true,
		"good assumable assumable")
}

// live is a server of the world.
func (w *awsWorld) live() *httptest.Server {
	server := httptest.NewServer(w.handler)
	w.Cleanup(server.Close)
	return server
}

// follow starts a validation on a live server.
func (w *awsWorld) follow(ctx context.Context, server *httptest.Server) *http.Response {
	w.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/api/v1/integrations/production/validate", nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", w.admin)
	r.Header.Set("Accept", asItGoes)
	resp, err := server.Client().Do(r)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != asItGoes {
		w.Fatalf("the server answers %s with %v", resp.Status, resp.Header)
	}
	return resp
}

// Each outcome is sent as soon as it is known.
func TestOutcomesDoNotWaitForEachOther(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Better", "Good")
	open := w.gate.hold("Better")
	lines := bufio.NewReader(w.follow(t.Context(), w.live()).Body)
	next := func() api.ValidationLine {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return lineOf(t, line)
	}
	if line := next(); line.Index != 1 || line.Role == nil || line.Role.Name != "good" {
		t.Errorf("the first line is %+v", line)
	}
	open()
	if line := next(); line.Index != 0 || line.Role == nil || line.Role.Name != "better" {
		t.Errorf("the second line is %+v", line)
	}
	if line := next(); line.Result == nil || !line.Result.OK {
		t.Errorf("the last line is %+v", line)
	}
	if _, err := lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last line: %v", err)
	}
}

// When the client disconnects, a validation ends, and the outcomes so far are kept.
func TestAValidationEndsWithItsCaller(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Better", "Good")
	w.gate.hold("Better") // for good
	ctx, leave := context.WithCancel(t.Context())
	server := w.live()
	resp := w.follow(ctx, server)
	if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || lineOf(t, line).Index != 1 {
		t.Fatalf("the first line is %s: %v", line, err)
	}
	leave()
	server.Close() // waits for it
	in := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "").want(200))
	if in.Roles[0].Validation != nil || in.Roles[1].Validation == nil || in.Roles[1].Validation.Status != "assumable" {
		t.Errorf("what is kept is %+v and %+v", in.Roles[0].Validation, in.Roles[1].Validation)
	}
}

// breaking is a broker whose validations fail after some outcomes.
type breaking struct {
	failing
	outcomes int
}

func (b breaking) ValidateIntegration(_ context.Context, _ rolebroker.Caller, _ string, how broker.Validating) (
	[]rolebroker.RoleValidation, error) {
	for i := range b.outcomes {
		if how.Tell != nil {
			how.Tell(rolebroker.RoleValidation{Index: i,
				Validation: rolebroker.Validation{Status: rolebroker.StatusAssumable}})
		}
	}
	return nil, b.err
}

// An error before the first outcome is answered as a problem document, and a later
// one in the last line.
func TestValidationsThatBreakOff(t *testing.T) {
	b := breaking{failing: failing{err: rolebroker.Errorf(rolebroker.CodeUnavailable,
		"the database cannot be used now: %w", errors.New("hunter2")).WithHint("try again")}}
	handler := rest.New(rest.Options{Broker: &b, Auth: b})
	validate := func(accept string) *answer {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/integrations/x/validate", nil)
		r.Header.Set("Accept", accept)
		return ask(t, handler, r)
	}
	for range 1000 { // whichever of two goroutines is faster
		validate(asItGoes).refused(503, "unavailable", "try again")
	}
	validate("").refused(503, "unavailable", "try again")

	b.outcomes = 2
	validate("").refused(503, "unavailable", "try again")
	all := validate(asItGoes).lines()
	want := []api.ValidationLine{{Index: 0, Role: all[0].Role}, {Index: 1, Role: all[1].Role},
		{Error: &api.BrokenOff{Code: "unavailable", Detail: "the database cannot be used now", Hint: "try again"}}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("the lines (-want +got):\n%s", diff)
	}
	b.err = nil
	if last := validate(asItGoes).lines()[2]; last.Result == nil || last.Error != nil {
		t.Errorf("the last line is %+v", last)
	}
	b.outcomes = 0
	if all := validate(asItGoes).lines(); len(all) != 1 || all[0].Result == nil {
		t.Errorf("with no outcomes the lines are %+v", all)
	}
}

func TestDraftsAreValidatedRoleByRole(t *testing.T) {
	w := newAWSWorld(t)
	role := func(name, arn, more string) string {
		return `{"name": "` + name + `", "arn": "` + arn + `", ` + more + `}`
	}
	const us = `"region": "us-east-1"`
	good, closed := "arn:aws:iam::"+customerAccount+":role/Good", "arn:aws:iam::"+customerAccount+":role/Closed"
	body := `{"name": "new", "external_id": "` + w.externalID + `", "default_role": "good", "roles": [` +
		strings.Join([]string{
			role("good", good, us),
			role("closed", closed, us),
			role("user", "arn:aws:iam::"+customerAccount+":user/ann", us),
			role("none", "", us),
			role("china", good, `"region": "cn-north-1"`),
			role("moon", good, `"region": "moon"`),
			role("brief", good, us+`, "session_duration": "1m"`),
			role("soon", good, us+`, "session_duration": "soon"`),
			role("both", "nonsense", us+`, "session_duration": "soon"`),
			role("off", good, us+`, "enabled": false`),
			role("", good, us),
			role("linked", "arn:aws:iam::"+customerAccount+
				":role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX", us),
			role("long", good, us+`, "session_duration": "2h"`),
		}, ", ") + `]}`
	want := []string{"good assumable assumable", "closed failed denied", "user failed arn_invalid",
		"none failed arn_invalid", "china failed partition_mismatch",
		"moon failed region_invalid", "brief failed duration_invalid", "soon failed duration_invalid",
		"both failed arn_invalid", "off assumable assumable", " assumable assumable",
		"linked failed service_linked_role", "long failed duration_over_maximum"}
	got := w.as(w.admin, "POST", "/api/v1/validate", body).comesTo(false, want...)
	if got.ExternalID != w.externalID {
		t.Errorf("it was tried with %s, want the reserved %s", got.ExternalID, w.externalID)
	}
	says := func(i int, message string) {
		t.Helper()
		if r := got.Roles[i]; !strings.Contains(r.Message, message) || r.Hint == "" {
			t.Errorf("of %s it says %q and %q, want %q", r.Name, r.Message, r.Hint, message)
		}
	}
	says(2, "is the ARN of a user, not of a role")
	says(3, "the ARN is required; a role's ARN has the form")
	says(4, "aws-cn")
	says(6, "AWS allows 15m to 12h")
	says(7, `the session duration "soon" is not a duration`)
	says(8, `the ARN "nonsense" is not an ARN`)

	all := w.as(w.admin, "POST", "/api/v1/validate", body, "Accept", asItGoes).lines()
	told := make([]api.RoleValidation, len(want))
	for _, line := range all[:len(want)] {
		told[line.Index] = *line.Role
	}
	if last := all[len(want)].Result; last == nil || !cmp.Equal(last.Roles, told) || !cmp.Equal(outcomes(*last), want) {
		t.Errorf("as it goes it comes to %+v", last)
	}
	if list := read[api.List[api.Integration]](w.as(w.reader, "GET", "/api/v1/integrations", "").
		want(200)); len(list.Items) != 0 {
		t.Errorf("a draft was saved: %+v", list)
	}
	w.as(w.admin, "POST", "/api/v1/validate?require_external_id=true",
		strings.Replace(w.draft("new", "Open"), w.externalID, w.reserve(), 1)).
		comesTo(false, "open failed external_id_not_required")
	w.as(w.admin, "POST", "/api/v1/validate", strings.Replace(w.draft("new", "Closed"), `{`,
		`{"assumption_mode": "cluster", `, 1)).comesTo(false, "closed unknown cluster_mode")
}

func TestDraftsHaveAReservedExternalID(t *testing.T) {
	w := newAWSWorld(t)
	without := func(body string) string { return strings.Replace(body, `"external_id": "`+w.externalID+`", `, "", 1) }
	with := func(externalID string) string {
		return strings.Replace(w.draft("new", "Good"), w.externalID, externalID, 1)
	}

	// None is given: one is reserved, which creating accepts.
	got := w.as(w.admin, "POST", "/api/v1/validate", without(w.draft("new", "Good"))).comesTo(false,
		"good failed denied")
	reserved := got.ExternalID
	if !strings.HasPrefix(reserved, "rolebroker-") || reserved == w.externalID {
		t.Fatalf("the reserved external ID is %q", reserved)
	}
	w.aws.Account(customerAccount).SetTrustPolicy("Good", requiring(reserved))
	if again := w.as(w.admin, "POST", "/api/v1/validate", with(reserved)).
		comesTo(true, "good assumable assumable").ExternalID; again != reserved {
		t.Errorf("the second time it is %q, want %q", again, reserved)
	}
	in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=require",
		with(reserved)).want(201))
	if in.ExternalID != reserved {
		t.Errorf("what was created has the external ID %s, want %s", in.ExternalID, reserved)
	}

	// One that was not reserved, or was used already, is refused before AWS is asked.
	before := w.aws.Calls("AssumeRole")
	for _, refused := range []string{"of-my-own-choosing", reserved, "x", strings.Repeat("x", 2000)} {
		for _, accept := range []string{"", asItGoes} {
			w.as(w.admin, "POST", "/api/v1/validate", with(refused), "Accept", accept).refused(400, "invalid", "").
				at("external_id", "/external_id", "reserved")
		}
	}
	w.assumes(before)

	// A draft of the next version of one that is there has that one's.
	next := func(id, externalID string) string {
		return `{"id": "` + id + `", ` + strings.TrimPrefix(with(externalID), "{")
	}
	w.as(w.admin, "POST", "/api/v1/validate", next(in.ID, "")).comesTo(true, "good assumable assumable")
	w.as(w.admin, "POST", "/api/v1/validate", next(in.ID, reserved)).comesTo(true, "good assumable assumable")
	w.as(w.admin, "POST", "/api/v1/validate", next(in.ID, "chosen-by-me")).refused(400, "invalid", "").
		at("external_id", "/external_id", "cannot be chosen")
	w.as(w.admin, "POST", "/api/v1/validate", next("int_nonsense", "")).refused(404, "not_found", "int_nonsense")
	if shown := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/new", "").
		want(200)); shown.Version != 1 {
		t.Errorf("validating a draft of its next version changed it: %+v", shown)
	}
}

func TestHostileDrafts(t *testing.T) {
	w := newAWSWorld(t)
	for _, c := range []struct{ body, field, pointer, says string }{
		{`{"name": 1}`, "name", "/name", "is a number"},
		{`{"roles": [{"arn": 1}]}`, "roles[0].arn", "/roles/0/arn", "is a number"},
		{`{"roles": [null]}`, "roles[0]", "/roles/0", "is null"},
		{`{"role": []}`, "role", "/role", "unknown field"},
		{`{"assumption_mode": "magic", "roles": [{"name": "r", "arn": "arn:aws:iam::444455556666:role/Good", "region": "us-east-1"}]}`, "assumption_mode", "/assumption_mode", "platform, cluster"},
	} {
		for _, accept := range []string{"", asItGoes} {
			w.as(w.admin, "POST", "/api/v1/validate", c.body, "Accept", accept).refused(400, "invalid", "").
				at(c.field, c.pointer, c.says)
		}
	}
	w.as(w.admin, "POST", "/api/v1/validate", "").refused(400, "invalid", "")
	w.as(w.admin, "POST", "/api/v1/validate", "[]").refused(400, "invalid", "an array")
	w.as(w.admin, "POST", "/api/v1/validate", "{}", "Content-Type", "text/plain").refused(415, "invalid", "")
	w.assumes(0)

	// Names that are none are nobody's trouble but their owner's.
	evil := `{"name": "a\n$(id)", "session_tags": true, "source_identity": true, "external_id": "` + w.externalID + `", "roles": [
		{"name": "b'; --\n", "arn": "arn:aws:iam::444455556666:role/Good", "region": "us-east-1"},
		{"name": "` + strings.Repeat("x", 100_000) + `", "arn": "arn:aws:iam::444455556666:role/` + strings.Repeat("y", 10_000) + `", "region": "` + strings.Repeat("z", 10_000) + `"}]}`
	for _, r := range read[api.Validations](w.as(w.admin, "POST", "/api/v1/validate", evil).want(200)).Roles {
		if r.Status != "failed" || len(r.Message) > 50_000 {
			t.Errorf("a hostile role is %s: %.200s", r.Status, r.Message)
		}
	}
}

// threeWrong is an integration whose first role can be assumed, and whose
// others cannot.
func (w *awsWorld) threeWrong(name string) string {
	w.aws.Account(customerAccount).DisableRegion("eu-west-3")
	good := `"arn": "arn:aws:iam::` + customerAccount + `:role/Good"`
	return `{"name": "` + name + `", "external_id": "` + w.externalID + `", "default_role": "good", "roles": [
		{"name": "good", ` + good + `, "region": "us-east-1"},
		{"name": "closed", "arn": "arn:aws:iam::` + customerAccount + `:role/Closed", "region": "us-east-1"},
		{"name": "off", ` + good + `, "region": "eu-west-3"},
		{"name": "long", ` + good + `, "region": "us-east-1", "session_duration": "2h"}]}`
}

// wrongRoles checks the refusal of threeWrong.
func (a *answer) wrongRoles() {
	a.t.Helper()
	a.refused(400, "invalid", "not every role can be assumed; nothing was saved").
		at("roles[1].arn", "/roles/1/arn", "").at("roles[2].region", "/roles/2/region", "eu-west-3").
		at("roles[3].session_duration", "/roles/3/session_duration", "")
	for _, e := range a.problem.Errors {
		if e.Message == "" || e.Hint == "" {
			a.t.Errorf("%s says too little: %+v", a.what, e)
		}
	}
	if len(a.problem.Errors) != 3 {
		a.t.Errorf("%s says too much: %s", a.what, a.Body)
	}
}

func TestRequireSavesOnlyIfEveryRoleCanBeAssumed(t *testing.T) {
	w := newAWSWorld(t)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=require", w.threeWrong("production")).wrongRoles()
	w.as(w.admin, "GET", "/api/v1/integrations/production", "").refused(404, "not_found", "")

	// Nothing was used up.
	in := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=require",
		w.draft("production", "Good", "Better")).want(201))
	if v := in.Roles[1].Validation; in.ExternalID != w.externalID || v == nil || v.Status != "assumable" {
		t.Errorf("what was created is %+v", in)
	}
	before := w.as(w.reader, "GET", "/api/v1/integrations/production", "").want(200)
	w.later()
	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=require", w.threeWrong("renamed")).wrongRoles()
	if after := w.as(w.reader, "GET", "/api/v1/integrations/production", "").
		want(200); after.Body != before.Body || after.Header.Get("ETag") != before.Header.Get("ETag") {
		t.Errorf("a refused update changed\n%s to\n%s", before.Body, after.Body)
	}

	// While STS cannot be asked, nobody knows.
	up := w.down()
	other := strings.Replace(w.draft("other", "Better"), w.externalID, w.reserve(), 1)
	for _, a := range []*answer{
		w.as(w.admin, "POST", "/api/v1/integrations?validate=require", other),
		w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=require", w.draft("renamed", "Better")),
	} {
		if a.refused(503, "unavailable", "nothing was saved").Header.Get("Retry-After") == "" || a.problem.Hint == "" {
			t.Errorf("%s comes without Retry-After or a hint: %s", a.what, a.Body)
		}
	}
	w.as(w.admin, "GET", "/api/v1/integrations/other", "").refused(404, "not_found", "")
	if after := w.as(w.reader, "GET", "/api/v1/integrations/production", "").want(200); after.Body != before.Body {
		t.Errorf("a refused update changed\n%s to\n%s", before.Body, after.Body)
	}
	up()
	updated := read[api.Integration](w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=require",
		w.draft("renamed", "Better")).want(200))
	if v := updated.Roles[0].Validation; updated.Name != "renamed" || updated.Version != 2 || v == nil ||
		!v.CheckedAt.Equal(w.now) {
		t.Errorf("after the update it is %+v", updated)
	}

	// A warning is no failure, and what is not valid is not tried.
	w.as(w.admin, "PUT", "/api/v1/integrations/renamed?validate=require", w.draft("renamed", "Open")).want(200)
	calls := w.aws.Calls("AssumeRole")
	w.as(w.admin, "PUT", "/api/v1/integrations/renamed?validate=require",
		strings.Replace(w.draft("renamed", "Open"), "us-east-1", "moon", 1)).
		refused(400, "invalid", "the integration is not valid").at("roles[0].region", "/roles/0/region", "")
	w.as(w.admin, "PUT", "/api/v1/integrations/gone?validate=require", w.draft("gone", "Open")).
		refused(404, "not_found", "")
	w.as(w.reader, "POST", "/api/v1/integrations?validate=require", other).refused(403, "denied", "")
	w.assumes(calls)

	// Nobody but the runner in a cluster can know about that one.
	cluster := strings.Replace(other, `{`, `{"assumption_mode": "cluster", `, 1)
	saved := read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations?validate=require", cluster).want(201))
	if saved.AssumptionMode != "cluster" || saved.Roles[0].Validation != nil {
		t.Errorf("in cluster mode it is %+v", saved)
	}
	w.assumes(calls)
}

func TestSavingValidatesUnlessSkipped(t *testing.T) {
	w := newAWSWorld(t)
	statuses := func(a *answer) []string {
		t.Helper()
		all := []string{}
		for _, r := range read[api.Integration](a).Roles {
			if r.Validation == nil {
				all = append(all, r.Name)
				continue
			}
			all = append(all, r.Name+" "+r.Validation.Status+" "+r.Validation.Code)
		}
		return all
	}
	says := func(a *answer, want ...string) *answer {
		t.Helper()
		if got := statuses(a); !cmp.Equal(want, got) {
			t.Errorf("%s says %q, want %q", a.what, got, want)
		}
		if shown := w.as(w.reader, "GET", "/api/v1/integrations/production", "").
			want(200); shown.Body != a.Body || shown.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("%s answers\n%s, and GET\n%s", a.what, a.Body, shown.Body)
		}
		return a
	}
	const path = "/api/v1/integrations/production"
	says(w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", w.draft("production", "Good", "Closed")).want(201),
		"good", "closed")
	w.assumes(0)
	says(w.as(w.admin, "PUT", path+"?validate=skip", w.draft("production", "Good", "Closed")).want(200),
		"good", "closed")
	w.assumes(0)
	says(w.as(w.admin, "PUT", path+"?validate=warn", w.draft("production", "Good", "Closed")).want(200),
		"good assumable assumable", "closed failed denied")
	says(w.as(w.admin, "PUT", path, w.draft("production", "Closed", "Good")).want(200), "closed failed denied",
		"good assumable assumable")
	calls := w.aws.Calls("AssumeRole")
	says(w.as(w.admin, "PUT", path+"?validate=skip", w.draft("production", "Good", "Open", "Closed")).want(200),
		"good assumable assumable", "open", "closed failed denied")
	w.assumes(calls)

	// What cannot be found out is saved as well.
	w.as(w.admin, "DELETE", path, "").want(204)
	w.externalID = w.reserve()
	up := w.down()
	says(w.as(w.admin, "POST", "/api/v1/integrations", w.draft("production", "Good")).want(201),
		"good unknown unreachable")
	up()
	says(w.as(w.admin, "PUT", path, w.draft("production", "Good")).want(200), "good failed denied")

	for _, unknown := range []string{"perhaps", "Require", "true", "warn,skip", strings.Repeat("x", 1000)} {
		w.as(w.admin, "POST", "/api/v1/integrations?validate="+unknown, w.draft("new", "Good")).refused(400,
			"invalid", "").
			at("validate", "", "require, warn, skip")
		w.as(w.admin, "PUT", path+"?validate="+unknown, w.draft("renamed", "Good")).refused(400, "invalid", "").
			at("validate", "", "require, warn, skip")
	}
	w.as(w.admin, "GET", "/api/v1/integrations/new", "").refused(404, "not_found", "")

	// What a validation said can be written back with the rest, and changes nothing.
	shown := w.as(w.reader, "GET", path, "").want(200)
	says(w.as(w.admin, "PUT", path+"?validate=skip",
		strings.Replace(shown.Body, `"failed"`, `"assumable"`, 1)).want(200),
		"good failed denied")
}

// If-None-Match notices a validation, and If-Match does not.
func TestOnlyIfNoneMatchNoticesValidations(t *testing.T) {
	w := newAWSWorld(t)
	const path = "/api/v1/integrations/production"
	in := w.saved("production", "Good", "Closed")
	first := in.ETag()
	w.as(w.reader, "GET", path, "", "If-None-Match", first).want(304)

	validate := func() string {
		t.Helper()
		w.later()
		w.as(w.admin, "POST", path+"/validate", "").want(200)
		a := w.as(w.reader, "GET", path, "").want(200)
		if shown := read[api.Integration](a); shown.Version != 1 || shown.ETag() != a.Header.Get("ETag") {
			t.Errorf("after validating it is %s with %v", a.Body, a.Header)
		}
		return a.Header.Get("ETag")
	}
	second := validate()
	w.as(w.reader, "GET", path, "", "If-None-Match", first).want(200)
	w.as(w.reader, "GET", path, "", "If-None-Match", second).want(304)
	third := validate()
	if first == second || second == third {
		t.Fatalf("the ETags are %s, %s, %s", first, second, third)
	}
	w.as(w.reader, "GET", path, "", "If-None-Match", second).want(200)
	w.as(w.reader, "GET", path, "", "If-None-Match", first+", W/"+third).want(304)

	put := func(etag string) *answer {
		return w.as(w.admin, "PUT", path+"?validate=skip", w.draft("production", "Good", "Closed"), "If-Match", etag)
	}
	version := int64(1)
	for _, etag := range []string{first, second, third, "W/" + third, strings.TrimSuffix(second, `"`) + `9"`} {
		updated := put(strings.Replace(etag, in.ID+".1", in.ID+"."+string('0'+rune(version)), 1)).want(200)
		version++
		if got := read[api.Integration](updated); got.Version != version {
			t.Errorf("%s made version %d, want %d", etag, got.Version, version)
		}
	}
	for _, stale := range []string{first, second, third} {
		put(stale).refused(412, "stale", "hint")
	}
	w.as(w.admin, "DELETE", path, "", "If-Match", second).refused(412, "stale", "")
	w.as(w.admin, "DELETE", path, "", "If-Match", w.as(w.reader, "GET", path, "").Header.Get("ETag")).want(204)
}

// A validation of many roles ends, and has each role once.
func TestManyRolesAreValidatedOnceEach(t *testing.T) {
	w := newAWSWorld(t)
	names := []string{}
	for range 30 {
		names = append(names, "Good")
	}
	body := w.draft("production", names...)
	for i := range names { // one IAM role, by many names
		body = strings.Replace(body, `"name": "good"`, `"name": "good`+time.Duration(i).String()+`"`, 1)
	}
	body = strings.Replace(body, `"default_role": "good"`, `"default_role": "good0s"`, 1)
	got := read[api.Validations](w.as(w.admin, "POST", "/api/v1/validate", body).want(200))
	seen := map[string]bool{}
	for _, r := range got.Roles {
		seen[r.Name] = true
	}
	if !got.OK || len(seen) != 30 || len(got.Roles) != 30 {
		t.Errorf("the validation is %+v", got)
	}
}

// An update may have another reserved external ID, which is validated and takes
// effect at once. Any other one is refused before AWS is asked.
func TestAnUpdateWithAnotherExternalID(t *testing.T) {
	w := newAWSWorld(t)
	const path = "/api/v1/integrations/production"
	with := func(externalID string) string {
		return strings.Replace(w.draft("production", "Good"), w.externalID, externalID, 1)
	}
	first, second, third := w.externalID, w.reserve(), w.reserve()
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", with(first)).want(201)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip",
		strings.Replace(with(third), "production", "staging", 1)).want(201)
	before := w.aws.Calls("AssumeRole")
	for _, refused := range []string{"chosen-by-me", third} {
		w.as(w.admin, "PUT", path, with(refused)).refused(400, "invalid", "").
			at("external_id", "/external_id", "cannot be chosen")
	}
	w.as(w.admin, "POST", path+"/rotate-external-id", `{"step": "start"}`).want(200)
	w.as(w.admin, "PUT", path, with(second)).refused(409, "conflict", "being changed already")
	w.as(w.admin, "POST", path+"/rotate-external-id", `{"step": "cancel"}`).want(200)
	w.assumes(before)

	w.aws.Account(customerAccount).SetTrustPolicy("Good", requiring(first))
	w.as(w.admin, "PUT", path+"?validate=require", with(second)).refused(400, "invalid", "")
	w.aws.Account(customerAccount).SetTrustPolicy("Good", requiring(second))
	in := read[api.Integration](w.as(w.admin, "PUT", path+"?validate=require", with(second)).want(200))
	if in.ExternalID != second || in.Roles[0].Validation == nil || in.Roles[0].Validation.Status != "assumable" {
		t.Errorf("the integration is %+v", in)
	}
	w.as(w.admin, "PUT", path, with(first)).refused(400, "invalid", "").
		at("external_id", "/external_id", "cannot be chosen")

	// Deleting it reserves the external ID again, if the request says so.
	w.as(w.admin, "DELETE", path+"?keep_external_id=true", "").want(204)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", with(first)).refused(400, "invalid", "")
	w.as(w.admin, "POST", "/api/v1/integrations?validate=require", with(second)).want(201)
	w.as(w.admin, "DELETE", path, "").want(204)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", with(second)).refused(400, "invalid", "")
}
