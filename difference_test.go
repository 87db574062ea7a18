package rolebroker_test

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

func TestEqualIntegrationsDoNotDiffer(t *testing.T) {
	in := integration("production", role("readonly"), role("deployer"))
	same := in
	same.Roles = []rolebroker.Role{in.Roles[1], in.Roles[0]} // the order does not count
	same.Roles[1].SessionDuration = rolebroker.DefaultSessionDuration
	if got := in.Differences(&same); len(got) != 0 {
		t.Errorf("there are the differences %v", got)
	}
}

func TestDifferencesAreInWords(t *testing.T) {
	in := integration("production", role("readonly"), role("deployer"), role("auditor"))
	other := in
	other.Enabled = false
	other.Description, other.Runner, other.RunnerName = "Looks around", "run_x", "eks"
	other.AssumptionMode, other.DefaultRole, other.SessionTags = rolebroker.ModeCluster, "reader", true
	reader, deployer := in.Roles[0], in.Roles[1]
	reader.Name, reader.Region, reader.SessionDuration = "reader", "eu-west-1", 90*time.Minute
	deployer.ID, deployer.Enabled = "", false
	other.Roles = []rolebroker.Role{role("added"), deployer, reader}
	want := []string{
		"changes the description from none to “Looks around”",
		"changes the state from enabled to disabled",
		"changes the assumption mode from platform to cluster",
		"changes the runner from none to eks",
		"changes the session tags from off to on",
		"changes the default role from readonly to reader",
		"changes the name of role readonly from readonly to reader",
		"changes the region of role readonly from us-east-1 to eu-west-1",
		"changes the session duration of role readonly from 1h to 1h30m",
		"changes the state of role deployer from enabled to disabled",
		"removes role auditor",
		"adds role added",
	}
	var got []string
	for _, d := range in.Differences(&other) {
		got = append(got, d.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRolesThatSwapNamesKeepTheirIdentity(t *testing.T) {
	in := integration("production", role("a"), role("b"))
	other := in
	other.Roles = []rolebroker.Role{in.Roles[0], in.Roles[1]}
	other.Roles[0].Name, other.Roles[1].Name = "b", "a"
	for _, d := range in.Differences(&other) {
		if d.Field != "name" {
			t.Errorf("it %s", d)
		}
	}
}

// An integration may have as many roles as the API takes in a request.
func TestManyRolesAreComparedAtOnce(t *testing.T) {
	in := integration("production")
	for i := range 10_000 {
		r := role("r" + strconv.Itoa(i))
		r.ID = rolebroker.NewRoleID()
		in.Roles = append(in.Roles, r)
	}
	other := in
	other.Roles = slices.Clone(in.Roles)
	for i := range other.Roles {
		if i%2 == 0 {
			other.Roles[i].ID = "" // found by its name
		}
	}
	begun := time.Now()
	if got := in.Differences(&other); len(got) != 0 {
		t.Errorf("there are %d differences", len(got))
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// A field that is added to Integration or Role is compared, or is listed here
// as one that does not count.
func TestDifferencesKnowEveryField(t *testing.T) {
	notCompared := map[string]string{
		"Integration.ID":                 "the server makes it",
		"Integration.RunnerName":         "it follows from Runner",
		"Integration.ExternalID":         "it is rotated, not edited",
		"Integration.NextExternalID":     "it is rotated, not edited",
		"Integration.Roles":              "Role has fields of its own",
		"Integration.Version":            "the server counts it",
		"Integration.CreatedAt":          "the server sets it",
		"Integration.UpdatedAt":          "the server sets it",
		"Role.ID":                        "the server makes it",
		"Role.Validation":                "it is found out, not edited",
		"Role.Lending":                   "it is found out, not edited",
		"Role.Generation":                "the server counts it",
		"Role.KeyGeneration":             "the server counts it",
		"Integration.EnabledOpen":        "it leaves Enabled as it is",
		"Integration.SourceIdentityOpen": "it leaves SourceIdentity as it is",
	}
	met := 0
	try := func(kind reflect.Type, change func(other *rolebroker.Integration) reflect.Value) {
		for i := range kind.NumField() {
			field := kind.Field(i).Name
			in := integration("production", role("readonly"))
			other := in
			other.Roles = slices.Clone(in.Roles)
			setOther(t, change(&other).Field(i))
			got, reason := in.Differences(&other), notCompared[kind.Name()+"."+field]
			switch {
			case reason != "":
				if met++; len(got) != 0 && field != "Roles" {
					t.Errorf("%s.%s is compared, although %s: %v", kind.Name(), field, reason, got)
				}
			case len(got) != 1 || got[0].Before == got[0].After || strings.TrimSpace(got[0].Field) == "":
				t.Errorf("%s.%s: another value gives the differences %+v", kind.Name(), field, got)
			}
		}
	}
	try(reflect.TypeFor[rolebroker.Integration](), func(other *rolebroker.Integration) reflect.Value {
		return reflect.ValueOf(other).Elem()
	})
	try(reflect.TypeFor[rolebroker.Role](), func(other *rolebroker.Integration) reflect.Value {
		return reflect.ValueOf(&other.Roles[0]).Elem()
	})
	if met != len(notCompared) {
		t.Errorf("%d of the %d fields that are not compared exist", met, len(notCompared))
	}
}

// setOther gives a field another value than it has.
func setOther(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case rolebroker.RoleARN:
		v.Set(reflect.ValueOf(role("other").ARN))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case time.Duration:
		v.SetInt(int64(2 * time.Hour))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	default:
		t.Fatalf("this test cannot give a %s another value", v.Type())
	}
}
