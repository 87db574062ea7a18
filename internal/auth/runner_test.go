package auth_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

func TestACredentialSaysWhichRunnerItIs(t *testing.T) {
	w := newWorld()
	for _, header := range []string{w.credential, "Bearer " + w.credential} {
		who, err := w.Runner(t.Context(), header, address)
		if err != nil || who.Runner != "run_eks" || who.Name != "eks" || who.RunnerKey == "" || who.Agent != "" ||
			who.MayRead() == nil || who.MayWrite() == nil {
			t.Errorf("%+v, %v", who, err)
		}
	}
	who, err := w.JoinToken(t.Context(), w.join, address)
	if err != nil || who.Joining != "run_eks" || who.Runner != "" || who.RunnerKey == "" ||
		who.May(rolebroker.ActionRunnerJoin) != nil || who.May(rolebroker.ActionRunnerReport) == nil ||
		who.MayRead() == nil || who.MayWrite() == nil {
		t.Errorf("%+v, %v", who, err)
	}
	unknown, _ := auth.NewRunnerCredential(rolebroker.NewRunnerKeyID())
	unknownJoin, _ := auth.NewJoinToken(rolebroker.NewRunnerKeyID())
	for _, c := range []struct {
		shown             string
		asRunner, joining rolebroker.Code
	}{
		{"", rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated},
		{"x", rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated},
		{w.chosen, rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated},
		{w.token, rolebroker.CodeDenied, rolebroker.CodeDenied},
		{w.key, rolebroker.CodeDenied, rolebroker.CodeDenied},
		{w.expired, rolebroker.CodeDenied, rolebroker.CodeDenied},
		{w.join, rolebroker.CodeDenied, ""},
		{w.credential, "", rolebroker.CodeDenied},
		{unknown.Reveal(), rolebroker.CodeUnauthenticated, rolebroker.CodeDenied},
		{unknownJoin.Reveal(), rolebroker.CodeDenied, rolebroker.CodeUnauthenticated},
		{strings.ToUpper(w.credential), rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated},
		{w.credential[:len(w.credential)-1] + "-", rolebroker.CodeUnauthenticated, rolebroker.CodeDenied},
		{w.join[:len(w.join)-1] + "-", rolebroker.CodeDenied, rolebroker.CodeUnauthenticated},
		{"rbr" + w.join[3:], rolebroker.CodeUnauthenticated, rolebroker.CodeDenied}, // renamed
		{"rbj" + w.credential[3:], rolebroker.CodeDenied, rolebroker.CodeUnauthenticated},
	} {
		who, err := w.Runner(t.Context(), c.shown, address)
		if rolebroker.CodeOf(err) != c.asRunner || err != nil && who != (rolebroker.Caller{}) {
			t.Errorf("as a runner: %+v, %v; want %s", who, err, c.asRunner)
		}
		who, err = w.JoinToken(t.Context(), c.shown, address)
		if rolebroker.CodeOf(err) != c.joining || err != nil && who != (rolebroker.Caller{}) {
			t.Errorf("joining: %+v, %v; want %s", who, err, c.joining)
		}
	}
}

// A refusal names the kind of the token and the kind that is wanted.
func TestARefusalNamesBothKinds(t *testing.T) {
	w := newWorld()
	_, asRunner := w.Runner(t.Context(), w.join, address)
	_, joining := w.JoinToken(t.Context(), w.credential, address)
	_, asAgent := w.Agent(t.Context(), w.credential, address)
	_, managing := w.APIKey(t.Context(), w.join, address)
	for err, want := range map[error]string{
		asRunner: "this is a join token; a runner's credential is wanted here",
		joining:  "this is a runner's credential; a join token is wanted here",
		asAgent:  "this is a runner's credential; credentials are lent to an agent token only",
		managing: "this is a join token; the management API takes an API key",
	} {
		if err.Error() != want || len(rolebroker.AsError(err).Hint) == 0 {
			t.Errorf("%q (%s), want %q", err, rolebroker.AsError(err).Hint, want)
		}
	}
}

func TestTheKeysOfARunnerEnd(t *testing.T) {
	w := newWorld()
	r := w.Records.(records)
	w.Runner(t.Context(), w.credential, address)
	for _, k := range r.runner {
		if !k.Join && k.UsedAt != now {
			t.Error("the first use is not recorded")
		}
		k.ExpiresAt = now
	}
	who, err := w.Runner(t.Context(), w.credential, address)
	if rolebroker.CodeOf(err) != rolebroker.CodeExpired || who != (rolebroker.Caller{}) {
		t.Errorf("%+v, %v", who, err)
	}
	who, err = w.JoinToken(t.Context(), w.join, address)
	if rolebroker.CodeOf(err) != rolebroker.CodeExpired || who != (rolebroker.Caller{}) {
		t.Errorf("%+v, %v", who, err)
	}
	wrong := w.credential[:len(w.credential)-1] + "-" // a guess must not reveal that the ID was valid once
	if _, err := w.Runner(t.Context(), wrong, address); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("%v", err)
	}
}
