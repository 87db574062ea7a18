package openid

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"golang.org/x/oauth2"

	"github.com/rolebroker/rolebroker"
)

// Attempt is one attempt of a person to sign in. State, nonce and the verifier of PKCE follow from its secret, which
// only the browser or the command line has that began the attempt. So an answer is good there only.
type Attempt struct{ secret string }

// NewAttempt makes an attempt with a random secret.
func NewAttempt() Attempt { return Attempt{strings.ToLower(rand.Text() + rand.Text())} }

// ResumeAttempt returns the attempt with a secret; false if the secret does not have the form of one.
func ResumeAttempt(secret rolebroker.Secret) (Attempt, bool) {
	s := secret.Reveal()
	return Attempt{s}, len(s) == len(NewAttempt().secret) && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// Secret returns the secret.
func (a Attempt) Secret() rolebroker.Secret { return rolebroker.NewSecret(a.secret) }

// Is reports, in constant time, whether a state is that of the attempt.
func (a Attempt) Is(state string) bool {
	return a.secret != "" && subtle.ConstantTimeCompare([]byte(a.State()), []byte(state)) == 1
}

// State returns the state, which binds the answer to the browser.
func (a Attempt) State() string { return a.derive("state") }

// Nonce returns the nonce, which binds the ID token to the attempt.
func (a Attempt) Nonce() string { return a.derive("nonce") }

// Verifier returns the verifier of PKCE, without which nobody can redeem the code.
func (a Attempt) Verifier() string { return a.derive("verifier") }

// derive returns 43 characters of base64url, as PKCE wants them.
//
// Source: RFC 7636, section 4.1.
func (a Attempt) derive(what string) string {
	mac := hmac.New(sha256.New, []byte(a.secret))
	mac.Write([]byte("rolebroker sign-in " + what))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Ask returns the question to the provider. redirect is where the answer goes.
func (a Attempt) Ask(redirect string) Question {
	return Question{Redirect: redirect, State: a.State(), Nonce: a.Nonce(),
		Challenge: oauth2.S256ChallengeFromVerifier(a.Verifier())}
}

// Redeem returns the answer with a code.
func (a Attempt) Redeem(redirect, code string) Answer {
	return Answer{Redirect: redirect, Code: code, Nonce: a.Nonce(), Verifier: rolebroker.NewSecret(a.Verifier())}
}

// Question is what a person is sent to the provider with.
type Question struct {
	Redirect, State, Nonce string
	Challenge              string // of PKCE, S256
	CommandLine            bool   // it is for a command line
}

// Answer is what a person comes back from the provider with, and what proves whose attempt it was.
type Answer struct {
	Redirect, Code, Nonce string
	Verifier              rolebroker.Secret
	CommandLine           bool
}
