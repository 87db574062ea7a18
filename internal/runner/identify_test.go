package runner

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// identifierOf is an identifier whose stream of events is open.
func identifierOf(t *testing.T, server http.HandlerFunc) *identifier {
	t.Helper()
	r := recordOf(linkTo(t, server, &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}))
	r.receive(api.RunnerEvent{Hello: &api.Hello{Runner: "run_a"}})
	return newIdentifier(r, nil, nil)
}

// An identity is remembered until the next change. An answer from before a
// change is not remembered after it: the change may have revoked the token.
func TestIdentitiesAreNeverOlderThanAChange(t *testing.T) {
	t.Parallel()
	asked := 0
	var i *identifier
	change := func() {}
	i = identifierOf(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		change()
		answerJSON(w, api.Identified{Token: &api.TokenRecord{ID: "tok_a", Agent: "agt_a"}})
	})
	identify := func(want int) {
		t.Helper()
		who, err := i.identify(context.Background(), "Bearer rbt_a", "")
		if err != nil || who.Agent != "agt_a" || asked != want {
			t.Errorf("%+v, %v; the server was asked %d times, want %d", who, err, asked, want)
		}
	}
	change = func() { i.onChange(rolebroker.Change{Agent: "agt_a"}) } // while the server answers
	identify(1)
	change = func() {}
	identify(2)
	identify(2)
	i.onChange(rolebroker.Change{Agent: "agt_b"})
	i.onChange(rolebroker.Change{Integration: "int_a"})
	i.onChange(rolebroker.Change{Agent: "agt_a", Integration: "int_a"})
	identify(2)
	i.onChange(rolebroker.Change{})
	identify(3)
	i.record.streamEnded()
	identify(4)
	identify(5)
}

// The agents and tokens that are remembered are bounded.
func TestIdentitiesAreBounded(t *testing.T) {
	t.Parallel()
	i := newIdentifier(recordOf(&link{}), nil, nil)
	for n := range maxIdentified + 2 {
		id := rolebroker.TokenID(fmt.Sprint("tok_", n))
		i.remember(n, identified{caller: rolebroker.Caller{Token: id}, token: rolebroker.NewSecret("rbt_a")}, 0)
		if len(i.known) > maxIdentified || len(i.tokens) > maxIdentified {
			t.Fatalf("%d agents and %d tokens are remembered", len(i.known), len(i.tokens))
		}
		if i.known[n].caller.Token != id || i.tokenOf(id).IsZero() {
			t.Fatalf("number %d is not remembered", n)
		}
	}
}

// A server that contradicts itself identifies nobody.
func TestAnAnswerThatIsNone(t *testing.T) {
	t.Parallel()
	i := identifierOf(t, func(w http.ResponseWriter, r *http.Request) { answerJSON(w, api.Identified{}) })
	if who, err := i.identify(context.Background(), "rbt_a", ""); rolebroker.CodeOf(err) != rolebroker.CodeInternal ||
		who != (rolebroker.Caller{}) {
		t.Errorf("%+v, %v", who, err)
	}
}

// What is no token of an agent, and no service account that can be verified, is
// refused before the server is asked.
func TestWhatIsNoToken(t *testing.T) {
	t.Parallel()
	i := identifierOf(t, func(http.ResponseWriter, *http.Request) { t.Error("the server was asked") })
	for _, shown := range []string{"", "Bearer ", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"} {
		if _, err := i.identify(context.Background(), shown,
			""); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
			t.Errorf("%q: %v", shown, err)
		}
	}
}
