package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// Each refusal is recorded once, with the address and the ID that the caller showed, and without the secret.
func TestRefusalsAreRecorded(t *testing.T) {
	w := newWorld()
	events := w.Records.(records).events
	id := func(prefix, shown string) string { return prefix + strings.Split(shown, "_")[1] }
	wrong := w.key[:len(w.key)-1] + "-"
	for _, c := range []struct {
		what    string
		try     func() error
		action  rolebroker.Action
		code    rolebroker.Code
		claimed string
	}{
		{"no key", func() error { _, err := w.APIKey(t.Context(), "", address); return err },
			rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeUnauthenticated, ""},
		{"a wrong key", func() error { _, err := w.APIKey(t.Context(), "Bearer "+wrong, address); return err },
			rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeUnauthenticated, id("key_", w.key)},
		{"an expired key", func() error { _, err := w.APIKey(t.Context(), w.expired, address); return err },
			rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeExpired, id("key_", w.expired)},
		{"an agent token as a key", func() error { _, err := w.APIKey(t.Context(), w.token, address); return err },
			rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeDenied, id("tok_", w.token)},
		{"a credential as a key", func() error { _, err := w.APIKey(t.Context(), w.credential, address); return err },
			rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeDenied, id("rky_", w.credential)},
		{"a secret where the ID belongs", func() error {
			_, err := w.APIKey(t.Context(), "rbk_"+w.chosen+"_"+strings.Repeat("x", 52), address)
			return err
		}, rolebroker.ActionAPIKeyAuthenticate, rolebroker.CodeUnauthenticated, ""},
		{"a key as a credential", func() error { _, err := w.Runner(t.Context(), w.key, address); return err },
			rolebroker.ActionRunnerAuthenticate, rolebroker.CodeDenied, id("key_", w.key)},
		{"a credential as a join token",
			func() error { _, err := w.JoinToken(t.Context(), w.credential, address); return err },
			rolebroker.ActionRunnerJoin, rolebroker.CodeDenied, id("rky_", w.credential)},
		{"an unknown cookie", func() error {
			_, _, err := w.SignedIn(t.Context(), "nonsense", false, address)
			return err
		},
			rolebroker.ActionSignInAuthenticate, rolebroker.CodeUnauthenticated, ""},
	} {
		*events = nil
		err := c.try()
		if rolebroker.CodeOf(err) != c.code || len(*events) != 1 {
			t.Errorf("%s: %v and the events %+v", c.what, err, *events)
			continue
		}
		e := (*events)[0]
		if e.Action != c.action || e.Outcome() != rolebroker.OutcomeRefused || e.Refusal.Code != c.code ||
			e.Claimed != c.claimed || e.Actor != (rolebroker.Caller{Address: "192.0.2.7"}) {
			t.Errorf("%s: %+v", c.what, e)
		}
		for _, shown := range []string{w.key, w.token, w.credential, w.expired} {
			if strings.Contains(fmt.Sprintf("%+v", e), shown[len(shown)-52:]) {
				t.Errorf("%s: the event has the secret: %+v", c.what, e)
			}
		}
	}
	*events = nil
	w.APIKey(t.Context(), w.key, address)
	w.Runner(t.Context(), w.credential, address)
	w.JoinToken(t.Context(), w.join, address)
	if len(*events) != 0 {
		t.Errorf("callers who were identified are recorded: %+v", *events)
	}
}
