package web

import (
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/openid"
)

// Provider is the company's identity provider; *openid.Provider is one.
type Provider interface {
	Issuer() string
	// URL returns where a person is sent. Codes: unavailable.
	URL(ctx context.Context, q openid.Question) (string, error)
	// Redeem returns the person who came back with a code. Codes: unauthenticated, unavailable.
	Redeem(ctx context.Context, a openid.Answer) (*rolebroker.Person, error)
	// Refusal returns the error for what the person came back with instead of a code.
	Refusal(code string) error
}

// attemptAge is how long a person has at the identity provider.
const attemptAge = 10 * time.Minute

// attemptName is the name of the cookie with the secret of a sign-in that was begun. It binds the answer of the
// identity provider to this browser.
func (s *server) attemptName(r *http.Request) string { return s.cookieName(r) + "-attempt" }

// beginSignIn sends the browser to the identity provider. It does so from the host to which the provider sends it back
// only, where the cookie then is.
func (s *server) beginSignIn(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "people sign in with API keys here")
	}
	home, err := url.Parse(s.Callback)
	if err != nil {
		return err
	}
	if !strings.EqualFold(home.Host, r.Host) && r.URL.Query().Get("from") == "" {
		query := url.Values{"next": {next(r)}, "from": {"elsewhere"}}
		return to(w, r, strings.TrimSuffix(s.Callback, "/callback")+"/provider?"+query.Encode())
	}
	attempt := openid.NewAttempt()
	at, err := s.Provider.URL(r.Context(), attempt.Ask(s.Callback))
	if err != nil {
		return s.renderSignIn(w, r, statusOf(err), problemPage(err))
	}
	value := attempt.Secret().Reveal() + "." + base64.RawURLEncoding.EncodeToString([]byte(next(r)))
	s.setNamed(w, r, s.attemptName(r), value, s.Now().Add(attemptAge))
	return to(w, r, at)
}

// finishSignIn takes the answer of the identity provider, once.
func (s *server) finishSignIn(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "people sign in with API keys here")
	}
	attempt, path, begun := s.attempt(r)
	query := r.URL.Query()
	if !begun || !attempt.Is(query.Get("state")) {
		if _, _, err := s.signedIn(r); err == nil { // the page was opened again
			return to(w, r, "/")
		}
		return s.notAdmitted(w, r, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "this sign-in was not begun in "+
			"this browser, is too old, or was completed already").WithHint("sign in again"))
	}
	s.setNamed(w, r, s.attemptName(r), "", time.Time{})
	who, renewal, err := s.admit(r, attempt, query)
	if err != nil {
		return s.notAdmitted(w, r, err)
	}
	return s.enter(w, r, who, renewal, path)
}

// attempt returns the sign-in that the browser began, and the path of the page to show then.
func (s *server) attempt(r *http.Request) (attempt openid.Attempt, path string, begun bool) {
	cookie, err := r.Cookie(s.attemptName(r))
	if err != nil {
		return attempt, "", false
	}
	secret, encoded, _ := strings.Cut(cookie.Value, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return attempt, "", false
	}
	attempt, begun = openid.ResumeAttempt(rolebroker.NewSecret(secret))
	return attempt, ofThisSite(string(decoded)), begun
}

// admit returns the person about whom the identity provider answers, and with what it is asked again.
func (s *server) admit(
	r *http.Request, attempt openid.Attempt, query url.Values,
) (rolebroker.Caller, rolebroker.Secret, error) {
	fail := func(err error) (rolebroker.Caller, rolebroker.Secret, error) {
		return rolebroker.Caller{}, rolebroker.Secret{}, err
	}
	if err := s.Auth.MayTry(r.RemoteAddr); err != nil {
		return fail(err)
	}
	if issuer := query.Get("iss"); issuer != "" && issuer != s.Provider.Issuer() { // RFC 9207
		return fail(rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the answer is not of this identity provider"))
	}
	code := query.Get("code")
	if code == "" {
		return fail(s.Provider.Refusal(cmp.Or(query.Get("error"), "none")))
	}
	person, err := s.Provider.Redeem(r.Context(), attempt.Redeem(s.Callback, code))
	if err != nil {
		return fail(err)
	}
	from := rolebroker.Caller{Address: auth.IP(r.RemoteAddr), Request: rolebroker.RequestIDOf(r.Context())}
	who, err := s.Broker.Admit(r.Context(), from, person)
	return who, person.Renewal, err
}

// notAdmitted shows why a person is not signed in, on the page where people sign in.
func (s *server) notAdmitted(w http.ResponseWriter, r *http.Request, err error) error {
	e := rolebroker.AsError(err)
	if e.Cause != nil {
		s.Log.WarnContext(r.Context(), "a person could not sign in: "+e.Message, "code", string(e.Code), "cause",
			e.Cause)
	}
	switch e.Code {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired:
		err = s.Auth.Refused(r.Context(), r.RemoteAddr, err)
		return s.renderSignIn(w, r, unidentified(w, err), problemPage(err))
	case rolebroker.CodeDenied, rolebroker.CodeUnavailable:
		return s.renderSignIn(w, r, statusOf(err), problemPage(err))
	}
	return err
}

// problemPage is the page where people sign in, with an error.
func problemPage(err error) signInPage {
	e := rolebroker.AsError(err)
	return signInPage{Next: "/", Problem: sentence(e.Message), Hint: e.Hint}
}

// hostOf returns the host of a URL, to show it.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}
