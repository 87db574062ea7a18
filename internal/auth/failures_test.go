package auth_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// After many mistakes an address is told to wait, whatever the door and the credential. The right credential still
// opens, and the mistakes of other addresses are answered as before.
func TestAnAddressThatFailsOftenIsToldToWait(t *testing.T) {
	for name, show := range map[string]func(w world, shown, from string) error{
		"agent token": func(w world, shown, from string) error {
			_, err := w.Agent(t.Context(), shown, from)
			return err
		},
		"API key": func(w world, shown, from string) error {
			_, err := w.APIKey(t.Context(), shown, from)
			return err
		},
		"credential": func(w world, shown, from string) error {
			_, err := w.Runner(t.Context(), shown, from)
			return err
		},
		"join token": func(w world, shown, from string) error {
			_, err := w.JoinToken(t.Context(), shown, from)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, metrics := newWorld(), new(prometheus.Registry)
			w.Authenticator = w.At("door")
			w.Failures = guard.NewFailures(w.Now, metrics)
			right := map[string]string{"agent token": w.token, "API key": w.key, "credential": w.credential,
				"join token": w.join}[name]
			wrong := right[:len(right)-1] + "-"
			first := show(w, wrong, address)
			var last error
			for range 99 {
				last = show(w, wrong, address)
			}
			if rolebroker.AsError(first).RetryAfter != 0 {
				t.Errorf("the first mistake has to wait: %v", first)
			}
			e := rolebroker.AsError(last)
			if e.Code != rolebroker.CodeOf(first) || e.RetryAfter <= 0 ||
				!strings.HasPrefix(e.Message, first.Error()) ||
				!strings.Contains(e.Message, "too many requests from 192.0.2.7 failed: correct the token or key, and "+
					"try again in 2 s") || rolebroker.IsOutage(e) {
				t.Errorf("the last mistake: %+v", e)
			}
			if err := show(w, right, address); err != nil {
				t.Errorf("the right one is refused: %v", err)
			}
			if err := show(w, wrong, "192.0.2.8:1"); rolebroker.AsError(err).RetryAfter != 0 {
				t.Errorf("another address has to wait: %v", err)
			}
			for _, want := range []string{`{door="door",answer="refused"} 31`, `{door="door",answer="limited"} 70`} {
				if !strings.Contains(metrics.Text(), "rolebroker_failed_identifications_total"+want) {
					t.Errorf("the metrics lack %s:\n%s", want, metrics.Text())
				}
			}
		})
	}
}

// A key that an operator chose for an earlier version can be guessed, so it is not compared while its address has to
// wait. A random one cannot.
func TestAKeyThatCanBeGuessedIsNotComparedForever(t *testing.T) {
	random := strings.Repeat("0123456789abcdef", 3) + "fedcba9876543210"
	for _, key := range []string{"what the operator chose himself", random} {
		w := newWorld()
		w.Failures = guard.NewFailures(w.Now, nil)
		w.Records.(records).keys[auth.BootstrapKey].Hash = seal.Hash(key)
		for range 100 {
			if _, err := w.APIKey(t.Context(), "a guess", address); err == nil {
				t.Fatal("a guess is right")
			}
		}
		_, err := w.APIKey(t.Context(), key, address)
		if e := rolebroker.AsError(err); key != random && (err == nil || e.RetryAfter == 0) ||
			key == random && err != nil {
			t.Errorf("after many guesses, %q: %v", key, err)
		}
		if _, err := w.APIKey(t.Context(), key, "192.0.2.8:1"); err != nil {
			t.Errorf("from another address, %q: %v", key, err)
		}
	}
}
