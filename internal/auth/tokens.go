package auth

import (
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// kind is one kind of token. A token reads prefix_ID_secret; people and secret scanners recognize it by the prefix.
type kind struct {
	prefix string // of the token
	record string // prefix of the ID of its record
	name   string // in messages
}

// The kinds.
var (
	agentToken       = kind{"rbt", "tok_", "an agent token"}
	apiKey           = kind{"rbk", "key_", "an API key"}
	signIn           = kind{"rbs", "sig_", "a sign-in"}
	commandLine      = kind{"rbc", "sig_", "the sign-in of a command line"}
	joinToken        = kind{"rbj", "rky_", "a join token"}
	runnerCredential = kind{"rbr", "rky_", "a runner's credential"}
)

// make makes a token for the record with the ID, and the hash that the record keeps.
func (k kind) make(id string) (rolebroker.Secret, []byte) {
	token, hash := seal.New(k.prefix, strings.TrimPrefix(id, k.record))
	return rolebroker.NewSecret(token), hash
}

// id returns the ID of the record that a token is for; false if the token is not of this kind.
func (k kind) id(token string) (string, bool) {
	id, ok := seal.ID(k.prefix, token)
	return k.record + id, ok
}

// kindOf returns the kind of a token by its form; the zero kind if it has none of the forms.
func kindOf(shown string) kind {
	for _, k := range []kind{agentToken, apiKey, signIn, commandLine, joinToken, runnerCredential} {
		if _, ok := k.id(shown); ok {
			return k
		}
	}
	return kind{}
}

// claimed returns the ID in a token that was refused; empty if it is not an ID that rolebroker could have made. Then
// it may be a part of a secret.
func claimed(shown string) string {
	id, ok := kindOf(shown).id(shown)
	if !ok || !rolebroker.IsGeneratedID(id) {
		return ""
	}
	return id
}

// NewAgentToken makes an agent token for the record with the ID, and the hash that the record keeps.
func NewAgentToken(id rolebroker.TokenID) (rolebroker.Secret, []byte) {
	return agentToken.make(string(id))
}

// MadeAgentToken returns the ID and the hash of the record for a token that NewAgentToken made elsewhere. The token
// must have that form exactly. The error does not repeat the token. Codes: invalid.
func MadeAgentToken(token rolebroker.Secret) (rolebroker.TokenID, []byte, error) {
	id, ok := seal.Made(agentToken.prefix, token.Reveal())
	if !ok {
		return "", nil, &rolebroker.Error{
			Code: rolebroker.CodeInvalid, Message: "the token is not valid",
			Hint: rolebroker.Hintf("make one with NewAgentToken of the Go client, or leave it out: then the server " +
				"makes one"),
			Fields: []rolebroker.Field{{Path: "token", Message: "is not an agent token as rolebroker makes them: " +
				"rbt_, 26 characters, _ and 52 characters, all of them random, of a to z and 2 to 7"}}}
	}
	return rolebroker.TokenID(agentToken.record + id), seal.Hash(token.Reveal()), nil
}

// NewAPIKey makes an API key for the record with the ID, and the hash that the record keeps.
func NewAPIKey(id rolebroker.APIKeyID) (rolebroker.Secret, []byte) { return apiKey.make(string(id)) }

// NewSignIn makes the secret of a browser's cookie or of a sign-in link, and the hash that the record keeps.
func NewSignIn(id rolebroker.SignInID) (rolebroker.Secret, []byte) { return signIn.make(string(id)) }

// NewCommandLine makes the secret with which a person's command line is signed in, and the hash that the record keeps.
func NewCommandLine(id rolebroker.SignInID) (rolebroker.Secret, []byte) {
	return commandLine.make(string(id))
}

// IsCommandLine reports whether a secret has the form of those that NewCommandLine makes.
func IsCommandLine(secret string) bool { return kindOf(secret) == commandLine }

// NewJoinToken makes a join token for the record with the ID, and the hash that the record keeps.
func NewJoinToken(id rolebroker.RunnerKeyID) (rolebroker.Secret, []byte) {
	return joinToken.make(string(id))
}

// NewRunnerCredential makes a runner's credential for the record with the ID, and the hash that the record keeps.
func NewRunnerCredential(id rolebroker.RunnerKeyID) (rolebroker.Secret, []byte) {
	return runnerCredential.make(string(id))
}
