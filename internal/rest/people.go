package rest

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/openid"
)

// people are the methods of the broker for people and their command lines.
type people interface {
	Users(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.User, error)
	Admit(ctx context.Context, from rolebroker.Caller, p *rolebroker.Person) (rolebroker.Caller, error)
	SignInPerson(ctx context.Context, who rolebroker.Caller, renewal rolebroker.Secret,
		commandLine bool) (rolebroker.Secret, time.Time, error)
	SignOut(ctx context.Context, id rolebroker.SignInID) error
}

// Provider is the company's identity provider; *openid.Provider is one. Codes: unauthenticated, unavailable.
type Provider interface {
	URL(ctx context.Context, q openid.Question) (string, error)
	Redeem(ctx context.Context, a openid.Answer) (*rolebroker.Person, error)
	BeginDevice(ctx context.Context) (*openid.Device, error)
	AwaitDevice(ctx context.Context, code rolebroker.Secret, interval time.Duration) (*rolebroker.Person, bool, error)
}

type (
	listUsers struct {
		Paging
	}
	signInURL struct {
		Body body[api.SignInURLRequest]
	}
	createSignIn struct {
		Body body[api.SignInRequest]
	}
	awaitDevice struct {
		Body body[api.DeviceSignInRequest]
	}
	signInMade[T any] struct {
		Body T
	}
)

// signInPaths are the paths of the operations by which people sign in. They need no API key.
var signInPaths = map[string]bool{
	"/api/v1/sign-ins/url": true, "/api/v1/sign-ins": true,
	"/api/v1/sign-ins/device": true, "/api/v1/sign-ins/device/wait": true,
}

// signIn registers an operation by which people sign in.
func signIn[I, O any](c collection, path, id string, status int, h handler[I, O]) {
	op := operation[I](c, http.MethodPost, path, id, status)
	op.Security = []map[string][]string{} // it needs no API key
	register(c, op, h)
}

func (s *server) listUsers(ctx context.Context, who rolebroker.Caller, in *listUsers) (*listAnswer[api.User], error) {
	order := byID("usr_", func(u *rolebroker.User) string { return string(u.ID) })
	return list(in.Paging, order, convert.User, func(page rolebroker.Page) ([]rolebroker.User, error) {
		return s.Broker.Users(ctx, who, page)
	})
}

// mayTry returns an error if there is no identity provider, or too many requests from the address failed.
func (s *server) mayTry(who rolebroker.Caller) error {
	if s.Provider == nil {
		return rolebroker.Errorf(rolebroker.CodeNotFound,
			"nobody signs in at this server: it has no identity provider").
			WithHint("set ROLEBROKER_TOKEN to an API key")
	}
	return s.Auth.MayTry(who.Address)
}

// refusedPerson counts and records it if a person was not identified.
func (s *server) refusedPerson(ctx context.Context, who rolebroker.Caller, err error) error {
	if rolebroker.CodeOf(err) == rolebroker.CodeUnauthenticated {
		return s.Auth.Refused(ctx, who.Address, err)
	}
	return err
}

func (s *server) signInURL(
	ctx context.Context, who rolebroker.Caller, in *signInURL,
) (*signInMade[api.SignInURL], error) {
	req := in.Body.value
	if err := s.mayTry(who); err != nil {
		return nil, err
	}
	if err := checkLoopback(req.RedirectURL); err != nil {
		return nil, err
	}
	at, err := s.Provider.URL(ctx, openid.Question{Redirect: req.RedirectURL, State: req.State, Nonce: req.Nonce,
		Challenge: req.CodeChallenge, CommandLine: true})
	return &signInMade[api.SignInURL]{api.SignInURL{URL: at}}, err
}

// checkLoopback refuses a redirect URL that is not of a command line on the machine of the browser.
func checkLoopback(redirect string) error {
	u, err := url.Parse(redirect)
	if err == nil {
		host, port, splitErr := net.SplitHostPort(u.Host)
		if splitErr == nil && port != "" && rolebroker.IsLoopback(host) && redirect == "http://"+u.Host+"/callback" {
			return nil
		}
	}
	return invalid("redirect_url", "has to be http://localhost:PORT/callback")
}

func (s *server) createSignIn(
	ctx context.Context, who rolebroker.Caller, in *createSignIn,
) (*signInMade[api.NewSignIn], error) {
	req := in.Body.value
	if err := s.mayTry(who); err != nil {
		return nil, err
	}
	if err := checkLoopback(req.RedirectURL); err != nil {
		return nil, err
	}
	person, err := s.Provider.Redeem(ctx, openid.Answer{Redirect: req.RedirectURL, Code: req.Code.Reveal(),
		Nonce: req.Nonce, Verifier: rolebroker.NewSecret(req.CodeVerifier.Reveal()), CommandLine: true})
	if err != nil {
		return nil, s.refusedPerson(ctx, who, err)
	}
	made, err := s.admit(ctx, who, person)
	return &signInMade[api.NewSignIn]{made}, err
}

// admit signs in the command line of a person.
func (s *server) admit(
	ctx context.Context, from rolebroker.Caller, person *rolebroker.Person,
) (made api.NewSignIn, err error) {
	who, err := s.Broker.Admit(ctx, from, person)
	if err != nil {
		return made, err
	}
	token, expires, err := s.Broker.SignInPerson(ctx, who, person.Renewal, true)
	return api.NewSignIn{Token: api.Secret(token.Reveal()), ExpiresAt: expires.UTC(), Name: who.Name,
		Access: string(who.Access)}, err
}

func (s *server) beginDevice(
	ctx context.Context, who rolebroker.Caller, _ *struct{},
) (*signInMade[api.DeviceSignIn], error) {
	if err := s.mayTry(who); err != nil {
		return nil, err
	}
	if err := s.Auth.Attempt(who.Address); err != nil {
		return nil, err
	}
	begun, err := s.Provider.BeginDevice(ctx)
	if err != nil {
		return nil, err
	}
	return &signInMade[api.DeviceSignIn]{api.DeviceSignIn{DeviceCode: api.Secret(begun.Code.Reveal()),
		UserCode: begun.UserCode, URL: begun.URL, FullURL: begun.FullURL,
		Interval: min(max(begun.Interval, time.Second), longestInterval).String(), ExpiresAt: begun.Expires.UTC()}}, nil
}

// longestInterval is the longest time between two questions about a device code.
const longestInterval = time.Minute

// deviceWait is how long a question for the outcome of a device code waits at most.
const deviceWait = 20 * time.Second

func (s *server) awaitDevice(
	ctx context.Context, who rolebroker.Caller, in *awaitDevice,
) (*signInMade[api.DeviceOutcome], error) {
	req := in.Body.value
	if err := s.mayTry(who); err != nil {
		return nil, err
	}
	interval, err := convert.FromDuration(req.Interval)
	if err != nil || interval < time.Second || interval > longestInterval {
		return nil, invalid("interval", "has to be from 1s to 1m, as in the answer with the code")
	}
	waiting, cancel := context.WithTimeout(ctx, max(deviceWait, interval+deviceWait/2))
	defer cancel()
	person, done, err := s.Provider.AwaitDevice(waiting, rolebroker.NewSecret(req.DeviceCode.Reveal()), interval)
	if err != nil {
		return nil, s.refusedPerson(ctx, who, err)
	}
	if !done {
		return &signInMade[api.DeviceOutcome]{api.DeviceOutcome{Pending: true}}, nil
	}
	made, err := s.admit(ctx, who, person)
	return &signInMade[api.DeviceOutcome]{api.DeviceOutcome{SignIn: &made}}, err
}

func (s *server) endSignIn(ctx context.Context, who rolebroker.Caller, _ *struct{}) (*struct{}, error) {
	if who.SignIn == "" {
		return nil, rolebroker.Errorf(rolebroker.CodeConflict, "an API key is not a sign-in").
			WithHint("delete the key: rolebroker api-key delete NAME")
	}
	return nil, s.Broker.SignOut(ctx, who.SignIn)
}
