//go:build unix

package execenv

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

var distant = time.Now().Add(time.Hour).Truncate(time.Second)

// The role in use is remembered under the name that exec goes on asking for.
func TestOutageAfterTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake()
		l := newLender(options(server).withDefaults())
		defer l.close()
		lent, err := l.lendFirst(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.use(roomOf(server.offers...), lent)
		server.lend = func(context.Context, string, string) (*client.Credentials, error) {
			return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "no")
		}
		if again, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{}); again != lent {
			t.Errorf("during the outage it gets %v, %v", again, err)
		}
		_, err = l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Task: "another"})
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("another task gets %v", err)
		}
		want := []string{"", "production/readonly", "production/readonly another"}
		if !slices.Equal(server.questions(), want) {
			t.Errorf("asked for %q, want %q", server.questions(), want)
		}
	})
}

// A command asks for access to what its room has, and for its task only.
func TestTheRoomAsksForAccess(t *testing.T) {
	o := options(newFake()).withDefaults()
	o.Task = "release-17"
	l := newLender(o)
	defer l.close()
	l.roles = roomOf(o.Server.(*fake).offers...)
	asks := func(role, task string, want rolebroker.Code) api.MyAccessRequest {
		t.Helper()
		made, err := l.RequestAccess(t.Context(), rolebroker.Caller{}, api.AccessRequestRequest{Role: role, Task: task})
		if rolebroker.CodeOf(err) != want {
			t.Errorf("asking for %q and task %q: %v", role, task, err)
		}
		return made
	}
	if got := asks("", "", ""); got.Role != "production/readonly" || got.Task != "release-17" {
		t.Errorf("it asks for %+v", got)
	}
	asks("nothing", "", rolebroker.CodeNotFound)
	asks("", "another", rolebroker.CodeDenied)

	// It finds what it could have asked itself; the rest of the agent's is as if it did not exist.
	o.Server.(*fake).requests = []api.MyAccessRequest{
		{ID: "req_mine", Role: "production/deployer", Task: "release-17"},
		{ID: "req_task", Role: "production/deployer", Task: "another"},
		{ID: "req_role", Role: "secret/admin", Task: "release-17"},
	}
	if got, err := l.MyAccessRequest(t.Context(), rolebroker.Caller{}, "req_mine", 0); err != nil || got.ID != "req_mine" {
		t.Errorf("it finds %+v, %v", got, err)
	}
	for _, id := range []string{"req_task", "req_role", "req_none"} {
		_, err := l.MyAccessRequest(t.Context(), rolebroker.Caller{}, id, 0)
		if want := rolebroker.NoAccessRequest(id); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
	if got, err := l.MyAccessRequests(t.Context(), rolebroker.Caller{}, ""); err != nil || len(got) != 1 ||
		got[0].ID != "req_mine" {
		t.Errorf("it lists %+v, %v", got, err)
	}
}

// A command sees the calls that its room could have made: with its roles, and for its task.
func TestTheRoomListsItsCalls(t *testing.T) {
	server := newFake()
	o := options(server).withDefaults()
	o.Role, o.Task = "deployer", "release-17"
	l := newLender(o)
	defer l.close()
	l.roles = roles{server.offers[1:2], "deployer"}
	call := func(id, integration, role, task string) api.Call {
		return api.Call{ID: id, Integration: integration, Role: role, Task: task}
	}
	server.calls = api.List[api.Call]{NextCursor: "cal_6", Items: []api.Call{
		call("cal_1", "production", "deployer", "release-17"), call("cal_2", "production", "deployer", ""),
		call("cal_3", "production", "readonly", "release-17"), call("cal_4", "", "", "release-17"),
		call("cal_5", "staging", "deployer", "release-17"), call("cal_6", "production", "deployer", "release-17"),
	}}
	since := time.Now()
	filter := rolebroker.CallFilter{Session: "ses_1", Request: "req_1", Service: "s3", Operation: "PutObject",
		Level: "write", Decision: "refused", Since: since, Until: since.Add(1)}
	got, err := l.MyCalls(t.Context(), rolebroker.Caller{}, filter, 7, "cal_0")
	var ids []string
	for _, c := range got.Items {
		ids = append(ids, c.ID)
	}
	if err != nil || !slices.Equal(ids, []string{"cal_1", "cal_6"}) || got.NextCursor != "cal_6" {
		t.Errorf("it lists %q and goes on with %q, %v", ids, got.NextCursor, err)
	}
	want := []any{api.CallFilter{Session: "ses_1", Request: "req_1", Service: "s3", Operation: "PutObject",
		Level: "write", Decision: "refused", Since: since, Until: since.Add(1)}, client.List{Limit: 7, Cursor: "cal_0"}}
	if !slices.Equal(server.listed, want) {
		t.Errorf("it asks for %+v", server.listed)
	}
}

// A command gets tokens for what its room has, and for nothing else.
func TestTokensAreBound(t *testing.T) {
	o := options(newFake())
	o.Task, o.Access = "release-17", rolebroker.AccessReadOnly
	l := newLender(o.withDefaults())
	defer l.close()
	roomWith := roomOf(offer("readonly", "production", "readonly", "us-east-1", true),
		offer("deployer", "production", "deployer", "eu-west-1", false))
	l.use(roomWith, &rolebroker.Loan{Role: rolebroker.Role{ARN: roomWith.inUse().ARN},
		Credentials: rolebroker.Credentials{Expires: distant}})
	for _, c := range []struct {
		role, task, access, want string
		code                     rolebroker.Code
	}{
		{"", "", "", "eks production/readonly release-17 read-only", ""},
		{"deployer", "release-17", "full", "eks production/deployer release-17 read-only", ""},
		{"staging/default", "", "", "", rolebroker.CodeNotFound},
		{"deployer", "another", "", "", rolebroker.CodeDenied},
	} {
		made, err := l.AWSToken(t.Context(), rolebroker.Caller{},
			api.AWSTokenRequest{Kind: "eks", Role: c.role, Task: c.task, Access: c.access})
		if rolebroker.CodeOf(err) != c.code || made.Token.Reveal() != c.want {
			t.Errorf("%+v is answered with %q, %v", c, made.Token.Reveal(), err)
		}
	}
	changed := newFake()
	changed.offers[1].ARN.Name = "Other"
	l.server = changed
	_, err := l.AWSToken(t.Context(), rolebroker.Caller{}, api.AWSTokenRequest{Kind: "eks", Role: "deployer"})
	if rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		t.Errorf("a token of another role than at the start is answered with %v", err)
	}
}

// An answer that lacks something is an error of the server's.
func TestAnswersThatAreNoCredentials(t *testing.T) {
	for what, change := range map[string]func(*client.Credentials){
		"no ARN": func(c *client.Credentials) { c.RoleARN = "Deployer" },
		"no key": func(c *client.Credentials) { c.AccessKeyID = "" },
	} {
		server := newFake()
		server.lend = func(_ context.Context, role, _ string) (*client.Credentials, error) {
			c := lentFor(role, distant)
			change(c)
			return c, nil
		}
		l := newLender(options(server).withDefaults())
		defer l.close()
		_, err := l.lendFirst(t.Context())
		if rolebroker.CodeOf(err) != rolebroker.CodeInternal {
			t.Errorf("%s: %v", what, err)
		}
	}
}
