//go:build unix

package execenv

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
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
