package rolebroker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

func role(name string) rolebroker.Role {
	return rolebroker.Role{Name: name, Region: "us-east-1", Enabled: true,
		ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: name}}
}

func integration(name string, roles ...rolebroker.Role) rolebroker.Integration {
	in := rolebroker.Integration{ID: rolebroker.NewIntegrationID(), Name: name, Enabled: true,
		AssumptionMode: rolebroker.ModePlatform, Roles: roles}
	for i := range in.Roles {
		in.Roles[i].ID = rolebroker.NewRoleID()
	}
	if len(roles) > 0 {
		in.DefaultRole = roles[0].Name
	}
	return in
}

// wrongWith gives the paths of the fields that are wrong.
func wrongWith(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *rolebroker.Error
	if !errors.As(err, &e) || e.Code != rolebroker.CodeInvalid {
		t.Fatalf("not an invalid input: %v", err)
	}
	var paths []string
	for _, f := range e.Fields {
		if f.Message == "" {
			t.Errorf("%s is wrong without a reason", f.Path)
		}
		paths = append(paths, f.Path)
	}
	return paths
}

func TestAnIntegrationSaysEverythingThatIsWrongWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rolebroker.Integration)
		wrong  []string
	}{
		"nothing":             {func(*rolebroker.Integration) {}, nil},
		"no name":             {func(in *rolebroker.Integration) { in.Name = "" }, []string{"name"}},
		"a name with a slash": {func(in *rolebroker.Integration) { in.Name = "a/b" }, []string{"name"}},
		"a long description": {func(in *rolebroker.Integration) {
			in.Description = strings.Repeat("d", 1001)
		}, []string{"description"}},
		"an unknown mode": {func(in *rolebroker.Integration) {
			in.AssumptionMode = "magic"
		}, []string{"assumption_mode"}},
		"no roles": {func(in *rolebroker.Integration) { in.Roles = nil }, []string{"roles"}},
		"no default": {func(in *rolebroker.Integration) {
			in.DefaultRole = ""
		}, []string{"default_role"}},
		"a default that is not there": {func(in *rolebroker.Integration) {
			in.DefaultRole = "admin"
		}, []string{"default_role"}},
		"a disabled default": {func(in *rolebroker.Integration) {
			in.Roles[0].Enabled = false
		}, nil},
		"two roles of a name": {func(in *rolebroker.Integration) {
			in.Roles[1].Name = "readonly"
		}, []string{"roles[1].name"}},
		"no ARN": {func(in *rolebroker.Integration) {
			in.Roles[1].ARN = rolebroker.RoleARN{}
		}, []string{"roles[1].arn"}},
		"another partition's region": {func(in *rolebroker.Integration) {
			in.Roles[1].Region = "cn-north-1"
		}, []string{"roles[1].region"}},
		"a session too short": {func(in *rolebroker.Integration) {
			in.Roles[1].SessionDuration = 14 * time.Minute
		}, []string{"roles[1].session_duration"}},
		"a session too long": {func(in *rolebroker.Integration) {
			in.Roles[1].SessionDuration = 13 * time.Hour
		}, []string{"roles[1].session_duration"}},
		"a session with a fraction": {func(in *rolebroker.Integration) {
			in.Roles[1].SessionDuration = time.Hour + time.Millisecond
		}, []string{"roles[1].session_duration"}},
		"everything at once": {func(in *rolebroker.Integration) {
			in.Name, in.Roles[0].Region, in.DefaultRole = "-", "moon", "x"
		},
			[]string{"name", "roles[0].region", "default_role"}},
	} {
		in := integration("production", role("readonly"), role("deployer"))
		c.change(&in)
		if diff := cmp.Diff(c.wrong, wrongWith(t, in.Check())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNames(t *testing.T) {
	allow := func(name string) {
		t.Helper()
		if err := rolebroker.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	refuse := func(name string) {
		t.Helper()
		if rolebroker.CheckName(name) == nil {
			t.Errorf("%q is allowed", name)
		}
	}
	allow("a")
	allow("9")
	allow("Prod.eu-west_1")
	allow(strings.Repeat("n", 64))
	allow("int_production")
	refuse("")
	refuse("-a")
	refuse(".a")
	refuse("_a")
	refuse("a b")
	refuse("a/b")
	refuse("a@b")
	refuse("ä")
	refuse("a\x00")
	refuse("a\n")
	refuse(strings.Repeat("n", 65))
	refuse(string(rolebroker.NewAgentID()))
	refuse(string(rolebroker.NewRoleID()))
}

func TestSessionNamesAreTheAgentsAndNeverCut(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, c := range []struct{ agent, task, want string }{
		{"scout", "", "scout"},
		{"scout", "nightly", "scout@nightly"},
		{"x", "", "x@"},
		{long, "", long},
		{"scout", strings.Repeat("t", 58), "scout@" + strings.Repeat("t", 58)},
	} {
		if got, err := rolebroker.SessionName(c.agent, c.task); err != nil || got != c.want {
			t.Errorf("%q at %q is %q, %v", c.agent, c.task, got, err)
		}
	}
	for _, c := range []struct{ agent, task string }{{"scout", strings.Repeat("t", 59)}, {long, "t"}, {"scout", "a b"},
		{"scout", "a@b"}, {"scout", "é"}} {
		if got, err := rolebroker.SessionName(c.agent, c.task); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("%q at %q is %q, %v", c.agent, c.task, got, err)
		}
	}
}
