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
