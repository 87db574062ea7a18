package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// APIKeySpec is what a person says of a new API key.
type APIKeySpec struct {
	Name      string
	Access    rolebroker.Access
	ExpiresAt time.Time // zero: it does not expire
}

// APIKey is what is known of an API key, for auth to check. It is read anew
// each time. Codes: not_found.
func (b *Broker) APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error) {
	return b.store.APIKey(ctx, id)
}

// APIKeys lists them. Codes: denied.
func (b *Broker) APIKeys(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.APIKey, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.APIKeys(ctx, page)
}

// CreateAPIKey makes a key. The secret is returned this once and kept
// nowhere. Codes: denied, invalid, conflict.
func (b *Broker) CreateAPIKey(ctx context.Context, who rolebroker.Caller, spec APIKeySpec) (*rolebroker.APIKey, rolebroker.Secret, error) {
	if err := who.MayWrite(); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if err := b.checkAPIKey(spec); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	key := rolebroker.APIKey{ID: rolebroker.NewAPIKeyID(), Name: spec.Name, Access: spec.Access, CreatedAt: b.now(), ExpiresAt: spec.ExpiresAt}
	secret, hash := auth.NewAPIKey(key.ID)
	key.Hash = hash
	if err := b.store.CreateAPIKey(ctx, &key); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.audit(ctx, who, "API key created", key.Name)
	return &key, secret, nil
}

func (b *Broker) checkAPIKey(spec APIKeySpec) error {
	invalid := func(path, message string) error {
		return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the API key is not valid", Fields: []rolebroker.Field{{Path: path, Message: message}}}
	}
	if err := rolebroker.CheckName(spec.Name); err != nil {
		return invalid("name", err.Error())
	}
	if spec.Access != rolebroker.AccessAdmin && spec.Access != rolebroker.AccessReadOnly {
		return invalid("access", fmt.Sprintf("%q is not one of admin, read-only", spec.Access))
	}
	return b.checkNew("the API key", "name", spec.Name, spec.ExpiresAt)
}

// DeleteAPIKey makes a key useless at once. Codes: denied, not_found, conflict
// when it is the last admin key.
func (b *Broker) DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	if err := b.store.DeleteAPIKey(ctx, id); err != nil {
		return err
	}
	b.audit(ctx, who, "API key deleted", string(id))
	return nil
}

// BootstrapAdmin sees to it that someone can sign in. chosen is the operator's
// own key, which replaces the one chosen before; without it, and with no API
// key in the store, one is made and returned, this once. When several servers
// start at once one of them makes it. Codes: unavailable.
func (b *Broker) BootstrapAdmin(ctx context.Context, chosen rolebroker.Secret) (rolebroker.Secret, error) {
	key := rolebroker.APIKey{ID: auth.BootstrapKey, Name: "bootstrap", Access: rolebroker.AccessAdmin, CreatedAt: b.now()}
	if !chosen.IsZero() {
		key.Hash = seal.Hash(chosen.Reveal())
		return rolebroker.Secret{}, b.store.PutAPIKey(ctx, &key)
	}
	keys, err := b.store.APIKeys(ctx, rolebroker.Page{Limit: 1})
	if err != nil || len(keys) > 0 {
		return rolebroker.Secret{}, err
	}
	secret, hash := auth.NewAPIKey(key.ID)
	key.Hash = hash
	err = b.store.CreateAPIKey(ctx, &key)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		return rolebroker.Secret{}, nil
	}
	return secret, err
}
