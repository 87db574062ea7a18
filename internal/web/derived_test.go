package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/openid"
)

// employee is a site with a person whom the identity provider has just confirmed. The provider answers nobody.
func employee(t *testing.T) (*site, rolebroker.Caller) {
	t.Helper()
	const idp = "https://login.invalid"
	s := newSiteWith(t, true, openid.New(openid.Options{Issuer: idp, ClientID: "rolebroker", Redirect: callback}))
	who, err := s.broker.Admit(t.Context(), rolebroker.Caller{}, &rolebroker.Person{Issuer: idp, Subject: "1",
		Email: "ada@example.com", Groups: []string{"admins"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, who
}

// The sign-in of a command line begins none of a browser, whatever the name by which the server is asked.
func TestTheSignInOfACommandLineIsNoAPIKey(t *testing.T) {
	s, who := employee(t)
	token, _, err := s.broker.SignInPerson(t.Context(), who, rolebroker.NewSecret("refresh"), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"https://127.0.0.1", "https://localhost", home} {
		b := &browser{site: s}
		answer := b.post(at+"/sign-in", "key", token.Reveal())
		if answer.Code != http.StatusUnauthorized || b.cookie != "" || answer.Header().Get("Location") != "" ||
			!strings.Contains(answer.Body.String(), "the sign-in of a command line, and not an API key") {
			t.Errorf("%s answers %d, leads to %q and signs in with %q", at, answer.Code,
				answer.Header().Get("Location"), b.cookie)
		}
	}
}

// A code is for one name, makes no other code, and what it begins ends an hour after the provider answered.
func TestWhatFollowsFromASignInDoesNotOutliveIt(t *testing.T) {
	s, who := employee(t)
	code := func() string {
		t.Helper()
		secret, err := s.broker.SignInCode(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		return url.QueryEscape(secret.Reveal())
	}
	own, err := s.broker.LoopbackName(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	key := rolebroker.Caller{APIKey: s.keyNamed("admin"), Name: "admin", Access: rolebroker.KeyAdmin}
	keyCode, err := s.broker.SignInCode(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []func(b *browser) (int, http.Header){
		func(b *browser) (int, http.Header) {
			a := b.get("https://127.0.0.1/sign-in?code=" + code())
			return a.Code, a.Header()
		},
		func(b *browser) (int, http.Header) {
			a := b.get(home + "/sign-in?code=" + code())
			return a.Code, a.Header()
		},
		func(b *browser) (int, http.Header) {
			a := b.post("https://127.0.0.1/sign-in", "link", code())
			return a.Code, a.Header()
		},
		func(b *browser) (int, http.Header) {
			a := b.post("https://"+own+"/sign-in", "link", code())
			return a.Code, a.Header()
		},
		func(b *browser) (int, http.Header) {
			a := b.get("https://127.0.0.1/sign-in?code=" + url.QueryEscape(keyCode.Reveal()))
			return a.Code, a.Header()
		},
	} {
		b := &browser{site: s}
		if status, header := try(b); status != http.StatusUnauthorized || header.Get("Location") != "" || b.cookie != "" {
			t.Errorf("elsewhere it answers %d, leads to %q and signs in with %q", status, header.Get("Location"), b.cookie)
		}
	}

	begun := s.now
	s.now = begun.Add(59*time.Minute + 30*time.Second)
	late := &browser{site: s}
	if answer := late.get("https://" + own + "/sign-in?code=" + code()); answer.Code != http.StatusSeeOther {
		t.Fatalf("at its name the code answers %d: %s", answer.Code, answer.Body)
	}
	if answer := late.get("https://" + own + "/agents"); answer.Code != http.StatusOK {
		t.Fatalf("the browser sees %d", answer.Code)
	}
	unused := code()
	s.now = begun.Add(time.Hour)
	if answer := late.get("https://" + own + "/agents"); answer.Code != http.StatusUnauthorized {
		t.Errorf("an hour after the provider answered, the browser sees %d", answer.Code)
	}
	if answer := (&browser{site: s}).get("https://" + own + "/sign-in?code=" + unused); answer.Code !=
		http.StatusUnauthorized {
		t.Errorf("the code then answers %d", answer.Code)
	}
	if _, err := s.broker.SignInCode(t.Context(), who); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
		t.Errorf("another code: %v", err)
	}
	if _, _, err := s.broker.SignInPerson(t.Context(), who, rolebroker.Secret{}, false); rolebroker.CodeOf(err) !=
		rolebroker.CodeExpired {
		t.Errorf("another sign-in: %v", err)
	}
}

// keyNamed returns the ID of an API key.
func (s *site) keyNamed(name string) rolebroker.APIKeyID {
	s.Helper()
	keys, err := s.broker.APIKeys(s.Context(), root, rolebroker.Page{Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	for _, key := range keys {
		if key.Name == name {
			return key.ID
		}
	}
	s.Fatalf("there is no API key %s", name)
	return ""
}
