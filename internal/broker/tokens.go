package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// TokenSpec is what a person sets of a new agent token.
type TokenSpec struct {
	Label     string
	ExpiresAt time.Time         // zero: it does not expire
	Token     rolebroker.Secret // made elsewhere with auth.NewAgentToken; zero: CreateToken makes one
}

// Token finds the record of an agent token or a binding, for auth. Codes: not_found.
func (b *Broker) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	return b.lender.Token(ctx, id)
}

// Tokens lists an agent's tokens by ID. Codes: denied, not_found.
func (b *Broker) Tokens(
	ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	a, err := b.agentFor(ctx, who, rolebroker.ActionTokenList, agent)
	if err != nil {
		return nil, err
	}
	return b.store.Tokens(ctx, a.ID, page)
}

// AgentToken finds a token of an agent. Codes: denied, not_found.
func (b *Broker) AgentToken(
	ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID,
) (*rolebroker.Token, error) {
	a, err := b.agentFor(ctx, who, rolebroker.ActionTokenGet, agent,
		rolebroker.Named(rolebroker.KindToken, string(id)))
	if err != nil {
		return nil, err
	}
	token, err := b.store.Token(ctx, id)
	if err == nil && (token.Agent != a.ID || token.Account != (rolebroker.ServiceAccount{})) {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no token %q", string(id))
	}
	return token, err
}

// CreateToken makes a token for an agent. It returns the secret once; only a hash is stored. If the spec has a token
// that was made elsewhere, CreateToken registers that one and returns no secret. Codes: denied, not_found, invalid,
// conflict (the ID of the token that was made elsewhere is taken).
func (b *Broker) CreateToken(
	ctx context.Context, who rolebroker.Caller, agent string, spec TokenSpec,
) (*rolebroker.Token, rolebroker.Secret, error) {
	const action = rolebroker.ActionTokenCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAgent, agent)); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if err := b.checkNew("the token", "label", spec.Label, spec.ExpiresAt); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	token := &rolebroker.Token{Agent: a.ID, Label: spec.Label,
		CreatedAt: stored(b.now()), ExpiresAt: stored(spec.ExpiresAt)}
	var secret rolebroker.Secret
	if spec.Token.IsZero() {
		token.ID = rolebroker.NewTokenID()
		secret, token.Hash = auth.NewAgentToken(token.ID)
	} else if token.ID, token.Hash, err = auth.MadeAgentToken(spec.Token); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	facts := token.Facts()
	if secret.IsZero() {
		facts["made_elsewhere"] = "true"
	}
	event := b.event(who, action, nil, facts, a.Subject(), token.Subject())
	err = b.store.CreateToken(ctx, token, event)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict && !spec.Token.IsZero() {
		token, err = b.registeredBefore(ctx, token)
		return token, rolebroker.Secret{}, err
	}
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.logEvent(ctx, &event)
	return token, secret, nil
}

// stored returns a time as the store keeps it: in UTC and whole milliseconds.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// registeredBefore finds the record of a token that was registered already, so that a client that lost the first
// answer can repeat the request. Anything but the same, usable record is a conflict, which does not say whose the ID
// is.
func (b *Broker) registeredBefore(ctx context.Context, token *rolebroker.Token) (*rolebroker.Token, error) {
	const another = "make another token and register that"
	known, err := b.store.Token(ctx, token.ID)
	if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return nil, err
	}
	if err != nil || known.Agent != token.Agent || known.Label != token.Label || !seal.Same(known.Hash, token.Hash) {
		return nil, rolebroker.Errorf(rolebroker.CodeConflict, "the ID of this token is taken").WithHint(another)
	}
	if err := known.Usable(b.now()); err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeConflict,
			"%s; it is not registered again", rolebroker.AsError(err).Message).WithHint(another)
	}
	return known, nil
}

// LabelToken changes the label of a token, which stays as it is. Codes: denied, not_found, invalid.
func (b *Broker) LabelToken(
	ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID, label string,
) (*rolebroker.Token, error) {
	const action = rolebroker.ActionTokenUpdate
	a, err := b.agentFor(ctx, who, action, agent, rolebroker.Named(rolebroker.KindToken, string(id)))
	if err != nil {
		return nil, err
	}
	if err := b.checkNew("the token", "label", label, time.Time{}); err != nil {
		return nil, err
	}
	before, err := b.store.Token(ctx, id)
	if err != nil {
		return nil, err
	}
	after := *before
	after.Label = label
	event := b.event(who, action, before.Facts(), after.Facts(), a.Subject(), after.Subject())
	if err := b.store.LabelToken(ctx, a.ID, id, label, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return &after, nil
}

// RevokeToken revokes a token at once. Credentials that were lent with it stay valid until they expire. Codes: denied,
// not_found.
func (b *Broker) RevokeToken(
	ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID,
) error {
	const action = rolebroker.ActionTokenRevoke
	token := rolebroker.Named(rolebroker.KindToken, string(id))
	a, err := b.agentFor(ctx, who, action, agent, token)
	if err != nil {
		return err
	}
	event := b.event(who, action, nil, nil, a.Subject(), token)
	if err := b.store.RevokeToken(ctx, a.ID, id, b.now(), event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}
