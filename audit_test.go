package rolebroker_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

// actions reads the constants of the type Action.
func actions(t *testing.T) (all []rolebroker.Action) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && fmt.Sprint(spec.Type) == "Action" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rolebroker.Action(text))
		}
		return true
	})
	if len(all) < 50 {
		t.Fatalf("there are only %d actions", len(all))
	}
	return all
}

// Each action is open to the callers of one kind, and admin keys do what read-only keys do.
func TestWhoMayDoWhat(t *testing.T) {
	reads := "integration.list integration.get integration.setup external-id.get agent.list agent.get agent.grants " +
		"token.list token.get binding.list runner.list runner.get api-key.list audit.list audit.export session.list platform.get " +
		"platform.count platform.search platform.overview sign-in.create sign-in.create-link " +
		"access-request.list access-request.get approval-rule.list " +
		"approval-rule.get agent.get-cut-off session.get-cut-off session.get call.list user.list"
	decides := "access-request.approve access-request.deny access-request.end"
	runs := "runner.renew-credential runner.report runner.watch runner.identify runner.grants runner.lend " +
		"runner.record runner.authenticate"
	named := func(names string, a rolebroker.Action) bool {
		return strings.Contains(" "+names+" ", " "+string(a)+" ")
	}
	seen := map[rolebroker.Action]bool{}
	for _, a := range actions(t) {
		if seen[a] {
			t.Errorf("there are two actions %s", a)
		}
		seen[a] = true
		joins := a == rolebroker.ActionRunnerJoin
		asks := a == rolebroker.ActionAccessRequestCreate || a == rolebroker.ActionCallListOwn
		for _, c := range []struct {
			name string
			who  rolebroker.Caller
			may  bool
			code rolebroker.Code
		}{
			{"an admin key", rolebroker.Caller{APIKey: "key_a", Access: rolebroker.KeyAdmin},
				!named(runs, a) && !joins && !asks, "denied"},
			{"an approver key", rolebroker.Caller{APIKey: "key_p", Access: rolebroker.KeyApprover},
				named(reads, a) || named(decides, a), "denied"},
			{"a read-only key", rolebroker.Caller{APIKey: "key_r", Access: rolebroker.KeyReadOnly},
				named(reads, a), "denied"},
			{"an admin", rolebroker.Caller{User: "usr_a", Access: rolebroker.KeyAdmin},
				!named(runs, a) && !joins && !asks, "denied"},
			{"an approver", rolebroker.Caller{User: "usr_p", Access: rolebroker.KeyApprover},
				named(reads, a) || named(decides, a), "denied"},
			{"a reader", rolebroker.Caller{User: "usr_r", Access: rolebroker.KeyReadOnly}, named(reads, a), "denied"},
			{"a person without access", rolebroker.Caller{User: "usr_n"}, false, "denied"},
			{"a runner", rolebroker.Caller{Runner: "run_r"}, named(runs, a), "denied"},
			{"a join token", rolebroker.Caller{Joining: "run_r"}, joins, "denied"},
			{"an agent", rolebroker.Caller{Agent: "agt_a", Token: "tok_a"}, asks, "denied"},
			{"nobody", rolebroker.Caller{Name: "admin"}, false, ""},
		} {
			err := c.who.May(a)
			if a == rolebroker.ActionUserAuthenticate { // it is how anybody is identified
				c.may = true
			}
			if (err == nil) != c.may || err != nil && c.code != "" && rolebroker.CodeOf(err) != c.code {
				t.Errorf("%s does %s: %v, want %t", c.name, a, err, c.may)
			}
		}
	}
	for _, a := range strings.Fields(reads + " " + runs + " " + decides) {
		if !seen[rolebroker.Action(a)] {
			t.Errorf("there is no action %s", a)
		}
	}
}

// What a person can set is in the facts, and a change of it changes them.
func TestFactsHoldWhatAPersonSets(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	connections := []rolebroker.Connection{rolebroker.NewConnection(&rolebroker.Integration{ID: "int_p",
		Name: "production"}, at)}
	limited := slices.Clone(connections)
	limited[0].Access, limited[0].SessionPolicy = rolebroker.AccessPolicy, "{}"
	limited[0].Roles = []rolebroker.ConnectionRole{{ID: "rol_a", Name: "a"}, {ID: "rol_b", Name: "b"}}
	limited[0].Approval = rolebroker.ApprovalBorrow
	for _, c := range []struct {
		facts rolebroker.Facts
		want  rolebroker.Facts
	}{
		{(&rolebroker.Agent{Name: "scout", Description: "looks", Disabled: true, Connections: connections,
			DefaultIntegration: "int_p", Owner: "key_o", OwnerName: "alice"}).Facts(),
			rolebroker.Facts{"name": "scout", "description": "looks", "disabled": "true", "connections": "production",
				"default_integration": "production", "owner": "alice (key_o)"}},
		{(&rolebroker.Agent{Name: "scout", Connections: limited}).Facts(),
			rolebroker.Facts{"name": "scout", "description": "", "disabled": "false", "connections": "production",
				"owner": "",
				"connections.production": "access policy, session_policy of 2 characters, sha256 " +
					"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a, roles a b, approval borrow"}},
		{(&rolebroker.Runner{Name: "eks", Description: "d", Issuer: "https://i"}).Facts(),
			rolebroker.Facts{"name": "eks", "description": "d", "issuer": "https://i"}},
		{(&rolebroker.APIKey{Name: "ci", Access: "admin", Hash: []byte("h")}).Facts(),
			rolebroker.Facts{"name": "ci", "access": "admin", "expires_at": "never"}},
		{(&rolebroker.Token{Label: "laptop", Hash: []byte("h"), ExpiresAt: at}).Facts(),
			rolebroker.Facts{"label": "laptop", "expires_at": "2026-01-02T03:04:05Z"}},
		{(&rolebroker.Token{Account: rolebroker.ServiceAccount{Issuer: "https://i", Namespace: "n",
			Name: "a"}}).Facts(),
			rolebroker.Facts{"service_account": "system:serviceaccount:n:a", "issuer": "https://i",
				"labels": ""}},
	} {
		if diff := cmp.Diff(c.want, c.facts); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	in := integration("production", role("readonly"))
	in.Roles[0].Enabled = true
	facts := in.Facts()
	if facts["name"] != "production" || facts["assumption_mode"] != "platform" ||
		facts["enabled"] != "true" ||
		facts["roles.readonly"] != in.Roles[0].ARN.String()+" us-east-1 enabled 1h" {
		t.Errorf("the facts of an integration are %v", facts)
	}
}

// Two versions of an integration that differ have different facts.
func TestFactsSeeEveryDifference(t *testing.T) {
	in := integration("production", role("readonly"), role("deployer"))
	for i := range reflect.TypeOf(in).NumField() {
		other := in
		other.Roles = append([]rolebroker.Role(nil), in.Roles...)
		change(t, reflect.ValueOf(&other).Elem().Field(i))
		differ := len(in.Differences(&other)) > 0
		changed := len(in.Facts().Without(other.Facts()))+len(other.Facts().Without(in.Facts())) > 0
		if differ != changed {
			t.Errorf("%s: they differ: %t, and so do the facts: %t", reflect.TypeOf(in).Field(i).Name, differ, changed)
		}
	}
	for i := range reflect.TypeOf(rolebroker.Role{}).NumField() {
		other := in
		other.Roles = append([]rolebroker.Role(nil), in.Roles...)
		change(t, reflect.ValueOf(&other.Roles[0]).Elem().Field(i))
		differ := len(in.Differences(&other)) > 0
		changed := len(in.Facts().Without(other.Facts()))+len(other.Facts().Without(in.Facts())) > 0
		if differ != changed {
			t.Errorf("role %s: they differ: %t, and so do the facts: %t",
				reflect.TypeOf(rolebroker.Role{}).Field(i).Name, differ, changed)
		}
	}
}

// change gives a field another value.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case time.Duration:
		v.Set(reflect.ValueOf(3 * time.Hour))
		return
	case rolebroker.RoleARN:
		v.Set(reflect.ValueOf(rolebroker.RoleARN{Partition: "aws", Account: "111122223333", Path: "/", Name: "Other"}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("another")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Slice:
		v.Set(v.Slice(0, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		t.Fatalf("%s cannot be changed", v.Type())
	}
}

func TestNamedSubjects(t *testing.T) {
	id := string(rolebroker.NewAgentID())
	secret := "rbt_" + strings.Repeat("a", 26) + "_" + strings.Repeat("b", 52)
	for given, want := range map[string]rolebroker.Subject{
		id:      {Kind: rolebroker.KindAgent, ID: id},
		"scout": {Kind: rolebroker.KindAgent, Name: "scout"},
		"":      {Kind: rolebroker.KindAgent},
	} {
		if got := rolebroker.Named(rolebroker.KindAgent, given); got != want {
			t.Errorf("%q is %+v, want %+v", given, got, want)
		}
	}
	if got := rolebroker.Named(rolebroker.KindAgent, secret); strings.Contains(got.Name+got.ID, "bbb") {
		t.Errorf("the subject has the secret: %+v", got)
	}
}
