package web

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/hosts"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// signIns is the part of the broker that signs people in and out.
type signIns interface {
	SignIn(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, time.Time, error)
	SignInCode(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, error)
	LoopbackName(ctx context.Context, who rolebroker.Caller) (string, error)
	SignOut(ctx context.Context, id rolebroker.SignInID) error
	Admit(ctx context.Context, from rolebroker.Caller, p *rolebroker.Person) (rolebroker.Caller, error)
	SignInPerson(ctx context.Context, who rolebroker.Caller, renewal rolebroker.Secret,
		commandLine bool) (rolebroker.Secret, time.Time, error)
}

// overHTTPS reports whether the browser that sent r uses HTTPS. A request for a loopback name comes past the proxy,
// whatever the settings say: kubectl port-forward leads past it.
func (s *server) overHTTPS(r *http.Request) bool {
	return r.TLS != nil || s.Secure && !hosts.IsLoopback(hosts.Name(r))
}

// cookieName is the name of the cookie. Over HTTPS it has a prefix with which
// browsers accept it from this host only; below a path, from HTTPS only, because
// the first prefix requires the path /. Chromium accepts the prefixes over HTTPS
// only, also from localhost.
//
// Source: RFC 6265bis, section 4.1.3.
func (s *server) cookieName(r *http.Request) string {
	switch {
	case !s.overHTTPS(r):
		return "rolebroker"
	case s.Path != "":
		return "__Secure-rolebroker"
	}
	return "__Host-rolebroker"
}

// cookiePath is where the browser sends the cookie: not to other services below
// other paths of the same host.
func (s *server) cookiePath() string {
	if s.Path != "" {
		return s.Path
	}
	return "/"
}

func (s *server) setCookie(w http.ResponseWriter, r *http.Request, value string, expires time.Time) {
	s.setNamed(w, r, s.cookieName(r), value, expires)
}

// setNamed sets a cookie that no script can read, and that goes with no request of another site but one that opens a
// page. An empty value deletes it.
func (s *server) setNamed(w http.ResponseWriter, r *http.Request, name, value string, expires time.Time) {
	cookie := &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     s.cookiePath(),
		Expires:  expires,
		HttpOnly: true,
		Secure:   s.overHTTPS(r),
		SameSite: http.SameSiteLaxMode,
	}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// signedIn is the person who is signed in. Codes: unauthenticated, expired.
func (s *server) signedIn(r *http.Request) (rolebroker.Caller, rolebroker.SignInID, error) {
	cookie, err := r.Cookie(s.cookieName(r))
	if err != nil {
		return rolebroker.Caller{}, "", notSignedIn()
	}
	who, id, err := s.Auth.SignedIn(r.Context(), cookie.Value, false, r.RemoteAddr)
	if err != nil {
		return rolebroker.Caller{}, "", err
	}
	elsewhere, err := s.elsewhere(r, who)
	if err == nil && elsewhere != "" {
		err = notSignedIn()
	}
	if err != nil {
		return rolebroker.Caller{}, "", err
	}
	return who, id, nil
}

func notSignedIn() error {
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "you are not signed in")
}

// elsewhere returns the only name of this server under which the browser may be signed in, if r has another; else "".
// Browsers share cookies between all ports of a host, so on the machine of the browser that is a name that only the
// holder of the API key knows. Codes: invalid, when the host is no place to sign in.
func (s *server) elsewhere(r *http.Request, who rolebroker.Caller) (string, error) {
	at := hosts.Name(r)
	if !hosts.IsLoopback(at) {
		return "", s.checkNamed(r, at)
	}
	client, _, _ := net.SplitHostPort(r.RemoteAddr)
	if s.Secure && r.Header.Get("X-Forwarded-For") != "" && !hosts.IsLoopback(client) {
		return "", rolebroker.Errorf(rolebroker.CodeInvalid,
			"your browser is on another machine, and the proxy in front of this server says that you asked for %s", at).
			WithHint("have the proxy pass on the Host header, as in nginx: proxy_set_header Host $http_host;")
	}
	own, err := s.Broker.LoopbackName(r.Context(), who)
	if err != nil || own == at {
		return "", err
	}
	return own, nil
}

// checkNamed refuses plain HTTP at a name that is not below localhost. The name may be one of this machine, and other
// programs on it would get the cookie. Codes: invalid.
func (s *server) checkNamed(r *http.Request, at string) error {
	if s.overHTTPS(r) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid,
		"people sign in over HTTPS or at a loopback address, and http://%s is neither", at).
		WithHint("open http://127.0.0.1%s; if something in front of the server terminates TLS, start it with "+
			"--tls-terminated-by-proxy", hosts.Port(r))
}

// signInPage asks for an API key.
type signInPage struct {
	base
	Next    string // the path of the page to show afterwards
	Link    string // the secret of a sign-in link; empty: an API key is needed
	Problem string
	Hint    rolebroker.Hint // what to do about the problem
	Through string          // the host of the identity provider; empty: there is none
	Key     bool            // the problem is about the API key
	Ended   bool            // the person was signed in before
	Local   bool            // the address is of this machine, and signing in leads to a name below localhost
}

func (s *server) showSignIn(w http.ResponseWriter, r *http.Request) error {
	if link := r.URL.Query().Get("link"); link != "" { // the GET does not use the link up
		return s.renderSignIn(w, r, http.StatusOK, signInPage{Link: link})
	}
	if code := r.URL.Query().Get("code"); code != "" {
		return s.signInByCode(w, r, code)
	}
	if _, _, err := s.signedIn(r); err == nil {
		return to(w, r, next(r))
	}
	return s.renderSignIn(w, r, http.StatusOK, signInPage{Next: next(r)})
}

func (s *server) renderSignIn(w http.ResponseWriter, r *http.Request, status int, page signInPage) error {
	if s.Provider != nil {
		page.Through = hostOf(s.Provider.Issuer())
	}
	page.Title, page.Local = "Sign in", rolebroker.IsLoopback(hosts.Name(r))
	return s.render(w, status, "signin", page)
}

// askToSignIn answers a person who is not signed in.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request, err error) error {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired:
	case rolebroker.CodeDenied: // the person's groups no longer give access
		return s.renderSignIn(w, r, http.StatusForbidden, problemPage(err))
	default:
		return err
	}
	_, noCookie := r.Cookie(s.cookieName(r))
	page := signInPage{Ended: noCookie == nil}
	if r.Method == http.MethodGet {
		page.Next = r.URL.RequestURI()
	}
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", "/sign-in") // the whole page, not a part of it
	}
	return s.renderSignIn(w, r, unidentified(w, err), page)
}

// unidentified returns the status of an answer to a person who was not identified. It says when to try again, if too
// many requests from the person's address failed.
func unidentified(w http.ResponseWriter, err error) int {
	wait := problem.Wait(err)
	if wait == 0 {
		return http.StatusUnauthorized
	}
	problem.SetHeader(w.Header(), http.StatusTooManyRequests, wait)
	return http.StatusTooManyRequests
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) error {
	if link := r.PostFormValue("link"); link != "" {
		return s.signInByLink(w, r, link)
	}
	refuse := func(status int, problem string) error {
		return s.renderSignIn(w, r, status, signInPage{Next: next(r), Problem: problem, Key: true})
	}
	key := strings.TrimSpace(r.PostFormValue("key"))
	if key == "" {
		return refuse(http.StatusUnprocessableEntity, "Paste an API key.")
	}
	who, err := s.Auth.APIKey(r.Context(), "Bearer "+key, r.RemoteAddr)
	switch rolebroker.CodeOf(err) {
	case "":
		if who.User != "" { // a browser that begins with it would have another life than it
			return refuse(http.StatusUnauthorized, "This is the sign-in of a command line, and not an API key.")
		}
		return s.enter(w, r, who, rolebroker.Secret{}, next(r))
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeDenied:
	default:
		return err
	}
	return refuse(unidentified(w, err), sentence(rolebroker.AsError(err).Message))
}

// signInByLink signs in by the secret of a link, which works once.
func (s *server) signInByLink(w http.ResponseWriter, r *http.Request, link string) error {
	who, err := s.useUp(r, link)
	if err == nil && who.User != "" { // people have no links
		err = notSignedIn()
	}
	return s.enterBySecret(w, r, who, err)
}

// signInByCode signs in by the code of enterAt, which works once, and at the name for which it was made only. So no code
// makes another.
func (s *server) signInByCode(w http.ResponseWriter, r *http.Request, code string) error {
	who, err := s.useUp(r, code)
	if err == nil {
		var own string
		if own, err = s.Broker.LoopbackName(r.Context(), who); err == nil && own != hosts.Name(r) {
			err = notSignedIn()
		}
	}
	return s.enterBySecret(w, r, who, err)
}

// useUp returns who may sign in by the secret of a link or a code, once.
func (s *server) useUp(r *http.Request, secret string) (rolebroker.Caller, error) {
	who, id, err := s.Auth.SignedIn(r.Context(), secret, true, r.RemoteAddr)
	if err == nil {
		err = s.Broker.SignOut(r.Context(), id)
	}
	return who, err
}

// enterBySecret signs in whom a link or a code named, or says why not.
func (s *server) enterBySecret(w http.ResponseWriter, r *http.Request, who rolebroker.Caller, err error) error {
	const used = "This link was used already, or is too old. Sign in with an API key."
	switch rolebroker.CodeOf(err) {
	case "":
		return s.enter(w, r, who, rolebroker.Secret{}, next(r))
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeNotFound:
		if _, _, err := s.signedIn(r); err == nil { // the page of a redirect was opened again
			return to(w, r, next(r))
		}
		return s.renderSignIn(w, r, unidentified(w, err), signInPage{Problem: used, Key: true})
	}
	return err
}

// enter signs the browser in, and ends the sign-in that it had before. On the machine of the browser it does so under
// the name of the API key or the person only, and redirects there. renewal is with what the identity provider is asked
// about a person again. path is of the page to show then.
func (s *server) enter(
	w http.ResponseWriter, r *http.Request, who rolebroker.Caller, renewal rolebroker.Secret, path string,
) error {
	if _, old, err := s.signedIn(r); err == nil {
		if err := s.Broker.SignOut(r.Context(), old); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			return err
		}
	}
	elsewhere, err := s.elsewhere(r, who)
	if err != nil {
		return err
	}
	if elsewhere != "" {
		return s.enterAt(elsewhere, w, r, who, path)
	}
	secret, expires, err := s.begin(r, who, renewal)
	if err != nil {
		return err
	}
	s.setCookie(w, r, secret.Reveal(), expires)
	return to(w, r, path)
}

// begin begins a sign-in.
func (s *server) begin(
	r *http.Request, who rolebroker.Caller, renewal rolebroker.Secret,
) (rolebroker.Secret, time.Time, error) {
	if who.User != "" {
		return s.Broker.SignInPerson(r.Context(), who, renewal, false)
	}
	return s.Broker.SignIn(r.Context(), who)
}

// enterAt redirects to the server's other name, with a code that signs in there.
func (s *server) enterAt(
	name string, w http.ResponseWriter, r *http.Request, who rolebroker.Caller, path string,
) error {
	code, err := s.Broker.SignInCode(r.Context(), who)
	if err != nil {
		return err
	}
	query := url.Values{"code": {code.Reveal()}, "next": {path}}
	return to(w, r, "//"+name+hosts.Port(r)+s.Path+"/sign-in?"+query.Encode()) // with the scheme that the browser uses
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.SignOut(r.Context(), v.signIn); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	s.setCookie(w, r, "", time.Time{})
	return to(w, r, "/sign-in")
}

// next is the path of the page that a form leads to, such as the page to show after
// signing in.
func next(r *http.Request) string {
	path := ofThisSite(r.FormValue("next"))
	if strings.HasPrefix(path, "/sign-in") {
		return "/"
	}
	return path
}

// ofThisSite is a path as it came from a browser, or / if it leads to another site.
func ofThisSite(path string) string {
	const longest = 2000
	u, err := url.Parse(path)
	if err != nil || len(path) > longest || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") ||
		strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
