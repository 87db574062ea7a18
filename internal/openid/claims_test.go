package openid

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// An address that the provider did not verify names nobody, and a name that looks like one says so.
func TestAnAddressThatIsNotVerifiedNamesNobody(t *testing.T) {
	for _, c := range []struct {
		claims      map[string]any
		name, email string
	}{
		{map[string]any{"name": "Ada", "email": "ada@example.com"}, "Ada", "ada@example.com"},
		{map[string]any{"name": "Ada", "email": "ada@example.com", "email_verified": true}, "Ada", "ada@example.com"},
		{map[string]any{"name": "Ada", "email": "ada@example.com", "email_verified": "true"}, "Ada", "ada@example.com"},
		{map[string]any{"name": "Ada", "email": "ada@example.com", "email_verified": false}, "Ada", ""},
		{map[string]any{"name": "Ada", "email": "ada@example.com", "email_verified": "false"}, "Ada", ""},
		{map[string]any{"name": "Ada", "email": "ada@example.com", "email_verified": "False"}, "Ada", ""},
		{map[string]any{"name": "boss@example.com", "email": "x@example.com", "email_verified": false},
			"boss@example.com (not verified)", ""},
		{map[string]any{"preferred_username": "boss@example.com"}, "boss@example.com (not verified)", ""},
	} {
		name, email := named(c.claims)
		if name != c.name || email != c.email {
			t.Errorf("%v: %q, %q", c.claims, name, email)
		}
	}
}

// Who permits a command line signs in for that. A provider that says that it was long ago is not believed.
func TestACommandLineNeedsAFreshSignIn(t *testing.T) {
	now := time.Now()
	p := New(Options{Now: func() time.Time { return now }})
	at := func(ago time.Duration) map[string]any {
		return map[string]any{"auth_time": float64(now.Add(-ago).Unix())}
	}
	for _, claims := range []map[string]any{at(0), at(10 * time.Minute), {}, {"auth_time": "no number"}} {
		if err := p.fresh(claims); err != nil {
			t.Errorf("%v: %v", claims, err)
		}
	}
	for _, claims := range []map[string]any{at(16 * time.Minute), at(24 * time.Hour), {"auth_time": 0.0}} {
		if err := p.fresh(claims); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
			t.Errorf("%v: %v", claims, err)
		}
	}
}
