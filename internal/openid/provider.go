package openid

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/rolebroker/rolebroker"
)

// Options configure a Provider. Issuer and ClientID are required.
type Options struct {
	Issuer      string
	ClientID    string
	CLIClientID string // of command lines, ClientID or a public client; empty: they do not sign in

	// ClientSecret reads the secret of ClientID; nil: it is a public client.
	ClientSecret func() (rolebroker.Secret, error)

	Redirect    string   // where browsers come back to
	Scopes      []string // empty: openid, profile and email, and what the provider has of groups and offline_access
	GroupsClaim string   // the claim with the groups; empty: groups

	HTTPClient *http.Client     // nil: one that waits 10 seconds
	Now        func() time.Time // nil: time.Now
	Log        *slog.Logger     // gets what is wrong with the settings; nil: none
}

// Provider is the company's identity provider.
type Provider struct {
	Options

	mu    sync.Mutex
	found *discovery // nil: the provider has not answered yet

	noting  sync.Mutex
	trouble string // that was logged last
}

// discovery is what the provider says about itself.
type discovery struct {
	*oidc.Provider
	endpoint oauth2.Endpoint
	scopes   []string
}

// The most that is read of an answer, and how long the provider has for it.
const (
	maxAnswer = 1 << 20
	patience  = 10 * time.Second
)

// New makes a Provider. It asks nobody.
func New(o Options) *Provider {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.HTTPClient == nil {
		o.HTTPClient = &http.Client{}
	}
	bounded := *o.HTTPClient
	bounded.Timeout = patience
	bounded.Transport = limit{bounded.Transport}
	o.HTTPClient = &bounded
	return &Provider{Options: o}
}

// limit bounds the size of answers.
type limit struct{ http.RoundTripper }

func (l limit) RoundTrip(r *http.Request) (*http.Response, error) {
	next := l.RoundTripper
	if next == nil {
		next = http.DefaultTransport
	}
	answer, err := next.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}

// Issuer returns the URL of the provider.
func (p *Provider) Issuer() string { return p.Options.Issuer }

// URL returns where a person is sent. A person who signs a command line in is asked to sign in again for that. Codes:
// denied (command lines do not sign in), unavailable.
func (p *Provider) URL(ctx context.Context, q Question) (string, error) {
	client, _, err := p.client(ctx, q.CommandLine, q.Redirect)
	if err != nil {
		return "", err
	}
	params := []oauth2.AuthCodeOption{oidc.Nonce(q.Nonce), oauth2.SetAuthURLParam("code_challenge", q.Challenge),
		oauth2.SetAuthURLParam("code_challenge_method", "S256")}
	if q.CommandLine {
		params = append(params, oauth2.SetAuthURLParam("max_age", "1")) // some take 0 for none
	}
	return client.AuthCodeURL(q.State, params...), nil
}

// Redeem returns the person who came back with a code. Codes: unauthenticated (the code is not good, or what the
// provider says is not), unavailable.
func (p *Provider) Redeem(ctx context.Context, a Answer) (*rolebroker.Person, error) {
	client, found, err := p.client(ctx, a.CommandLine, a.Redirect)
	if err != nil {
		return nil, err
	}
	token, err := client.Exchange(p.context(ctx), a.Code, oauth2.VerifierOption(a.Verifier.Reveal()))
	if err != nil {
		return nil, p.refused(err, "the sign-in was used already, or took too long")
	}
	return p.person(ctx, found, client.ClientID, token, &a)
}

// Renew asks again about a person. Codes: unauthenticated (the provider does not answer for the person any more),
// unavailable.
func (p *Provider) Renew(
	ctx context.Context, renewal rolebroker.Secret, commandLine bool,
) (*rolebroker.Person, error) {
	client, found, err := p.client(ctx, commandLine, "")
	if err != nil {
		return nil, err
	}
	token, err := client.TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: renewal.Reveal()}).Token()
	if err != nil {
		return nil, p.refused(err, "the identity provider ended the sign-in")
	}
	return p.person(ctx, found, client.ClientID, token, nil)
}

// context makes the libraries use our HTTP client.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.HTTPClient)
}

// discover returns what the provider says about itself. It asks once, unless the provider does not answer.
func (p *Provider) discover(ctx context.Context) (*discovery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	provider, err := oidc.NewProvider(p.context(ctx), p.Options.Issuer)
	if err != nil {
		return nil, p.notFound(err)
	}
	var says struct {
		Scopes     []string `json:"scopes_supported"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, p.notFound(err)
	}
	found := &discovery{Provider: provider, endpoint: provider.Endpoint(), scopes: p.scopes(says.Scopes)}
	found.endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == nil || len(says.Methods) > 0 && !slices.Contains(says.Methods, "client_secret_basic") {
		found.endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	for _, endpoint := range []string{found.endpoint.AuthURL, found.endpoint.TokenURL} {
		if endpoint == "" {
			return nil, p.wrong("--oidc-issuer", "the identity provider names no authorization or token endpoint")
		}
	}
	p.found = found
	return found, nil
}

// notFound explains why the provider does not say what it is.
func (p *Provider) notFound(err error) error {
	if other := (*oidc.IssuerMismatchError)(nil); errors.As(err, &other) {
		return p.wrong("--oidc-issuer", fmt.Sprintf("the identity provider at %s calls itself %s; write it exactly so",
			p.Options.Issuer, rolebroker.Shown(other.Provided)))
	}
	e := rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider %s does not answer", p.Options.Issuer).
		WithHint("try again soon; an API key works meanwhile")
	e.Cause = errors.New(rolebroker.Shown(err.Error()))
	p.note(e.Message, "reason", e.Cause)
	return e
}

// wrong is the error for a setting that the provider does not accept. It logs it for the operator.
func (p *Provider) wrong(setting, problem string) error {
	p.note(problem, "setting", setting)
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "signing in is not set up right: %s", problem).
		WithHint("tell the operator of this server; the setting is %s; an API key works meanwhile", setting)
}

// note logs a trouble, unless it is the one that was logged last.
func (p *Provider) note(trouble string, args ...any) {
	p.noting.Lock()
	defer p.noting.Unlock()
	if p.trouble != trouble {
		p.trouble = trouble
		p.Log.Warn("people cannot sign in: "+trouble, args...)
	}
}

// scopes returns what is asked for.
func (p *Provider) scopes(supported []string) []string {
	if len(p.Scopes) > 0 {
		return p.Scopes
	}
	scopes := []string{oidc.ScopeOpenID, "profile", "email"}
	for _, scope := range []string{"groups", oidc.ScopeOfflineAccess} {
		if slices.Contains(supported, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

// client returns this server as a client of the provider.
func (p *Provider) client(ctx context.Context, commandLine bool, redirect string) (*oauth2.Config, *discovery, error) {
	if commandLine && p.CLIClientID == "" {
		return nil, nil, rolebroker.Errorf(rolebroker.CodeDenied, "command lines do not sign in at this server").
			WithHint("ask its operator for the setting --oidc-cli-client-id; or set ROLEBROKER_TOKEN to an API key")
	}
	found, err := p.discover(ctx)
	if err != nil {
		return nil, nil, err
	}
	client := &oauth2.Config{ClientID: p.ClientID, Endpoint: found.endpoint, RedirectURL: redirect,
		Scopes: found.scopes}
	if commandLine && p.CLIClientID != p.ClientID {
		client.ClientID, client.Endpoint.AuthStyle = p.CLIClientID, oauth2.AuthStyleInParams
		return client, found, nil
	}
	if p.ClientSecret != nil {
		secret, err := p.ClientSecret()
		if err != nil {
			p.note("the client secret cannot be read", "setting", "--oidc-client-secret-file", "reason", err)
			return nil, nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "signing in is not set up right: "+
				"the client secret cannot be read").
				WithHint("tell the operator of this server; an API key works meanwhile")
		}
		client.ClientSecret = secret.Reveal()
	}
	return client, found, nil
}

// refused explains why the provider gave no tokens. notGood is for a code or a refresh token that is not good any more.
func (p *Provider) refused(err error, notGood string) error {
	answer := (*oauth2.RetrieveError)(nil)
	if !errors.As(err, &answer) {
		e := rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider does not answer").
			WithHint("try again soon; an API key works meanwhile")
		e.Cause = errors.New(rolebroker.Shown(err.Error()))
		return e
	}
	// The body is left out: nobody knows what is in it.
	reason := fmt.Errorf("HTTP %d, %s %s", answer.Response.StatusCode, rolebroker.Shown(answer.ErrorCode),
		rolebroker.Shown(answer.ErrorDescription))
	switch code := answer.ErrorCode; {
	case answer.Response.StatusCode >= 500: // whatever it says: Dex calls every trouble invalid_request
	case slices.Contains([]string{"invalid_grant", "invalid_request", "access_denied", "expired_token"}, code):
		e := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "%s", notGood)
		e.Cause = reason
		return e
	case code == "invalid_client" || code == "unauthorized_client":
		return p.wrong("--oidc-client-id or --oidc-client-secret-file",
			"the identity provider does not accept this server’s client ID or secret")
	}
	e := rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider answers with an error")
	e.Cause = reason
	return e
}

// person verifies the tokens and returns whom they are about. a is the answer that they are for; nil: there was none.
func (p *Provider) person(
	ctx context.Context, found *discovery, clientID string, token *oauth2.Token, a *Answer,
) (*rolebroker.Person, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return nil, p.wrong("--oidc-scopes", "the identity provider gives no ID token; ask for the scope openid")
	}
	verified, err := found.Verifier(&oidc.Config{ClientID: clientID, Now: p.Now}).Verify(p.context(ctx), raw)
	if err != nil {
		return nil, p.unverified(err)
	}
	if a != nil && subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(a.Nonce)) != 1 {
		return nil, p.unverified(errors.New("the nonce is not that of this sign-in"))
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
			return nil, p.unverified(err)
		}
	}
	claims := map[string]any{}
	if err := verified.Claims(&claims); err != nil {
		return nil, p.unverified(err)
	}
	if a != nil && a.CommandLine {
		if err := p.fresh(claims); err != nil {
			return nil, err
		}
	}
	person := &rolebroker.Person{Issuer: verified.Issuer, Subject: verified.Subject,
		Renewal: rolebroker.NewSecret(token.RefreshToken)}
	if person.Subject == "" || len(person.Subject) > maxSubject {
		return nil, p.unverified(errors.New("it has no subject, or one that is too long"))
	}
	if claim(claims, p.GroupsClaim) == nil && found.UserInfoEndpoint() != "" {
		if claims, err = p.more(ctx, found, claims, person.Subject, token); err != nil {
			return nil, err
		}
	}
	person.Name, person.Email = named(claims)
	person.Groups, err = p.groups(claims)
	return person, err
}

// freshFor is how long a person has between signing in at the provider and coming back to a command line.
const freshFor = 15 * time.Minute

// fresh refuses a person who signed in at the provider long ago, as far as it says when that was. Else whoever has the
// person open a page would be signed in as them.
//
// Source: OpenID Connect Core 1.0, sections 2 and 3.1.2.1.
func (p *Provider) fresh(claims map[string]any) error {
	at, ok := claims["auth_time"].(float64)
	if !ok || p.Now().Sub(time.Unix(int64(at), 0)) <= freshFor {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated,
		"the identity provider did not have you sign in again, which a command line needs").
		WithHint("sign out at the identity provider, then: rolebroker login")
}

// maxSubject is how long a subject may be.
//
// Source: OpenID Connect Core 1.0, section 2.
const maxSubject = 255

// unverified is the error for an ID token that is not good. The log has the reason: it names what the token has, as
// another issuer or audience, and not the token.
func (p *Provider) unverified(err error) error {
	reason := rolebroker.Shown(err.Error())
	p.Log.Warn("an answer of the identity provider was refused", "reason", reason)
	e := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "what the identity provider says cannot be believed").
		WithHint("sign in again; if that does not help, the server’s log says what is wrong")
	e.Cause = errors.New(reason)
	return e
}

// more adds the claims that only the provider's user info has.
func (p *Provider) more(
	ctx context.Context, found *discovery, claims map[string]any, subject string, token *oauth2.Token,
) (map[string]any, error) {
	info, err := found.UserInfo(p.context(ctx), oauth2.StaticTokenSource(token))
	if err != nil {
		e := rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider does not say more about you")
		e.Cause = errors.New(rolebroker.Shown(err.Error()))
		return nil, e
	}
	if info.Subject != subject {
		return nil, p.unverified(errors.New("the user info is about somebody else"))
	}
	more := map[string]any{}
	if err := info.Claims(&more); err != nil {
		return nil, p.unverified(err)
	}
	for name, value := range claims {
		more[name] = value // what is signed counts
	}
	return more, nil
}

// named returns the name and the e-mail address. An address that the provider says it did not verify may be anybody's:
// it is left out, and a name that looks like an address is marked, for people may choose it.
func named(claims map[string]any) (name, email string) {
	name = firstText(claims, "name", "preferred_username")
	verified, text := claims["email_verified"], firstText(claims, "email_verified")
	if verified != false && !strings.EqualFold(text, "false") {
		email = firstText(claims, "email")
	}
	if email == "" && strings.Contains(name, "@") {
		name += " (not verified)"
	}
	return name, email
}

// groups reads the groups from the claims.
func (p *Provider) groups(claims map[string]any) ([]string, error) {
	switch value := claim(claims, p.GroupsClaim).(type) {
	case nil:
		if names, ok := claims["_claim_names"].(map[string]any); ok && names[p.GroupsClaim] != nil {
			return nil, p.wrong("--oidc-groups-claim",
				"the identity provider leaves the groups out because there are too "+
					"many; have it send only those that are assigned to the application")
		}
		p.note("the identity provider sends no claim " + p.GroupsClaim + "; have it send the groups, or name " +
			"another claim in --oidc-groups-claim")
		return nil, nil
	case string:
		return []string{value}, nil
	case []any:
		var groups []string
		for _, one := range value {
			if name, ok := one.(string); ok {
				groups = append(groups, name)
			}
		}
		return groups, nil
	}
	return nil, p.wrong("--oidc-groups-claim", "the claim "+p.GroupsClaim+" is neither a text nor a list of texts")
}

// claim returns a claim by its name, or by its path, as in realm_access.roles; nil if there is none.
func claim(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	parent, child, nested := strings.Cut(name, ".")
	if inner, ok := claims[parent].(map[string]any); ok && nested {
		return claim(inner, child)
	}
	return nil
}

// firstText returns the first of the claims that is a text and not empty.
func firstText(claims map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := claims[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}
