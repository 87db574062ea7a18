//go:build unix

package execenv

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// furnishedLender is the lender of a room that started as o says.
func furnishedLender(t *testing.T, o Options) *lender {
	t.Helper()
	o = o.withDefaults()
	l := newLender(o)
	t.Cleanup(l.close)
	loan, err := l.lendFirst(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	offers, err := o.Server.Roles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := o.chooseRoles(loan, offers)
	if err != nil {
		t.Fatal(err)
	}
	l.use(chosen, loan)
	return l
}

// asked says what a room borrows for a request, or the code of its refusal.
func asked(t *testing.T, server *fake, l *lender, role, task string) string {
	t.Helper()
	before := len(server.questions())
	_, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: role, Task: task})
	if err != nil {
		if questions := server.questions(); len(questions) != before {
			t.Errorf("the server was asked for %q, which the room refused: %v", questions[before:], err)
		}
		return string(rolebroker.CodeOf(err))
	}
	return server.questions()[before]
}

const otherID = "rol_p3xk7d2mzq5wv4tcn6hjb8ysra"

func TestWhatARoomAnswersFor(t *testing.T) {
	for _, c := range []struct {
		name, role, task string
		noTasks          bool
		answers          [][3]string // role, task and what the server is asked for, or the code
	}{
		{name: "nothing is bound", answers: [][3]string{
			{"", "", "production/readonly"},
			{"readonly", "", "production/readonly"},
			{"production/deployer", "t", "production/deployer t"},
			{"arn:aws:iam::444455556666:role/deployer", "", "production/deployer"},
			{"staging/default", "", "staging/default"},
			{"default", "", "staging/default"},
			{"admin", "", "not_found"},
			{"staging/readonly", "", "not_found"},
			{otherID, "", "not_found"},
			{"production/", "", "not_found"},
			{"/readonly", "", "not_found"},
			{"/", "", "not_found"},
			{"READONLY", "", "not_found"},
		}},
		{name: "a role", role: "deployer", answers: [][3]string{
			{"", "", "production/deployer"},
			{"", "t", "production/deployer t"},
			{"deployer", "", "production/deployer"},
			{"readonly", "", "denied"},
			{"production/readonly", "", "denied"},
			{"staging/default", "", "denied"},
			{"staging/deployer", "", "denied"},
			{"arn:aws:iam::444455556666:role/readonly", "", "denied"},
			{otherID, "", "denied"},
			{"admin", "", "denied"},
		}},
		{name: "a task", task: "safe", answers: [][3]string{
			{"", "", "production/readonly safe"},
			{"deployer", "safe", "production/deployer safe"},
			{"", "another", "denied"},
			{"deployer", "SAFE", "denied"},
		}},
		{name: "no task", noTasks: true, answers: [][3]string{
			{"", "", "production/readonly"},
			{"", "another", "denied"},
		}},
		{name: "both", role: "readonly", task: "safe", answers: [][3]string{
			{"readonly", "safe", "production/readonly safe"},
			{"readonly", "another", "denied"},
			{"deployer", "safe", "denied"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newFake()
			l := furnishedLender(t, Options{Server: server, Role: c.role, Task: c.task, NoTasks: c.noTasks})
			for _, a := range c.answers {
				if got := asked(t, server, l, a[0], a[1]); got != a[2] {
					t.Errorf("for role %q and task %q: %s, want %s", a[0], a[1], got, a[2])
				}
			}
		})
	}
}

// The reference of --role, which may be an ID, means the role of the room.
func TestTheReferenceOfTheOperatorMeansTheRoleInUse(t *testing.T) {
	server := newFake()
	server.lend = func(context.Context, string, string) (*client.Credentials, error) {
		return lentFor("deployer", distant), nil
	}
	l := furnishedLender(t, Options{Server: server, Role: otherID})
	if got := asked(t, server, l, otherID, ""); got != "production/deployer" {
		t.Errorf("it is %s", got)
	}
}

// A room with all roles of an agent refuses a name that two of them have.
func TestAnAmbiguousNameIsRefused(t *testing.T) {
	server := newFake()
	server.offers = append(server.offers, offer("staging/readonly", "staging", "readonly", "eu-north-1", false))
	l := furnishedLender(t, Options{Server: server})
	_, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: "readonly"})
	if rolebroker.CodeOf(err) != rolebroker.CodeInvalid || !strings.Contains(err.Error(), "production/readonly") ||
		!strings.Contains(err.Error(), "staging/readonly") {
		t.Errorf("it is refused with %v", err)
	}
}

// What is connected, renamed or replaced while the command runs is for the next exec.
func TestARoomStaysAsItStarted(t *testing.T) {
	server := newFake()
	l := furnishedLender(t, Options{Server: server})
	offers := server.offers
	server.offers = append(slices.Clone(offers[:2]), offer("tester", "staging", "tester", "eu-north-1", false))
	server.offers[1].ARN.Name = "Another"
	server.lend = func(_ context.Context, role, _ string) (*client.Credentials, error) {
		if role == "production/deployer" {
			return lentFor("Another", distant), nil
		}
		return lentFor(role, distant), nil
	}
	if got := asked(t, server, l, "tester", ""); got != "not_found" {
		t.Errorf("a role that was connected later: %s", got)
	}
	_, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: "deployer"})
	if rolebroker.CodeOf(err) != rolebroker.CodeConflict || !strings.Contains(err.Error(), "role/Another") {
		t.Errorf("a name that got another IAM role: %v", err)
	}
	left, err := l.Offers(t.Context(), rolebroker.Caller{})
	if err != nil || len(left) != 1 || left[0] != offers[0] {
		t.Errorf("the room offers %v, %v", left, err)
	}
	server.lend = func(context.Context, string, string) (*client.Credentials, error) {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "no")
	}
	_, err = l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: "deployer"})
	if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("during an outage the other IAM role is lent: %v", err)
	}
}

// What a command sends is inert in the message of a refusal.
func TestARefusalQuotesWhatWasAsked(t *testing.T) {
	const evil = "\x1b[2Jdeployer\u202e"
	bound := furnishedLender(t, Options{Server: newFake(), Role: "readonly", Task: "safe"})
	open := furnishedLender(t, Options{Server: newFake()})
	for _, l := range []*lender{bound, open} {
		_, err := l.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Role: evil})
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") || !strings.Contains(err.Error(), "deployer") {
			t.Errorf("it is refused with %q", err)
		}
	}
	_, err := bound.Lend(t.Context(), rolebroker.Caller{}, rolebroker.Request{Task: evil})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") || !strings.Contains(err.Error(), "deployer") {
		t.Errorf("it is refused with %q", err)
	}
}
