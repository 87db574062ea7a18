package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// TokenSpec is what a person says of a new agent token.
type TokenSpec struct {
	Label     string
	ExpiresAt time.Time         // zero: it does not expire
	Token     rolebroker.Secret // made elsewhere, with auth.NewAgentToken; zero: one is made
}

// Token is what is known of an agent token, for auth to check. Codes: not_found.
func (b *Broker) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	return b.lender.Token(ctx, id)
}

// Tokens lists an agent's tokens. Codes: denied, not_found.
func (b *Broker) Tokens(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	return b.store.Tokens(ctx, a.ID, page)
}

// AgentToken finds a token of an agent. Codes: denied, not_found.
func (b *Broker) AgentToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) (*rolebroker.Token, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	token, err := b.store.Token(ctx, id)
	if err == nil && (token.Agent != a.ID || token.Account != (rolebroker.ServiceAccount{})) {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no token %q", string(id))
	}
	return token, err
}

// CreateToken makes a token for an agent. The secret is returned this once and
// kept nowhere. One that was made elsewhere is registered instead: only its hash
// is kept, and the secret returned is zero. Codes: denied, not_found, invalid,
// conflict (the ID of one that was made elsewhere is taken).
func (b *Broker) CreateToken(ctx context.Context, who rolebroker.Caller, agent string, spec TokenSpec) (*rolebroker.Token, rolebroker.Secret, error) {
	if err := who.MayWrite(); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if err := b.checkNew("the token", "label", spec.Label, spec.ExpiresAt); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	token := rolebroker.Token{Agent: a.ID, Label: spec.Label, CreatedAt: stored(b.now()), ExpiresAt: stored(spec.ExpiresAt)}
	if !spec.Token.IsZero() {
		registered, err := b.registerToken(ctx, who, a, token, spec.Token)
		return registered, rolebroker.Secret{}, err
	}
	token.ID = rolebroker.NewTokenID()
	secret, hash := auth.NewAgentToken(token.ID)
	token.Hash = hash
	if err := b.store.CreateToken(ctx, &token); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.audit(ctx, who, "agent token created", a.Name+" "+string(token.ID))
	return &token, secret, nil
}

// stored is a time as it will be read again: to the millisecond.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// registerToken stores token as the record of one that was made elsewhere. Doing
// so again, because the first answer was lost, finds the record as it is.
func (b *Broker) registerToken(ctx context.Context, who rolebroker.Caller, a *rolebroker.Agent, token rolebroker.Token, made rolebroker.Secret) (*rolebroker.Token, error) {
	var err error
	if token.ID, token.Hash, err = auth.MadeAgentToken(made); err != nil {
		return nil, err
	}
	switch err := b.store.CreateToken(ctx, &token); {
	case rolebroker.CodeOf(err) == rolebroker.CodeConflict:
		return b.registeredBefore(ctx, &token)
	case err != nil:
		return nil, err
	}
	b.audit(ctx, who, "agent token registered", a.Name+" "+string(token.ID))
	return &token, nil
}

// registeredBefore is the record of a token that was registered already, if it
// is the very same in all that was said of it and still good for something.
// Whose the ID is otherwise is not said.
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
		return nil, rolebroker.Errorf(rolebroker.CodeConflict, "%s; it is not registered again", rolebroker.AsError(err).Message).WithHint(another)
	}
	return known, nil
}

// RevokeToken makes a token useless at once. What was lent with it lives until
// it expires. Codes: denied, not_found.
func (b *Broker) RevokeToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return err
	}
	if err := b.store.RevokeToken(ctx, a.ID, id, b.now()); err != nil {
		return err
	}
	b.audit(ctx, who, "agent token revoked", a.Name+" "+string(id))
	return nil
}

// checkNew checks what tokens and API keys have in common.
func (b *Broker) checkNew(what, field, label string, expiresAt time.Time) error {
	e := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: what + " is not valid"}
	if err := rolebroker.CheckLabel(label); err != nil {
		e.Fields = append(e.Fields, rolebroker.Field{Path: field, Message: err.Error()})
	}
	if !expiresAt.IsZero() && !expiresAt.After(b.now()) {
		e.Fields = append(e.Fields, rolebroker.Field{Path: "expires_at", Message: fmt.Sprintf("%s is not in the future", expiresAt.UTC().Format(time.RFC3339))})
	}
	if len(e.Fields) > 0 {
		return e
	}
	return nil
}
