package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

// signIns has the broker's methods for signing in and out.
type signIns interface {
	SignIn(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, time.Time, error)
	SignOut(ctx context.Context, id rolebroker.SignInID) error
}

// cookieName returns the name of the cookie. Over HTTPS it has the prefix __Host-, with which browsers accept the
// cookie from this host only.
//
// Source: RFC 6265bis, section 4.1.3.2.
func (s *server) cookieName() string {
	if s.Secure {
		return "__Host-rolebroker"
	}
	return "rolebroker"
}

func (s *server) setCookie(w http.ResponseWriter, value string, expires time.Time) {
	cookie := &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", Expires: expires,
		HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// signedIn identifies the person by the browser's cookie. Codes: unauthenticated, expired.
func (s *server) signedIn(r *http.Request) (rolebroker.Caller, rolebroker.SignInID, error) {
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return rolebroker.Caller{}, "", rolebroker.Errorf(rolebroker.CodeUnauthenticated, "you are not signed in")
	}
	return s.Auth.SignedIn(r.Context(), cookie.Value, false, r.RemoteAddr)
}

// signInPage asks for an API key.
type signInPage struct {
	base
	Next    string // the path to open after signing in
	Link    string // the secret of the sign-in link that the browser opened; empty: none
	Problem string
	Ended   bool // the sign-in of this browser has ended
}

func (s *server) showSignIn(w http.ResponseWriter, r *http.Request) error {
	if link := r.URL.Query().Get("link"); link != "" { // only the button uses the link up
		return s.render(w, http.StatusOK, "signin", signInPage{base: base{Title: "Sign in"}, Link: link})
	}
	if _, _, err := s.signedIn(r); err == nil {
		return to(w, r, next(r))
	}
	return s.render(w, http.StatusOK, "signin", signInPage{base: base{Title: "Sign in"}, Next: next(r)})
}

// askToSignIn answers a request without a valid sign-in.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request, err error) error {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired:
	default:
		return err
	}
	_, noCookie := r.Cookie(s.cookieName())
	page := signInPage{base: base{Title: "Sign in"}, Ended: noCookie == nil}
	if r.Method == http.MethodGet {
		page.Next = r.URL.RequestURI()
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", "/sign-in") // the whole page, not a part of it
	}
	return s.render(w, http.StatusUnauthorized, "signin", page)
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	if link := r.PostFormValue("link"); link != "" {
		return s.signInByLink(w, r, link)
	}
	refuse := func(status int, problem string) error {
		return s.render(w, status, "signin", signInPage{base: base{Title: "Sign in"}, Next: next(r), Problem: problem})
	}
	key := strings.TrimSpace(r.PostFormValue("key"))
	if key == "" {
		return refuse(http.StatusUnprocessableEntity, "Paste an API key.")
	}
	who, err := s.Auth.APIKey(r.Context(), "Bearer "+key, r.RemoteAddr)
	switch rolebroker.CodeOf(err) {
	case "":
		return s.signInAs(w, r, who)
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeDenied:
	default:
		return err
	}
	if !s.tries.allow(origin(r), s.Now()) {
		w.Header().Set("Retry-After", "60")
		return refuse(http.StatusTooManyRequests, "Too many wrong keys from here. Wait a minute.")
	}
	return refuse(http.StatusUnauthorized, sentence(rolebroker.AsError(err).Message))
}

// signInByLink uses up a sign-in link and signs the browser in.
func (s *server) signInByLink(w http.ResponseWriter, r *http.Request, link string) error {
	const used = "This link was used already, or is too old. Sign in with an API key."
	who, id, err := s.Auth.SignedIn(r.Context(), link, true, r.RemoteAddr)
	if err == nil {
		err = s.Broker.SignOut(r.Context(), id)
	}
	switch rolebroker.CodeOf(err) {
	case "":
		return s.signInAs(w, r, who)
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeNotFound:
		return s.render(w, http.StatusUnauthorized, "signin", signInPage{base: base{Title: "Sign in"}, Problem: used})
	}
	return err
}

// signInAs signs the browser in, and ends an earlier sign-in of it.
func (s *server) signInAs(w http.ResponseWriter, r *http.Request, who rolebroker.Caller) error {
	if _, old, err := s.signedIn(r); err == nil {
		if err := s.Broker.SignOut(r.Context(), old); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			return err
		}
	}
	secret, expires, err := s.Broker.SignIn(r.Context(), who)
	if err != nil {
		return err
	}
	s.setCookie(w, secret.Reveal(), expires)
	return to(w, r, next(r))
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.SignOut(r.Context(), v.signIn); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	s.setCookie(w, "", time.Time{})
	return to(w, r, "/sign-in")
}

// next returns the path to open after signing in. It accepts paths of this server only.
func next(r *http.Request) string {
	const longest = 2000
	path := r.FormValue("next")
	u, err := url.Parse(path)
	if err != nil || len(path) > longest || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") || strings.HasPrefix(u.Path, "/sign-in") {
		return "/integrations"
	}
	return path
}

// tries limits the failed sign-ins of an address.
type tries struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	from  map[string]*rate.Limiter
}

// maxAddresses is how many addresses tries remembers before it forgets all of them.
const maxAddresses = 10_000

func newTries(every rate.Limit, burst int) *tries {
	return &tries{every: every, burst: burst, from: map[string]*rate.Limiter{}}
}

// origin returns the network that a request comes from.
func origin(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return network(host)
}

// network returns an IPv4 address, or the /64 network of an IPv6 address, which is what one customer has.
func network(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return "unknown"
	case addr.Unmap().Is4():
		return addr.Unmap().String()
	}
	prefix, _ := addr.WithZone("").Prefix(64) // it is an IPv6 address, so there is one
	return prefix.String()
}

// allow reports whether the address may fail once more. Only failures count: a valid key always signs in.
func (t *tries) allow(host string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.from) >= maxAddresses {
		clear(t.from)
	}
	limiter := t.from[host]
	if limiter == nil {
		limiter = rate.NewLimiter(t.every, t.burst)
		t.from[host] = limiter
	}
	return limiter.AllowN(now, 1)
}
