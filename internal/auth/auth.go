// Package auth identifies callers.
//
// It turns the token or key that came with a request into a [rolebroker.Caller]: an agent at the credentials
// endpoint, the holder of an API key at the management API and the web app, a runner at the runners' API. A token of
// one kind is never accepted as another. What a caller may do is decided elsewhere, from the Caller.
//
// The package records every refusal, except of agents, as a [rolebroker.AuditEvent]. It never says which part of a
// token was wrong, never repeats a token, and identifies nobody by address or name.
//
//	who, err := authenticator.APIKey(ctx, r.Header.Get("Authorization"), r.RemoteAddr)
package auth

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// BootstrapKey is the ID of the admin API key that the operator chose or the first start made.
const BootstrapKey rolebroker.APIKeyID = "key_bootstrap"

// Records keeps tokens, keys and audit events. Codes of the lookups: not_found.
type Records interface {
	Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error)
	APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error)
	SignInRecord(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error)
	RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error)

	// Confirm returns the person of a sign-in, whose secret is shown, if the identity provider still answers for the
	// person. It sets CheckedAt of the sign-in. Codes: unauthenticated, denied, unavailable.
	Confirm(ctx context.Context, in *rolebroker.SignIn, shown rolebroker.Secret) (*rolebroker.User, error)

	// UsedAPIKey notes that the holder of an API key was identified.
	UsedAPIKey(ctx context.Context, who rolebroker.Caller)

	// UseRunnerKey ends the credentials that a runner had before the one with the ID. It is called when a credential
	// is used for the first time.
	UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) error

	// RecordEvent records a refusal. It sets the event's time.
	RecordEvent(ctx context.Context, event rolebroker.AuditEvent)
}

// Authenticator identifies callers.
type Authenticator struct {
	Records  Records
	Now      func() time.Time
	Failures *guard.Failures // bounds how often callers fail; nil: without bound
	Door     string          // which metrics name; see At
}

// At returns the authenticator of one door of the server. All of them share what they know of failures.
func (a *Authenticator) At(door string) *Authenticator {
	copied := *a
	copied.Door = door
	return &copied
}

// Agent identifies the agent whose token is in an Authorization header, with or without "Bearer". It does not check
// whether the token is revoked or expired: the lender does, together with everything else that can be taken away.
// address is the request's RemoteAddr. Codes: unauthenticated, denied.
func (a *Authenticator) Agent(ctx context.Context, authorization, address string) (rolebroker.Caller, error) {
	who, err := a.agent(ctx, Bearer(authorization))
	if err != nil {
		return rolebroker.Caller{}, a.Failures.Refuse(a.Door, address, err)
	}
	who.Address, who.Request = IP(address), rolebroker.RequestIDOf(ctx)
	return who, nil
}

// AgentThrough is Agent for a runner, to which an agent showed its token. The runner counts the failures.
func (a *Authenticator) AgentThrough(ctx context.Context, token string) (rolebroker.Caller, error) {
	return a.agent(ctx, Bearer(token))
}

func (a *Authenticator) agent(ctx context.Context, shown string) (rolebroker.Caller, error) {
	id, ok := agentToken.id(shown)
	if !ok {
		return rolebroker.Caller{}, notAnAgent(shown)
	}
	token, err := a.Records.Token(ctx, rolebroker.TokenID(id))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, unknownToken(shown)
	case err != nil:
		return rolebroker.Caller{}, err
	case !seal.Matches(shown, token.Hash):
		return rolebroker.Caller{}, unknownToken(shown)
	}
	return rolebroker.Caller{Agent: token.Agent, Token: token.ID}, nil
}

// APIKey identifies the holder of the API key in an Authorization header, or the person whose command line is signed in
// by the secret there. address is the request's RemoteAddr. It
// records refusals. Codes: unauthenticated, denied, expired.
func (a *Authenticator) APIKey(ctx context.Context, authorization, address string) (rolebroker.Caller, error) {
	shown, action := Bearer(authorization), rolebroker.ActionAPIKeyAuthenticate
	var who rolebroker.Caller
	var err error
	if _, ok := commandLine.id(shown); ok {
		action = rolebroker.ActionSignInAuthenticate
		var id rolebroker.SignInID
		who, id, err = a.signedIn(ctx, commandLine, shown, false)
		who.SignIn = id
	} else {
		who, err = a.apiKey(ctx, shown, address)
	}
	if err != nil {
		return rolebroker.Caller{}, a.refused(ctx, action, shown, address, err)
	}
	who.Address, who.Request = IP(address), rolebroker.RequestIDOf(ctx)
	a.used(ctx, who)
	return who, nil
}

// used notes the use of an API key.
func (a *Authenticator) used(ctx context.Context, who rolebroker.Caller) {
	if who.APIKey != "" {
		a.Records.UsedAPIKey(ctx, who)
	}
}

func (a *Authenticator) apiKey(ctx context.Context, shown, address string) (rolebroker.Caller, error) {
	if shown == "" {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "an API key is required").
			WithHint("set ROLEBROKER_TOKEN to an API key")
	}
	if k := kindOf(shown); k != (kind{}) && k != apiKey && k != signIn {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeDenied,
			"this is %s; the management API takes an API key", k.name).
			WithHint("set ROLEBROKER_TOKEN to an API key")
	}
	id := BootstrapKey // a key that an operator chose for an earlier version may have any form
	if own, ok := apiKey.id(shown); ok {
		id = rolebroker.APIKeyID(own)
	} else if err := a.guessed(shown, address); err != nil {
		return rolebroker.Caller{}, err
	}
	key, err := a.Records.APIKey(ctx, id)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, unknownKey(shown)
	case err != nil:
		return rolebroker.Caller{}, err
	case !seal.Matches(shown, key.Hash):
		return rolebroker.Caller{}, unknownKey(shown)
	}
	return a.holder(key)
}

// holder returns the holder of a key that has not expired.
func (a *Authenticator) holder(key *rolebroker.APIKey) (rolebroker.Caller, error) {
	if !key.ExpiresAt.IsZero() && !a.Now().Before(key.ExpiresAt) {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeExpired, "the API key %s has expired", key.Name)
	}
	return rolebroker.Caller{APIKey: key.ID, Name: key.Name, Access: key.Access}, nil
}

// Runner identifies the runner whose credential is in an Authorization header. The first use of a credential ends the
// runner's earlier ones. address is the request's RemoteAddr. It records refusals. Codes: unauthenticated, denied,
// expired.
func (a *Authenticator) Runner(ctx context.Context, authorization, address string) (rolebroker.Caller, error) {
	shown := Bearer(authorization)
	key, err := a.runnerKey(ctx, runnerCredential, shown)
	if err == nil && key.UsedAt.IsZero() {
		err = a.Records.UseRunnerKey(ctx, key.ID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound { // a newer credential was used at the same time
			err = unknownRunnerKey(runnerCredential)
		}
	}
	if err != nil {
		return rolebroker.Caller{}, a.refused(ctx, rolebroker.ActionRunnerAuthenticate, shown, address, err)
	}
	return rolebroker.Caller{Runner: key.Runner, RunnerKey: key.ID, Name: key.RunnerName, Address: IP(address),
		Request: rolebroker.RequestIDOf(ctx)}, nil
}

// JoinToken identifies a runner that joins by its join token, which is not used up by this. address is the request's
// RemoteAddr. It records refusals. Codes: unauthenticated, denied, expired.
func (a *Authenticator) JoinToken(ctx context.Context, shown, address string) (rolebroker.Caller, error) {
	key, err := a.runnerKey(ctx, joinToken, shown)
	if err != nil {
		return rolebroker.Caller{}, a.refused(ctx, rolebroker.ActionRunnerJoin, shown, address, err)
	}
	return rolebroker.Caller{Joining: key.Runner, RunnerKey: key.ID, Name: key.RunnerName, Address: IP(address),
		Request: rolebroker.RequestIDOf(ctx)}, nil
}

// runnerKey finds a credential or a join token that has not expired.
func (a *Authenticator) runnerKey(ctx context.Context, wanted kind, shown string) (*rolebroker.RunnerKey, error) {
	id, ok := wanted.id(shown)
	if !ok {
		return nil, notARunner(wanted, shown)
	}
	key, err := a.Records.RunnerKey(ctx, rolebroker.RunnerKeyID(id))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return nil, unknownRunnerKey(wanted)
	case err != nil:
		return nil, err
	case !seal.Matches(shown, key.Hash), key.Join != (wanted == joinToken):
		return nil, unknownRunnerKey(wanted)
	}
	if err := key.Usable(a.Now()); err != nil {
		return nil, err
	}
	return key, nil
}

// SignedIn identifies a browser by its cookie, or by a sign-in link if link is true: as the holder of the API key
// that it signed in with, or as the person who did. A sign-in ends with its key, and when the key changes; that of a
// person, when the identity provider no longer answers for the person. address is the request's RemoteAddr. It records
// refusals. Codes: unauthenticated, expired, denied (no group of the person gives access), unavailable.
func (a *Authenticator) SignedIn(
	ctx context.Context, shown string, link bool, address string,
) (rolebroker.Caller, rolebroker.SignInID, error) {
	who, id, err := a.signedIn(ctx, signIn, shown, link)
	if err != nil {
		return rolebroker.Caller{}, "", a.refused(ctx, rolebroker.ActionSignInAuthenticate, shown, address, err)
	}
	who.Address, who.Request = IP(address), rolebroker.RequestIDOf(ctx)
	a.used(ctx, who)
	return who, id, nil
}

func (a *Authenticator) signedIn(
	ctx context.Context, wanted kind, shown string, link bool,
) (who rolebroker.Caller, id rolebroker.SignInID, err error) {
	unknown := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "this sign-in is not known here")
	if wanted == commandLine {
		unknown = unknown.WithHint("sign in again: rolebroker login")
	}
	own, ok := wanted.id(shown)
	if !ok {
		return who, "", unknown
	}
	record, err := a.Records.SignInRecord(ctx, rolebroker.SignInID(own))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return who, "", unknown
	case err != nil:
		return who, "", err
	case !seal.Matches(shown, record.Hash), record.Link != link, record.CommandLine != (wanted == commandLine):
		return who, "", unknown
	case !a.Now().Before(record.ExpiresAt):
		return who, "", rolebroker.Errorf(rolebroker.CodeExpired, "this sign-in has expired").WithSteps(unknown.Hint...)
	case record.User != "":
		user, err := a.Records.Confirm(ctx, record, rolebroker.NewSecret(shown))
		if err != nil {
			return who, "", err
		}
		who = user.Caller()
		who.ConfirmedAt = record.CheckedAt
		return who, record.ID, nil
	}
	key, err := a.Records.APIKey(ctx, record.APIKey)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return who, "", unknown
	case err != nil:
		return who, "", err
	case !seal.Same(key.Hash, record.KeyHash):
		return who, "", unknown
	}
	who, err = a.holder(key)
	return who, record.ID, err
}

// Refused records that a person was not identified through the identity provider, and returns why, or how long to wait
// after many refusals from the address.
func (a *Authenticator) Refused(ctx context.Context, address string, err error) error {
	return a.refused(ctx, rolebroker.ActionUserAuthenticate, "", address, err)
}

// MayTry returns an error if too many requests from an address failed. It is for callers who make the server ask the
// identity provider.
func (a *Authenticator) MayTry(address string) error { return a.Failures.Exceeded(a.Door, address) }

// Attempt counts a request that makes the server ask the identity provider, whatever comes of it. It returns an error
// if there were too many from the address.
func (a *Authenticator) Attempt(address string) error { return a.Failures.Attempt(a.Door, address) }

// refused records that a caller was not identified, and returns why. An error that says nothing about the caller,
// such as unavailable, is not recorded.
func (a *Authenticator) refused(
	ctx context.Context, action rolebroker.Action, shown, address string, err error,
) error {
	e := rolebroker.AsError(err)
	switch e.Code {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeDenied, rolebroker.CodeExpired:
		a.Records.RecordEvent(ctx, rolebroker.AuditEvent{
			Actor:   rolebroker.Caller{Address: IP(address), Request: rolebroker.RequestIDOf(ctx)},
			Claimed: claimed(shown), Action: action, Refusal: e})
	}
	return a.Failures.Refuse(a.Door, address, err)
}

// guessed refuses to check a key that can be guessed, if too many requests from the address failed.
func (a *Authenticator) guessed(shown, address string) error {
	if seal.Random(shown) {
		return nil
	}
	return a.Failures.Exceeded(a.Door, address)
}

// Bearer returns the token in an Authorization header, with or without the scheme "Bearer", in any case.
func Bearer(authorization string) string {
	if scheme, rest, ok := strings.Cut(authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return authorization
}

// IP returns the IP address in a RemoteAddr, without its zone.
func IP(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	address, _, _ = strings.Cut(address, "%")
	return address
}

// notARunner refuses a value that does not have the form of the kind wanted.
func notARunner(wanted kind, shown string) error {
	hint := "a runner shows the credential that it got when it joined"
	if wanted == joinToken {
		hint = hintJoin
	}
	switch k := kindOf(shown); {
	case shown == "":
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "%s is required", wanted.name).WithHint("%s", hint)
	case k != (kind{}) && k != signIn:
		return rolebroker.Errorf(rolebroker.CodeDenied, "this is %s; %s is wanted here", k.name, wanted.name).
			WithHint("%s", hint)
	}
	return unknownRunnerKey(wanted)
}

const hintJoin = "make one: rolebroker runner join-token RUNNER"

func unknownRunnerKey(wanted kind) error {
	if wanted == joinToken {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"the join token is not known here: it is good once, and a newer one takes its place").WithHint(hintJoin)
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated,
		"the runner's credential is not known here: a newer one took its place, or the runner was deleted").
		WithHint("if no administrator replaced it, another program has a copy of it; " +
			"have the runner join again: rolebroker runner join-token RUNNER")
}

func notAnAgent(shown string) error {
	if shown == "" {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "an agent token is required").
			WithHint("make one: rolebroker agent token create AGENT; then set ROLEBROKER_TOKEN to it")
	}
	if k := kindOf(shown); k != (kind{}) && k != agentToken && k != signIn {
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"this is %s; credentials are lent to an agent token only", k.name).
			WithHint("make one: rolebroker agent token create AGENT")
	}
	return unknownToken(shown)
}

// isUnlike says why what was shown cannot be of this kind.
func (k kind) isUnlike(shown string) string {
	if strings.HasPrefix(shown, k.prefix+"_") {
		return ": it is not complete, or has extra characters"
	}
	return ", and does not have the form of one, " + k.prefix + "_…"
}

func unknownToken(shown string) error {
	e := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the agent token is not known here")
	if kindOf(shown) != agentToken {
		e.Message += agentToken.isUnlike(shown)
	}
	return e.WithHint("make another: rolebroker agent token create AGENT")
}

func unknownKey(shown string) error {
	e := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the API key is not known here")
	if kindOf(shown) == apiKey {
		return e
	}
	e.Message += apiKey.isUnlike(shown)
	return e.WithHint("set ROLEBROKER_TOKEN to an API key; rolebroker api-key create NAME makes one")
}
