package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// TokenSpec is what a person says of a new agent token.
type TokenSpec struct {
	Label     string
	ExpiresAt time.Time // zero: it does not expire
}

// Token is what is known of an agent token, for auth to check. Codes: not_found.
func (b *Broker) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	return b.authority.Token(ctx, id)
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

// CreateToken makes a token for an agent. The secret is returned this once and
// kept nowhere. Codes: denied, not_found, invalid.
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
	token := rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: a.ID, Label: spec.Label, CreatedAt: b.now(), ExpiresAt: spec.ExpiresAt}
	secret, hash := auth.NewAgentToken(token.ID)
	token.Hash = hash
	if err := b.store.CreateToken(ctx, &token); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.audit(ctx, who, "agent token created", a.Name+" "+string(token.ID))
	return &token, secret, nil
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
