// Package auth finds out who is calling.
//
// It turns an Authorization header into a [rolebroker.Caller]: an agent, for
// the credentials endpoint, the holder of an API key, for the management API,
// or a runner, for the runners' door. None ever stands for another. What a
// caller may do is decided elsewhere, from the Caller it is given.
//
// It refuses to say which part of a token was wrong, and to know a caller by
// anything but a token: not by address, not by name.
//
//	who, err := authenticator.Agent(ctx, r.Header.Get("Authorization"))
package auth

import (
	"context"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// The prefixes by which people, and secret scanners, know a token.
const (
	agentPrefix  = "rbt"
	keyPrefix    = "rbk"
	signInPrefix = "rbs"
	joinPrefix   = "rbj"
	runnerPrefix = "rbr"
)

// BootstrapKey is the ID of the admin API key that the operator chose, or that
// the first start made.
const BootstrapKey rolebroker.APIKeyID = "key_bootstrap"

// Records is where tokens and keys are kept. Codes: not_found.
type Records interface {
	Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error)
	APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error)
	SignInRecord(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error)
	RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error)

	// UseRunnerKey is called when a credential is used for the first time, which
	// ends those before it.
	UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) error
}

// Authenticator finds out who is calling.
type Authenticator struct {
	Records Records
	Now     func() time.Time
}

// NewAgentToken makes a token that stands for the record id, and the hash to
// keep in the record.
func NewAgentToken(id rolebroker.TokenID) (rolebroker.Secret, []byte) {
	token, hash := seal.New(agentPrefix, strings.TrimPrefix(string(id), "tok_"))
	return rolebroker.NewSecret(token), hash
}

// MadeAgentToken is for a token that was made elsewhere with NewAgentToken: the
// record that it stands for, and the hash to keep in that. It has to have that
// form to the letter, and what is refused is not repeated. Codes: invalid.
func MadeAgentToken(token rolebroker.Secret) (rolebroker.TokenID, []byte, error) {
	id, ok := seal.Made(agentPrefix, token.Reveal())
	if !ok {
		return "", nil, (&rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the token is not valid", Fields: []rolebroker.Field{{Path: "token",
			Message: "is not an agent token as rolebroker makes them: rbt_, 26 characters, _ and 52 characters, all of them random, of a to z and 2 to 7"}}}).
			WithHint("make one with NewAgentToken of the Go client, or leave it out: then the server makes one")
	}
	return rolebroker.TokenID("tok_" + id), seal.Hash(token.Reveal()), nil
}

// NewAPIKey is NewAgentToken for an API key.
func NewAPIKey(id rolebroker.APIKeyID) (rolebroker.Secret, []byte) {
	key, hash := seal.New(keyPrefix, strings.TrimPrefix(string(id), "key_"))
	return rolebroker.NewSecret(key), hash
}

// NewSignIn is the same for a browser, or for a link by which one signs in.
func NewSignIn(id rolebroker.SignInID) (rolebroker.Secret, []byte) {
	token, hash := seal.New(signInPrefix, strings.TrimPrefix(string(id), "sig_"))
	return rolebroker.NewSecret(token), hash
}

// NewJoinToken is the same for a runner that has yet to join.
func NewJoinToken(id rolebroker.RunnerKeyID) (rolebroker.Secret, []byte) {
	token, hash := seal.New(joinPrefix, strings.TrimPrefix(string(id), "rky_"))
	return rolebroker.NewSecret(token), hash
}

// NewRunnerCredential is the same for a runner that has joined.
func NewRunnerCredential(id rolebroker.RunnerKeyID) (rolebroker.Secret, []byte) {
	token, hash := seal.New(runnerPrefix, strings.TrimPrefix(string(id), "rky_"))
	return rolebroker.NewSecret(token), hash
}

// Agent is the agent that shows this Authorization header: its token, with or
// without "Bearer" before it. Whether the token is still good is for the broker
// to decide, together with everything else that can be taken away. Codes:
// unauthenticated, denied.
func (a *Authenticator) Agent(ctx context.Context, authorization string) (rolebroker.Caller, error) {
	shown := Bearer(authorization)
	id, ok := seal.ID(agentPrefix, shown)
	if !ok {
		return rolebroker.Caller{}, notAnAgent(shown)
	}
	token, err := a.Records.Token(ctx, rolebroker.TokenID("tok_"+id))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, unknownToken()
	case err != nil:
		return rolebroker.Caller{}, err
	case !seal.Matches(shown, token.Hash):
		return rolebroker.Caller{}, unknownToken()
	}
	return rolebroker.Caller{Agent: token.Agent, Token: token.ID}, nil
}

// APIKey is the holder of the key in this Authorization header. A key that does
// not have the form of one of ours can only be the one the operator chose.
// Codes: unauthenticated, expired.
func (a *Authenticator) APIKey(ctx context.Context, authorization string) (rolebroker.Caller, error) {
	shown := Bearer(authorization)
	if shown == "" {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "an API key is required").
			WithHint("set ROLEBROKER_TOKEN to an API key")
	}
	if kind := kindOf(shown); kind != "" && kind != apiKey {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeDenied, "this is %s; the management API takes an API key", kind).
			WithHint("set ROLEBROKER_TOKEN to an API key")
	}
	id := BootstrapKey
	if own, ok := seal.ID(keyPrefix, shown); ok {
		id = rolebroker.APIKeyID("key_" + own)
	}
	key, err := a.Records.APIKey(ctx, id)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, unknownKey()
	case err != nil:
		return rolebroker.Caller{}, err
	case !seal.Matches(shown, key.Hash):
		return rolebroker.Caller{}, unknownKey()
	}
	return a.holder(key)
}

// holder is who holds a key, while it is good.
func (a *Authenticator) holder(key *rolebroker.APIKey) (rolebroker.Caller, error) {
	if !key.ExpiresAt.IsZero() && !a.Now().Before(key.ExpiresAt) {
		return rolebroker.Caller{}, rolebroker.Errorf(rolebroker.CodeExpired, "the API key %s has expired", key.Name)
	}
	return rolebroker.Caller{APIKey: key.ID, Name: key.Name, Access: key.Access}, nil
}

// Runner is the runner that shows the credential in this Authorization header.
// The first time that one is shown ends the runner's others. Codes:
// unauthenticated, denied, expired.
func (a *Authenticator) Runner(ctx context.Context, authorization string) (rolebroker.Caller, error) {
	key, err := a.runnerKey(ctx, runnerPrefix, Bearer(authorization))
	if err != nil {
		return rolebroker.Caller{}, err
	}
	if key.UsedAt.IsZero() {
		err = a.Records.UseRunnerKey(ctx, key.ID)
	}
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound: // another one took its place just now
		return rolebroker.Caller{}, unknownRunnerKey(runnerPrefix)
	case err != nil:
		return rolebroker.Caller{}, err
	}
	return rolebroker.Caller{Runner: key.Runner, RunnerKey: key.ID, Name: key.RunnerName}, nil
}

// JoinToken is what is known of a join token that is good. It is used up by who
// joins with it, not by this, and is nobody: there is no Caller for it. Codes:
// unauthenticated, denied, expired.
func (a *Authenticator) JoinToken(ctx context.Context, shown string) (*rolebroker.RunnerKey, error) {
	return a.runnerKey(ctx, joinPrefix, shown)
}

// runnerKey is what is known of a credential or a join token, while it is good.
func (a *Authenticator) runnerKey(ctx context.Context, prefix, shown string) (*rolebroker.RunnerKey, error) {
	id, ok := seal.ID(prefix, shown)
	if !ok {
		return nil, notARunner(prefix, shown)
	}
	key, err := a.Records.RunnerKey(ctx, rolebroker.RunnerKeyID("rky_"+id))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return nil, unknownRunnerKey(prefix)
	case err != nil:
		return nil, err
	case !seal.Matches(shown, key.Hash), key.Join != (prefix == joinPrefix):
		return nil, unknownRunnerKey(prefix)
	}
	if err := key.Usable(a.Now()); err != nil {
		return nil, err
	}
	return key, nil
}

// SignedIn is the holder of the API key with which a browser signed in that
// shows this; or of the one that a link stands for, if a link is what is shown.
// It ends with the key, and when the key becomes another. Codes:
// unauthenticated, expired.
func (a *Authenticator) SignedIn(ctx context.Context, shown string, link bool) (rolebroker.Caller, rolebroker.SignInID, error) {
	unknown := rolebroker.Errorf(rolebroker.CodeUnauthenticated, "this sign-in is not known here")
	id, ok := seal.ID(signInPrefix, shown)
	if !ok {
		return rolebroker.Caller{}, "", unknown
	}
	record, err := a.Records.SignInRecord(ctx, rolebroker.SignInID("sig_"+id))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, "", unknown
	case err != nil:
		return rolebroker.Caller{}, "", err
	case !seal.Matches(shown, record.Hash), record.Link != link:
		return rolebroker.Caller{}, "", unknown
	case !a.Now().Before(record.ExpiresAt):
		return rolebroker.Caller{}, "", rolebroker.Errorf(rolebroker.CodeExpired, "this sign-in has expired")
	}
	key, err := a.Records.APIKey(ctx, record.APIKey)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Caller{}, "", unknown
	case err != nil:
		return rolebroker.Caller{}, "", err
	case !seal.Same(key.Hash, record.KeyHash):
		return rolebroker.Caller{}, "", unknown
	}
	who, err := a.holder(key)
	return who, record.ID, err
}

// Bearer is the token in the value of an Authorization header, with or without
// the scheme "Bearer" before it, in any case.
func Bearer(authorization string) string {
	if scheme, rest, ok := strings.Cut(authorization, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return authorization
}

// The kinds of what people may show in each other's place.
const (
	agentToken       = "an agent token"
	apiKey           = "an API key"
	joinToken        = "a join token"
	runnerCredential = "a runner's credential"
)

// kindOf is what somebody shows, by its form; empty: none of ours.
func kindOf(shown string) string {
	for prefix, kind := range map[string]string{agentPrefix: agentToken, keyPrefix: apiKey, joinPrefix: joinToken, runnerPrefix: runnerCredential} {
		if _, ok := seal.ID(prefix, shown); ok {
			return kind
		}
	}
	return ""
}

// notARunner refuses what is not of the prefix.
func notARunner(prefix, shown string) error {
	wanted, from := runnerCredential, "a runner shows the credential that it got when it joined"
	if prefix == joinPrefix {
		wanted, from = joinToken, hintJoin
	}
	switch kind := kindOf(shown); {
	case shown == "":
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "%s is required", wanted).WithHint("%s", from)
	case kind != "":
		return rolebroker.Errorf(rolebroker.CodeDenied, "this is %s; %s is wanted here", kind, wanted).WithHint("%s", from)
	}
	return unknownRunnerKey(prefix)
}

const hintJoin = "make one: rolebroker runner join-token RUNNER"

func unknownRunnerKey(prefix string) error {
	if prefix == joinPrefix {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the join token is not known here: it is good once, and a newer one takes its place").WithHint(hintJoin)
	}
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the runner's credential is not known here: a newer one took its place, or the runner was deleted").
		WithHint("if nobody changed anything, somebody else has a copy of it; have the runner join again: rolebroker runner join-token RUNNER")
}

func notAnAgent(shown string) error {
	if shown == "" {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "an agent token is required").
			WithHint("make one: rolebroker agent token create AGENT; then set ROLEBROKER_TOKEN to it")
	}
	if kind := kindOf(shown); kind != "" && kind != agentToken {
		return rolebroker.Errorf(rolebroker.CodeDenied, "this is %s; credentials are lent to an agent token only", kind).
			WithHint("make one: rolebroker agent token create AGENT")
	}
	return unknownToken()
}

func unknownToken() error {
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the agent token is not known here").
		WithHint("make another: rolebroker agent token create AGENT")
}

func unknownKey() error {
	return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the API key is not known here")
}
