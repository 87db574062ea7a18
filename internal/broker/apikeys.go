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
	if spec.Name == bootstrapName {
		return invalid("name", `"bootstrap" is the name of the first admin key; choose another`)
	}
	if spec.Access != rolebroker.AccessAdmin && spec.Access != rolebroker.AccessReadOnly {
		return invalid("access", fmt.Sprintf("%q is not one of admin, read-only", spec.Access))
	}
	return b.checkNew("the API key", "name", spec.Name, spec.ExpiresAt)
}

// DeleteAPIKey makes a key useless at once. Of the bootstrap key its hash is
// kept, so that a server that is started with it again does not bring it back.
// Codes: denied, not_found, conflict when it is the last admin key.
func (b *Broker) DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	key, err := b.store.APIKey(ctx, id)
	if err != nil {
		return err
	}
	if err := b.store.DeleteAPIKey(ctx, id); err != nil {
		return err
	}
	b.audit(ctx, who, "API key deleted", key.Name)
	if id != auth.BootstrapKey {
		return nil
	}
	key.ExpiresAt = b.now()
	return b.store.PutAPIKey(ctx, key)
}

// BootstrapAdmin sees to it that someone can sign in. chosen is the operator's
// own key, which replaces the one chosen before; without it, and with no API
// key in the store, one is made and returned, this once. When several servers
// start at once one of them makes it. Codes: unavailable.
func (b *Broker) BootstrapAdmin(ctx context.Context, chosen rolebroker.Secret) (rolebroker.Secret, error) {
	if !chosen.IsZero() {
		return rolebroker.Secret{}, b.adoptAdminKey(ctx, chosen)
	}
	keys, err := b.store.APIKeys(ctx, rolebroker.Page{Limit: 1})
	if err != nil || len(keys) > 0 {
		return rolebroker.Secret{}, err
	}
	key := b.bootstrapKey()
	secret, hash := auth.NewAPIKey(key.ID)
	key.Hash = hash
	err = b.store.CreateAPIKey(ctx, &key)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		return rolebroker.Secret{}, nil
	}
	return secret, err
}

// adoptAdminKey makes the operator's key the bootstrap key, unless it is that
// already, or was and has been deleted.
func (b *Broker) adoptAdminKey(ctx context.Context, chosen rolebroker.Secret) error {
	old, err := b.store.APIKey(ctx, auth.BootstrapKey)
	switch {
	case err == nil && seal.Matches(chosen.Reveal(), old.Hash):
		if !old.ExpiresAt.IsZero() {
			b.log.WarnContext(ctx, "ROLEBROKER_ADMIN_KEY is a key that was deleted; it opens nothing: choose another")
		}
		return nil
	case err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound:
		return err
	}
	key := b.bootstrapKey()
	key.Hash = seal.Hash(chosen.Reveal())
	return b.store.PutAPIKey(ctx, &key)
}

func (b *Broker) bootstrapKey() rolebroker.APIKey {
	return rolebroker.APIKey{ID: auth.BootstrapKey, Name: bootstrapName, Access: rolebroker.AccessAdmin, CreatedAt: b.now()}
}

// bootstrapName is the bootstrap key's and nobody else's.
const bootstrapName = "bootstrap"
