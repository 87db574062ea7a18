package trail

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

var update = flag.Bool("update", false, "write golden files anew")

// ocsfRule is what OCSF 1.8.0 says of an attribute: its type, and the numbers of an enumeration.
type ocsfRule struct {
	kind     string // string, integer, ip, any; or of an object, or []object
	required bool
	enum     []int
}

// ocsfObject says which attributes that we use an object has, and of which it needs one at least.
type ocsfObject struct {
	attributes map[string]ocsfRule
	oneOf      []string
}

// ocsfSchema is the part of OCSF 1.8.0 that our events use.
//
// Source: https://schema.ocsf.io/1.8.0/classes/api_activity and the objects that it names.
var ocsfSchema = map[string]ocsfObject{
	"api_activity": {attributes: map[string]ocsfRule{
		"activity_id":   {"integer", true, []int{0, 1, 2, 3, 4, 99}},
		"activity_name": {"string", false, nil},
		"actor":         {"actor", true, nil},
		"api":           {"api", true, nil},
		"category_name": {"string", false, nil},
		"category_uid":  {"integer", true, []int{6}},
		"class_name":    {"string", false, nil},
		"class_uid":     {"integer", true, []int{6003}},
		"message":       {"string", false, nil},
		"metadata":      {"metadata", true, nil},
		"resources":     {"[]resource_details", false, nil},
		"severity":      {"string", false, nil},
		"severity_id":   {"integer", true, []int{0, 1, 2, 3, 4, 5, 6, 99}},
		"src_endpoint":  {"network_endpoint", true, nil},
		"status":        {"string", false, nil},
		"status_code":   {"string", false, nil},
		"status_detail": {"string", false, nil},
		"status_id":     {"integer", false, []int{0, 1, 2, 99}},
		"time":          {"integer", true, nil},
		"type_name":     {"string", false, nil},
		"type_uid":      {"integer", true, []int{600300, 600301, 600302, 600303, 600304, 600399}},
		"unmapped":      {"any", false, nil},
	}},
	"actor": {map[string]ocsfRule{"user": {"user", false, nil}},
		[]string{"process", "user", "invoked_by", "session", "app_name", "app_uid"}},
	"user": {map[string]ocsfRule{
		"name":                     {"string", false, nil},
		"programmatic_credentials": {"[]programmatic_credential", false, nil},
		"type":                     {"string", false, nil},
		"type_id":                  {"integer", false, []int{0, 1, 2, 3, 4, 99}},
		"uid":                      {"string", false, nil},
	}, []string{"account", "name", "uid"}},
	"programmatic_credential": {attributes: map[string]ocsfRule{"uid": {"string", true, nil}}},
	"api": {attributes: map[string]ocsfRule{
		"operation": {"string", true, nil},
		"request":   {"request", false, nil},
		"response":  {"response", false, nil},
		"service":   {"service", false, nil},
	}},
	"request": {attributes: map[string]ocsfRule{"uid": {"string", true, nil}}},
	"response": {attributes: map[string]ocsfRule{
		"error":         {"string", false, nil},
		"error_message": {"string", false, nil},
	}},
	"service": {map[string]ocsfRule{"name": {"string", false, nil}}, []string{"name", "uid"}},
	"metadata": {attributes: map[string]ocsfRule{
		"event_code":         {"string", false, nil},
		"log_name":           {"string", false, nil},
		"original_event_uid": {"string", false, nil},
		"product":            {"product", true, nil},
		"sequence":           {"integer", false, nil},
		"uid":                {"string", false, nil},
		"version":            {"string", true, nil},
	}},
	"product": {map[string]ocsfRule{
		"name":        {"string", false, nil},
		"vendor_name": {"string", false, nil},
	}, []string{"name", "uid"}},
	"resource_details": {map[string]ocsfRule{
		"name": {"string", false, nil},
		"type": {"string", false, nil},
		"uid":  {"string", false, nil},
	}, []string{"name", "uid"}},
	"network_endpoint": {map[string]ocsfRule{
		"ip":       {"ip", false, nil},
		"name":     {"string", false, nil},
		"svc_name": {"string", false, nil},
	}, []string{"ip", "uid", "name", "hostname", "svc_name", "instance_uid", "interface_uid", "interface_name", "domain"}},
}

// ocsfProblems says what is wrong with an object.
func ocsfProblems(path, name string, object map[string]any) (wrong []string) {
	schema := ocsfSchema[name]
	for attribute, rule := range schema.attributes {
		if _, has := object[attribute]; rule.required && !has {
			wrong = append(wrong, path+"."+attribute+" is missing")
		}
	}
	if schema.oneOf != nil && !slices.ContainsFunc(schema.oneOf, func(a string) bool { return object[a] != nil }) {
		wrong = append(wrong, path+" has none of "+strings.Join(schema.oneOf, ", "))
	}
	for attribute, value := range object {
		rule, known := schema.attributes[attribute]
		if !known {
			wrong = append(wrong, path+"."+attribute+" is not in the schema")
			continue
		}
		wrong = append(wrong, rule.problems(path+"."+attribute, value)...)
	}
	return wrong
}

func (r ocsfRule) problems(path string, value any) (wrong []string) {
	ok := false
	switch of, list := strings.CutPrefix(r.kind, "[]"); {
	case r.kind == "any":
		ok = true
	case list:
		var items []any
		items, ok = value.([]any)
		for i, item := range items {
			wrong = append(wrong, ocsfRule{kind: of}.problems(fmt.Sprintf("%s[%d]", path, i), item)...)
		}
	case r.kind == "string" || r.kind == "ip":
		var text string
		text, ok = value.(string)
		if r.kind == "ip" {
			_, err := netip.ParseAddr(text)
			ok = err == nil
		}
	case r.kind == "integer":
		var number float64
		number, ok = value.(float64)
		ok = ok && number == float64(int64(number)) && (r.enum == nil || slices.Contains(r.enum, int(number)))
	default:
		var object map[string]any
		object, ok = value.(map[string]any)
		wrong = ocsfProblems(path, r.kind, object)
	}
	if !ok {
		wrong = append(wrong, fmt.Sprintf("%s is %v, want %s %v", path, value, r.kind, r.enum))
	}
	return wrong
}

// ocsfSamples are events of each kind of actor and activity.
func ocsfSamples() []rolebroker.AuditEvent {
	admin := rolebroker.Caller{APIKey: "key_1", Name: "admin", Address: "192.0.2.7", Request: "release-17"}
	agent := rolebroker.Subject{Kind: rolebroker.KindAgent, ID: "agt_1", Name: "scout"}
	refusal := rolebroker.Errorf(rolebroker.CodeDenied, "the API key reader is read-only & may not <change> anything")
	return []rolebroker.AuditEvent{
		{Actor: admin, Action: rolebroker.ActionAgentCreate, Subjects: []rolebroker.Subject{agent},
			After: rolebroker.Facts{"name": "scout"}},
		{Actor: admin, Action: rolebroker.ActionAgentConnect, Subjects: []rolebroker.Subject{agent,
			{Kind: rolebroker.KindIntegration, ID: "int_1", Name: "production"}},
			Before: rolebroker.Facts{"connections": ""}, After: rolebroker.Facts{"connections": "production"}},
		{Actor: admin, Action: rolebroker.ActionTokenRevoke, Subjects: []rolebroker.Subject{
			{Kind: rolebroker.KindToken, ID: "tok_1"}, agent}},
		{Actor: rolebroker.Caller{APIKey: "key_2", Name: "reader", Address: "2001:db8::7"},
			Action: rolebroker.ActionAgentDelete, Subjects: []rolebroker.Subject{agent}, Refusal: refusal},
		{Actor: rolebroker.Caller{Agent: "agt_1", Token: "tok_2", Name: "scout", Address: "192.0.2.8"},
			Action: rolebroker.ActionAccessRequestCreate, Subjects: []rolebroker.Subject{{Kind: rolebroker.KindSession}}},
		{Actor: rolebroker.Caller{Runner: "run_1", RunnerKey: "rky_1"}, Action: rolebroker.ActionRunnerRecord},
		{Actor: rolebroker.Caller{Address: "192.0.2.9"}, Claimed: "key_3",
			Action: rolebroker.ActionAPIKeyAuthenticate, Refusal: refusal},
		{Actor: rolebroker.Caller{Name: "audit-retention"}, Action: rolebroker.ActionAuditForget},
		{Actor: admin, Action: rolebroker.ActionIntegrationValidate},
		{Actor: admin, Action: rolebroker.ActionAgentList, Refusal: refusal},
	}
}

// exportBoth exports events as lines of JSON and as OCSF.
func exportBoth(t *testing.T, events []rolebroker.AuditEvent) (jsonl, ocsf []string) {
	t.Helper()
	var tree Tree
	var plain, shown bytes.Buffer
	for i := range events {
		e := &events[i]
		e.ID = rolebroker.AuditEventID(fmt.Sprintf("evt_%d", i))
		e.At = time.Date(2026, 3, 14, 9, 26, 53, 589_793_238, time.UTC)
		record, err := Record(e)
		if err != nil {
			t.Fatal(err)
		}
		r := rolebroker.AuditRecord{ID: e.ID, At: e.At, Sequence: tree.Size, Record: record}
		r.Hash = tree.Append(record).String()
		for _, x := range []*Exporter{NewExporter(&plain, rolebroker.AuditJSONL), NewExporter(&shown, rolebroker.AuditOCSF)} {
			if err := x.Record(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return slices.Collect(strings.Lines(plain.String())), slices.Collect(strings.Lines(shown.String()))
}

func TestOCSFFollowsItsSchema(t *testing.T) {
	t.Parallel()
	plain, shown := exportBoth(t, ocsfSamples())
	for i, text := range shown {
		var object map[string]any
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		for _, problem := range ocsfProblems("event", "api_activity", object) {
			t.Errorf("%s\n%s", problem, text)
		}
		if object["type_uid"] != object["class_uid"].(float64)*100+object["activity_id"].(float64) {
			t.Errorf("the type does not agree with class and activity: %s", text)
		}
		if want := `"unmapped":` + strings.TrimSuffix(plain[i], "\n") + "}\n"; !strings.HasSuffix(text, want) {
			t.Errorf("%s\ndoes not end with %s", text, want)
		}
		if !strings.HasPrefix(text, ocsfBegin) || strings.HasPrefix(plain[i], ocsfBegin) {
			t.Errorf("an event does not begin as it should: %s", text)
		}
	}
}

// Those who read OCSF count on what they have seen: go test ./internal/trail -run TestOCSFIsStable -update
func TestOCSFIsStable(t *testing.T) {
	t.Parallel()
	const golden = "testdata/ocsf.jsonl"
	_, shown := exportBoth(t, ocsfSamples())
	got := strings.Join(shown, "")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-golden +got:\n%s", diff)
	}
}

func TestOCSFHasNoActivityOfItsOwnForWhatOCSFKnows(t *testing.T) {
	t.Parallel()
	for action, want := range map[rolebroker.Action]int{
		rolebroker.ActionAgentCreate: 1, rolebroker.ActionExternalIDReserve: 1, rolebroker.ActionRunnerJoin: 1,
		rolebroker.ActionSessionBegin: 1,
		rolebroker.ActionAuditExport:  2, rolebroker.ActionSessionList: 2,
		rolebroker.ActionAgentGetCutOff: 2, rolebroker.ActionSessionGetCutOff: 2, rolebroker.ActionRoleList: 2,
		rolebroker.ActionSessionAssume: 3, rolebroker.ActionSessionEnd: 3, rolebroker.ActionDenyPolicyApply: 3,
		rolebroker.ActionDenyPolicyRemove: 4,
		rolebroker.ActionAgentUpdate:      3, rolebroker.ActionAgentCutOff: 3, rolebroker.ActionAccessRequestApprove: 3,
		rolebroker.ActionAgentDelete: 4, rolebroker.ActionAgentDisconnect: 4, rolebroker.ActionAuditForget: 4,
		rolebroker.ActionRunnerLend: 99, rolebroker.ActionAPIKeyAuthenticate: 99, "strange": 99,
	} {
		if got, name := ocsfActivity(string(action)); got != want || name == "" {
			t.Errorf("%s is %d %q, want %d", action, got, name, want)
		}
	}
}

func TestAnOCSFExportIsNotVerified(t *testing.T) {
	t.Parallel()
	_, shown := exportBoth(t, ocsfSamples())
	_, err := Verify(strings.NewReader(strings.Join(shown, "")), Expect{})
	if err == nil || !strings.Contains(err.Error(), "lines of JSON") {
		t.Errorf("got %v", err)
	}
}
