package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// ownName returns the name below localhost that the API key has, with the port.
func (s *site) ownName(key string) string {
	s.Helper()
	answer := (&browser{site: s}).post("http://127.0.0.1:8484/sign-in", "key", key)
	at, err := url.Parse(answer.Header().Get("Location"))
	if err != nil || !strings.HasSuffix(at.Host, ".localhost:8484") {
		s.Fatalf("signing in leads to %s", at)
	}
	return at.Host
}

// follow follows a redirect that the answer to a request at host has, and returns where it leads.
func follow(t *testing.T, answer interface{ Header() http.Header }) string {
	t.Helper()
	at, err := url.Parse(answer.Header().Get("Location"))
	if err != nil || at.Host == "" {
		t.Fatalf("the answer leads to %q", answer.Header().Get("Location"))
	}
	at.Scheme = "http"
	return at.String()
}

func TestLoopbackSignsInUnderTheNameOfTheKey(t *testing.T) {
	s := newSite(t, false)
	own, reader := s.ownName(s.admin), s.ownName(s.reader)
	if own == reader || own != s.ownName(s.admin) {
		t.Errorf("the admin key has the name %s, and the other key has %s", own, reader)
	}
	for _, host := range []string{"127.0.0.1:8484", "localhost:8484", "LOCALHOST.:8484", "[::1]:8484", "127.0.0.2:8484",
		"rolebroker.localhost:8484", reader} {
		b := &browser{site: s}
		answer := b.post("http://"+host+"/sign-in", "key", s.admin, "next", "/agents?search=x")
		if answer.Code != http.StatusSeeOther || b.cookie != "" {
			t.Errorf("at %s signing in answers %d and sets the cookie %q", host, answer.Code, b.cookie)
		}
		to := follow(t, answer)
		if !strings.HasPrefix(to, "http://"+own+"/sign-in?code=rbs_") {
			t.Errorf("at %s signing in leads to %s", host, to)
		}
		if answer := b.get(to); answer.Code != http.StatusSeeOther || b.cookie == "" ||
			answer.Header().Get("Location") != "/agents?search=x" {
			t.Errorf("%s answers %d, and leads to %s", to, answer.Code, answer.Header().Get("Location"))
		}
		if answer := b.get("http://" + own + "/agents"); answer.Code != http.StatusOK {
			t.Errorf("signed in at %s, the answer is %d", host, answer.Code)
		}
		for _, elsewhere := range []string{"127.0.0.1:8484", "localhost:8484", "[::1]:8484", reader,
			"rolebroker-" + strings.Repeat("a", 26) + ".localhost:8484"} {
			if answer := b.get("http://" + elsewhere + "/agents"); answer.Code != http.StatusUnauthorized {
				t.Errorf("the cookie opens %s: %d", elsewhere, answer.Code)
			}
		}
		again := &browser{site: s}
		if answer := again.get(to); answer.Code != http.StatusUnauthorized || again.cookie != "" {
			t.Errorf("the code works twice: %d", answer.Code)
		}
		if answer := b.get(to); answer.Header().Get("Location") != "/agents?search=x" {
			t.Errorf("opening the page again answers %d", answer.Code)
		}
	}
}

// At its own name a key signs in at once, as after the end of a sign-in.
func TestTheOwnNameNeedsNoRedirect(t *testing.T) {
	s := newSite(t, false)
	b, own := &browser{site: s}, "http://"+s.ownName(s.admin)
	answer := b.post(own+"/sign-in", "key", s.admin)
	if answer.Header().Get("Location") != "/" || b.get(own+"/integrations").Code != http.StatusOK {
		t.Errorf("signing in answers %d, and leads to %s", answer.Code, answer.Header().Get("Location"))
	}
	if answer := b.post(own + "/sign-out"); answer.Header().Get("Location") != "/sign-in" ||
		b.get(own+"/integrations").Code != http.StatusUnauthorized {
		t.Errorf("signing out answers %d", answer.Code)
	}
}

func TestACodeIsGoodForAMinuteAndUnderOneName(t *testing.T) {
	s := newSite(t, false)
	code := func() string {
		return follow(t, (&browser{site: s}).post("http://localhost:8484/sign-in", "key", s.admin))
	}
	own := s.ownName(s.admin)
	b, elsewhere := &browser{site: s}, strings.Replace(code(), own, "localhost:8484", 1)
	answer := b.get(elsewhere)
	if b.cookie != "" || answer.Code != http.StatusUnauthorized || answer.Header().Get("Location") != "" {
		t.Errorf("at localhost a code answers %d and sets %q", answer.Code, b.cookie)
	}
	late := code()
	s.now = s.now.Add(time.Minute)
	if answer := b.get(late); answer.Code != http.StatusUnauthorized || b.cookie != "" {
		t.Errorf("after a minute a code answers %d and sets %q", answer.Code, b.cookie)
	}
}

// kubectl port-forward leads past the proxy that does TLS: the browser uses plain HTTP, whatever the settings say. And
// what is said about localhost would apply to all of its ports.
func TestLoopbackIsPlainBehindAProxyToo(t *testing.T) {
	s := newSite(t, true)
	b := &browser{site: s}
	answer := b.get(follow(t, b.post("http://localhost:9000/sign-in", "key", s.admin)))
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 || cookies[0].Secure || cookies[0].Name != "rolebroker" || cookies[0].Domain != "" ||
		!cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookies are %v", cookies)
	}
	for host, want := range map[string]bool{"rolebroker.example.com": true, "localhost:9000": false,
		s.ownName(s.admin): false} {
		h := (&browser{site: s}).get("http://" + host + "/sign-in").Header()
		if got := h.Get("Strict-Transport-Security") != ""; got != want {
			t.Errorf("%s has Strict-Transport-Security: %t", host, got)
		}
		if got := strings.Contains(h.Get("Content-Security-Policy"), "form-action 'self';"); got != want {
			t.Errorf("%s has the policy %s", host, h.Get("Content-Security-Policy"))
		}
		if h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s has the referrer policy %s", host, h.Get("Referrer-Policy"))
		}
	}
}

// A proxy that replaces the Host header would send a browser on another machine to that machine itself.
func TestAProxyThatReplacesTheHostIsNamed(t *testing.T) {
	s := newSite(t, true)
	for from, want := range map[string]int{"192.0.2.7": http.StatusUnprocessableEntity,
		"127.0.0.1": http.StatusSeeOther} {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8484/sign-in", strings.NewReader("key="+s.admin))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("X-Forwarded-For", from)
		r.RemoteAddr = from + ":0" // as the server sets it
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		said := strings.Contains(w.Body.String(), "pass on the Host header")
		if w.Code != want || said == (want == http.StatusSeeOther) {
			t.Errorf("from %s the answer is %d: %s", from, w.Code, w.Body)
		}
	}
}

// A name that the operator listed may be one of this machine, where other programs would get the cookie.
func TestNobodySignsInOverPlainHTTPAtAnotherName(t *testing.T) {
	s := newSite(t, false)
	b := &browser{site: s}
	answer := b.post("http://rolebroker.lan:8484/sign-in", "key", s.admin)
	if answer.Code != http.StatusUnprocessableEntity || b.cookie != "" ||
		!strings.Contains(answer.Body.String(), "http://127.0.0.1:8484; if something") {
		t.Errorf("signing in answers %d and sets %q: %s", answer.Code, b.cookie, answer.Body)
	}
	signedIn := &browser{site: s}
	signedIn.get(follow(t, signedIn.post("http://localhost:8484/sign-in", "key", s.admin)))
	if answer := signedIn.get("http://rolebroker.lan:8484/agents"); answer.Code == http.StatusOK {
		t.Errorf("the cookie opens another name: %d", answer.Code)
	}
}

// What people copy from a page goes into an agent's environment, so the name is on no page.
func TestNoPageHasTheName(t *testing.T) {
	s := newSite(t, false)
	own := s.ownName(s.admin)
	b := &browser{site: s}
	b.post("http://"+own+"/sign-in", "key", s.admin)
	b.post("http://"+own+"/agents/new", "name", "scout")
	b.post("http://"+own+"/runners/new", "name", "eks")
	made := func(path string, pairs ...string) string {
		return b.get("http://" + own + b.post("http://"+own+path, pairs...).Header().Get("Location")).Body.String()
	}
	token, join := made("/agents/scout/tokens", "label", "x"), made("/runners/eks/join-token")
	for page, text := range map[string]string{
		"the page with a token":           token,
		"the page with a join token":      join,
		"the page of an agent":            b.get("http://" + own + "/agents/scout").Body.String(),
		"the page of a runner":            b.get("http://" + own + "/runners/eks").Body.String(),
		"the settings":                    b.get("http://" + own + "/settings").Body.String(),
		"the sign-in page for all others": (&browser{site: s}).get("http://" + own + "/sign-in").Body.String(),
	} {
		if strings.Contains(text, strings.TrimSuffix(own, ".localhost:8484")) {
			t.Errorf("%s has the name", page)
		}
	}
	if !strings.Contains(token, "ROLEBROKER_URL=http://127.0.0.1:8484") ||
		!strings.Contains(join, "--server http://127.0.0.1:8484 ") {
		t.Errorf("the pages have another address: %s %s", token, join)
	}
}

func TestTheNameTellsNothingOfTheKey(t *testing.T) {
	name := rolebroker.LoopbackName([]byte("hash"))
	if name == rolebroker.LoopbackName([]byte("hasi")) || len(name) != len("rolebroker-")+26+len(".localhost") ||
		strings.Contains(name, "hash") {
		t.Errorf("the name is %s", name)
	}
}
