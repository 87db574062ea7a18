package openid_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/openid"
)

func TestMain(m *testing.M) {
	code := m.Run()
	dextest.Remove()
	os.Exit(code)
}

const (
	callback = "https://rolebroker.example.com/sign-in/callback"
	secret   = "the-secret-of-the-client"
)

// world is Dex, and a provider that knows it.
type world struct {
	testing.TB
	dex *dextest.Dex
	log bytes.Buffer
	now time.Time
}

func newWorld(t *testing.T) *world {
	dex := dextest.Start(t, dextest.Client{ID: "rolebroker", Secret: secret, RedirectURIs: []string{callback}},
		dextest.Client{ID: "other", Secret: secret, RedirectURIs: []string{callback}},
		dextest.Client{ID: "cli", Public: true})
	dex.Put("ada", dextest.Person{Name: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"platform", "all"}})
	return &world{TB: t, dex: dex, now: time.Now()}
}

// provider makes a provider with other options than those that are right.
func (w *world) provider(change func(*openid.Options)) *openid.Provider {
	o := openid.Options{Issuer: w.dex.Issuer, ClientID: "rolebroker", CLIClientID: "cli", Redirect: callback,
		ClientSecret: func() (rolebroker.Secret, error) { return rolebroker.NewSecret(secret), nil },
		Now:          func() time.Time { return w.now }, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
	if change != nil {
		change(&o)
	}
	return openid.New(o)
}

// signIn signs ada in and returns the answer of Dex.
func (w *world) signIn(p *openid.Provider, q openid.Question) url.Values {
	w.Helper()
	at, err := p.URL(w.Context(), q)
	if err != nil {
		w.Fatal(err)
	}
	return w.dex.SignIn(at, "ada").Query()
}

// refused checks the code and the message of an error, which has no secret.
func (w *world) refused(err error, code rolebroker.Code, says string) {
	w.Helper()
	e := rolebroker.AsError(err)
	if err == nil || e.Code != code || !strings.Contains(e.Error(), says) {
		w.Errorf("%v (%v), want %s, %q", err, e.Cause, code, says)
	}
	if text := e.Error() + e.Hint.String() + w.log.String(); strings.Contains(text, secret) {
		w.Errorf("the secret is in %s", text)
	}
}

func TestAPersonIsWhoTheProviderSays(t *testing.T) {
	w := newWorld(t)
	p := w.provider(nil)
	attempt := openid.NewAttempt()
	back := w.signIn(p, attempt.Ask(callback))
	if !attempt.Is(back.Get("state")) || openid.NewAttempt().Is(back.Get("state")) {
		t.Errorf("it comes back with the state %q", back.Get("state"))
	}
	person, err := p.Redeem(t.Context(), attempt.Redeem(callback, back.Get("code")))
	if err != nil {
		t.Fatal(err, rolebroker.AsError(err).Cause)
	}
	if person.Issuer != w.dex.Issuer || person.Subject == "" || person.Name != "Ada Lovelace" ||
		person.Email != "ada@example.com" || !slices.Equal(person.Groups, []string{"platform", "all"}) ||
		person.Renewal.IsZero() {
		t.Errorf("it is %+v", person)
	}

	// A code is good once.
	_, err = p.Redeem(t.Context(), attempt.Redeem(callback, back.Get("code")))
	w.refused(err, rolebroker.CodeUnauthenticated, "used already")

	// The groups are those of now, until the person leaves or the provider ends the sign-in.
	w.dex.Put("ada", dextest.Person{Email: "countess@example.com", Groups: []string{"all"}})
	again, err := p.Renew(t.Context(), person.Renewal, false)
	if err != nil || again.Subject != person.Subject || again.Email != "countess@example.com" ||
		!slices.Equal(again.Groups, []string{"all"}) {
		t.Fatalf("later it is %+v: %v", again, err)
	}
	_, err = p.Renew(t.Context(), person.Renewal, false)
	w.refused(err, rolebroker.CodeUnauthenticated, "ended the sign-in") // there is a newer one
	w.dex.Delete("ada")
	person = again
	_, err = p.Renew(t.Context(), person.Renewal, false)
	w.refused(err, rolebroker.CodeUnavailable, "answers with an error") // Dex does not say more
	w.dex.EndSignIns()
	_, err = p.Renew(t.Context(), person.Renewal, false)
	w.refused(err, rolebroker.CodeUnauthenticated, "ended the sign-in")
	w.dex.Stop()
	_, err = p.Renew(t.Context(), person.Renewal, false)
	w.refused(err, rolebroker.CodeUnavailable, "does not answer")
}

// What another attempt, client, redirect URL or time is for opens nothing.
func TestAnAnswerIsForOneAttempt(t *testing.T) {
	w := newWorld(t)
	p := w.provider(nil)
	other := w.provider(func(o *openid.Options) { o.ClientID = "other" })
	for name, c := range map[string]struct {
		redeem func(a openid.Answer) error
		code   rolebroker.Code
		says   string
	}{
		"another nonce": {func(a openid.Answer) error {
			a.Nonce = openid.NewAttempt().Nonce()
			_, err := p.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnauthenticated, "cannot be believed"},
		"no nonce": {func(a openid.Answer) error {
			a.Nonce = ""
			_, err := p.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnauthenticated, "cannot be believed"},
		"another verifier": {func(a openid.Answer) error {
			a.Verifier = rolebroker.NewSecret(openid.NewAttempt().Verifier())
			_, err := p.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnauthenticated, "used already"},
		"another redirect URL": {func(a openid.Answer) error {
			a.Redirect = "https://rolebroker.example.com/"
			_, err := p.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnauthenticated, "used already"},
		"another client": {func(a openid.Answer) error {
			_, err := other.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnavailable, "answers with an error"}, // Dex says no more
		"an hour later": {func(a openid.Answer) error {
			w.now = w.now.Add(time.Hour)
			defer func() { w.now = time.Now() }()
			_, err := p.Redeem(t.Context(), a)
			return err
		}, rolebroker.CodeUnauthenticated, "cannot be believed"},
	} {
		attempt := openid.NewAttempt()
		back := w.signIn(p, attempt.Ask(callback))
		err := c.redeem(attempt.Redeem(callback, back.Get("code")))
		if t.Logf("%s: %v (%v)", name, err, rolebroker.AsError(err).Cause); err == nil {
			t.Errorf("%s is accepted", name)
			continue
		}
		w.refused(err, c.code, c.says)
	}
}

// A wrong setting shows before anybody signs in, with its name.
func TestWrongSettingsAreNamed(t *testing.T) {
	w := newWorld(t)
	if err := w.provider(nil).Check(t.Context()); err != nil {
		t.Fatalf("the right settings: %v (%v)\n%s", err, rolebroker.AsError(err).Cause, w.log.String())
	}
	for name, c := range map[string]struct {
		change        func(*openid.Options)
		says, setting string
	}{
		"issuer":   {func(o *openid.Options) { o.Issuer += "/" }, "calls itself " + w.dex.Issuer, "--oidc-issuer"},
		"client":   {func(o *openid.Options) { o.ClientID = "nobody" }, "no client nobody", "--oidc-client-id"},
		"redirect": {func(o *openid.Options) { o.Redirect += "/" }, "exactly this redirect URL", "--public-url"},
		"secret": {func(o *openid.Options) {
			o.ClientSecret = func() (rolebroker.Secret, error) { return rolebroker.NewSecret(secret + "x"), nil }
		}, "does not accept this server’s client ID or secret", "--oidc-client-secret-file"},
		"no secret": {func(o *openid.Options) { o.ClientSecret = nil },
			"does not accept this server’s client ID or secret", "--oidc-client-secret-file"},
		"scopes": {func(o *openid.Options) { o.Scopes = []string{"profile"} }, "", "--oidc-"},
	} {
		w.log.Reset()
		err := w.provider(c.change).Check(t.Context())
		w.refused(err, rolebroker.CodeUnavailable, c.says)
		if hint := rolebroker.AsError(err).Hint.String(); !strings.Contains(hint, c.setting) ||
			!strings.Contains(w.log.String(), c.setting) {
			t.Errorf("%s: the hint is %q, and the log %q", name, hint, w.log.String())
		}
	}
	w.dex.Stop()
	w.refused(w.provider(nil).Check(t.Context()), rolebroker.CodeUnavailable, "does not answer")
}

func TestGroupsAreReadFromTheClaim(t *testing.T) {
	w := newWorld(t)
	sign := func(claim string) (*rolebroker.Person, error) {
		p := w.provider(func(o *openid.Options) { o.GroupsClaim = claim })
		attempt := openid.NewAttempt()
		back := w.signIn(p, attempt.Ask(callback))
		return p.Redeem(t.Context(), attempt.Redeem(callback, back.Get("code")))
	}
	if p, err := sign("email"); err != nil || !slices.Equal(p.Groups, []string{"ada@example.com"}) {
		t.Errorf("a text: %+v, %v", p, err)
	}
	if p, err := sign("federated_claims.user_id"); err != nil || len(p.Groups) > 0 { // not asked for
		t.Errorf("a path: %+v, %v", p, err)
	}
	if p, err := sign("roles"); err != nil || len(p.Groups) > 0 {
		t.Errorf("none: %+v, %v", p, err)
	}
	if !strings.Contains(w.log.String(), "sends no claim roles") {
		t.Errorf("the log says %s", w.log.String())
	}
	_, err := sign("email_verified")
	w.refused(err, rolebroker.CodeUnavailable, "neither a text nor a list")
}

// Command lines sign in with a client that is named for them, and the provider asks the person again.
func TestCommandLinesHaveAClientOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	question := openid.NewAttempt().Ask("http://localhost:1/callback")
	question.CommandLine = true
	off := w.provider(func(o *openid.Options) { o.CLIClientID = "" })
	_, err := off.URL(t.Context(), question)
	w.refused(err, rolebroker.CodeDenied, "command lines do not sign in")
	_, err = off.BeginDevice(t.Context())
	w.refused(err, rolebroker.CodeDenied, "command lines do not sign in")
	_, _, err = off.AwaitDevice(t.Context(), rolebroker.NewSecret("x"), time.Second)
	w.refused(err, rolebroker.CodeDenied, "command lines do not sign in")
	_, err = off.Redeem(t.Context(), openid.Answer{Code: "x", CommandLine: true})
	w.refused(err, rolebroker.CodeDenied, "command lines do not sign in")
	_, err = off.Renew(t.Context(), rolebroker.NewSecret("x"), true)
	w.refused(err, rolebroker.CodeDenied, "command lines do not sign in")
	for id, want := range map[string]string{"cli": "cli", "rolebroker": "rolebroker"} {
		at, err := w.provider(func(o *openid.Options) { o.CLIClientID = id }).URL(t.Context(), question)
		u, _ := url.Parse(at)
		if err != nil || u.Query().Get("client_id") != want || u.Query().Get("max_age") != "1" {
			t.Errorf("with %s they are sent to %s: %v", id, at, err)
		}
	}
	at, err := off.URL(t.Context(), openid.NewAttempt().Ask(callback))
	if u, _ := url.Parse(at); err != nil || u.Query().Has("max_age") {
		t.Errorf("a browser is sent to %s: %v", at, err)
	}
}

func TestAttemptsResumeBySecret(t *testing.T) {
	a := openid.NewAttempt()
	b, ok := openid.ResumeAttempt(a.Secret())
	if !ok || b != a || len(a.Verifier()) != 43 || a.State() == a.Nonce() || a.State() == a.Verifier() ||
		a.Nonce() == a.Verifier() {
		t.Errorf("%+v resumes as %+v, %v", a, b, ok)
	}
	for _, wrong := range []string{"", "short", strings.Repeat("A", 52), a.Secret().Reveal() + "a"} {
		if _, ok := openid.ResumeAttempt(rolebroker.NewSecret(wrong)); ok {
			t.Errorf("%q is an attempt", wrong)
		}
	}
	if (openid.Attempt{}).Is((openid.Attempt{}).State()) {
		t.Error("no attempt is one")
	}
}
