package runner

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// fakeSTS is one method of assuming roles.
type fakeSTS struct {
	STS
	refuses rolebroker.RefusalKind // empty: it assumes every role
	asked   int
}

func (f *fakeSTS) Assume(context.Context, rolebroker.Assumption) (*rolebroker.Assumed, error) {
	f.asked++
	if f.refuses != "" {
		return nil, &rolebroker.Refusal{Kind: f.refuses, Message: fmt.Sprintf("%p refuses", f)}
	}
	return &rolebroker.Assumed{}, nil
}

func newAssumer(token, direct STS) *assumer {
	return &assumer{token: token, direct: direct, log: slog.New(slog.DiscardHandler),
		worked: map[rolebroker.RoleARN]STS{}}
}

func roleNumber(i int) rolebroker.Assumption {
	return rolebroker.Assumption{ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/",
		Name: fmt.Sprint("Role", i)}}
}

// The method that worked for a role is tried first from then on.
func TestTheMethodThatWorkedIsTriedFirst(t *testing.T) {
	t.Parallel()
	token, direct := &fakeSTS{refuses: rolebroker.RefusedDenied}, &fakeSTS{}
	a := newAssumer(token, direct)
	assume := func(i, wantToken, wantDirect int) {
		t.Helper()
		_, err := a.Assume(t.Context(), roleNumber(i))
		if err != nil || token.asked != wantToken || direct.asked != wantDirect {
			t.Errorf("%v; asked by token %d times and directly %d times, want %d and %d", err, token.asked,
				direct.asked, wantToken, wantDirect)
		}
	}
	assume(1, 1, 1)
	assume(1, 1, 2)
	assume(2, 2, 3) // another role
	token.refuses, direct.refuses = "", rolebroker.RefusedDenied
	assume(1, 3, 4)
	assume(1, 4, 4)
}

// The other method is not tried where it would not help, and its refusal hides
// no other.
func TestTheOtherMethodIsTriedWhereItMayHelp(t *testing.T) {
	t.Parallel()
	for kind, helps := range map[rolebroker.RefusalKind]bool{
		rolebroker.RefusedDenied:          true,
		rolebroker.RefusedNoIdentity:      true,
		rolebroker.RefusedIdentity:        true,
		rolebroker.RefusedIdentityExpired: true,
		rolebroker.RefusedIssuer:          true,
		rolebroker.RefusedNoProvider:      true,
		rolebroker.RefusedAudience:        true,
		rolebroker.RefusedUnreachable:     false,
		rolebroker.RefusedThrottled:       false,
		rolebroker.RefusedDuration:        false,
	} {
		token, direct := &fakeSTS{refuses: kind}, &fakeSTS{refuses: rolebroker.RefusedDenied}
		_, err := newAssumer(token, direct).Assume(t.Context(), roleNumber(1))
		if err == nil || err.Error() != fmt.Sprintf("%p refuses", token) || (direct.asked > 0) != helps {
			t.Errorf("%s: %v, and the other method was tried %d times", kind, err, direct.asked)
		}
	}
	for _, a := range []*assumer{newAssumer(&fakeSTS{refuses: rolebroker.RefusedDenied}, nil),
		newAssumer(nil, &fakeSTS{refuses: rolebroker.RefusedDenied})} {
		if _, err := a.Assume(t.Context(), roleNumber(1)); err == nil {
			t.Error("with one method, its refusal is not the answer")
		}
	}
}

// The roles whose method is remembered are bounded.
func TestMethodsAreRememberedForSoManyRoles(t *testing.T) {
	t.Parallel()
	a := newAssumer(&fakeSTS{refuses: rolebroker.RefusedDenied}, &fakeSTS{})
	for i := range maxWorked + 2 {
		if _, err := a.Assume(t.Context(), roleNumber(i)); err != nil {
			t.Fatal(err)
		}
		if n := len(a.worked); n > maxWorked {
			t.Fatalf("%d are remembered", n)
		}
		if first, _ := a.order(roleNumber(i).ARN); first != a.direct {
			t.Fatalf("for number %d it is not remembered", i)
		}
	}
}
