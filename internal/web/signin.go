package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// signIns is the part of the broker that signs people in and out.
type signIns interface {
	SignIn(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, time.Time, error)
	SignOut(ctx context.Context, id rolebroker.SignInID) error
}

// cookieName is the name of the cookie. Over HTTPS it has a prefix with which
// browsers accept it from this host only.
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
		Name:     s.cookieName(),
		Value:    value,
		Path:     "/",
		Expires:  expires,
		HttpOnly: true,
		Secure:   s.Secure,
		SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// signedIn is the person who is signed in. Codes: unauthenticated, expired.
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
	Next    string // the path of the page to show afterwards
	Link    string // the secret of a sign-in link; empty: an API key is needed
	Problem string
	Ended   bool // the person was signed in before
}

func (s *server) showSignIn(w http.ResponseWriter, r *http.Request) error {
	if link := r.URL.Query().Get("link"); link != "" { // the GET does not use the link up
		return s.render(w, http.StatusOK, "signin", signInPage{base: base{Title: "Sign in"}, Link: link})
	}
	if _, _, err := s.signedIn(r); err == nil {
		return to(w, r, next(r))
	}
	return s.render(w, http.StatusOK, "signin", signInPage{base: base{Title: "Sign in"}, Next: next(r)})
}

// askToSignIn answers a person who is not signed in.
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
		return s.enter(w, r, who)
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeDenied:
	default:
		return err
	}
	if !s.failures.allow(origin(r), s.Now()) {
		w.Header().Set("Retry-After", "60")
		return refuse(http.StatusTooManyRequests, "Too many wrong keys from here. Wait a minute.")
	}
	return refuse(http.StatusUnauthorized, sentence(rolebroker.AsError(err).Message))
}

// signInByLink signs in by a link, which works once.
func (s *server) signInByLink(w http.ResponseWriter, r *http.Request, link string) error {
	const used = "This link was used already, or is too old. Sign in with an API key."
	who, id, err := s.Auth.SignedIn(r.Context(), link, true, r.RemoteAddr)
	if err == nil {
		err = s.Broker.SignOut(r.Context(), id)
	}
	switch rolebroker.CodeOf(err) {
	case "":
		return s.enter(w, r, who)
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeNotFound:
		return s.render(w, http.StatusUnauthorized, "signin", signInPage{base: base{Title: "Sign in"}, Problem: used})
	}
	return err
}

// enter signs the browser in, and ends the sign-in that it had before.
func (s *server) enter(w http.ResponseWriter, r *http.Request, who rolebroker.Caller) error {
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

// next is the path of the page to show after signing in. It never leads to another
// site.
func next(r *http.Request) string {
	const longest = 2000
	path := r.FormValue("next")
	u, err := url.Parse(path)
	switch {
	case err != nil, len(path) > longest, u.Scheme != "", u.Host != "",
		!strings.HasPrefix(path, "/"), strings.HasPrefix(path, "//"), strings.ContainsAny(path, "\\\r\n"),
		strings.HasPrefix(u.Path, "/sign-in"):
		return "/integrations"
	}
	return path
}
