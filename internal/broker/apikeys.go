package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// APIKeySpec is what a person sets of a new API key.
type APIKeySpec struct {
	Name      string
	Access    rolebroker.KeyAccess
	ExpiresAt time.Time // zero: it does not expire
	Owner     string    // the name or ID of an API key, or the e-mail address or ID of a person; empty: who answers for the caller
}

// APIKey finds the record of an API key, for auth. It is never cached. Codes: not_found.
func (b *Broker) APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error) {
	return b.store.APIKey(ctx, id)
}

// APIKeys lists API keys by ID. Codes: denied.
func (b *Broker) APIKeys(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.APIKey, error) {
	if err := b.May(ctx, who, rolebroker.ActionAPIKeyList); err != nil {
		return nil, err
	}
	return b.store.APIKeys(ctx, page)
}

// CreateAPIKey makes an API key. It returns the secret once; only a hash is stored. Codes: denied, invalid, conflict.
func (b *Broker) CreateAPIKey(
	ctx context.Context, who rolebroker.Caller, spec APIKeySpec,
) (*rolebroker.APIKey, rolebroker.Secret, error) {
	const action = rolebroker.ActionAPIKeyCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAPIKey, spec.Name)); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if err := b.checkAPIKey(spec); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	key := rolebroker.APIKey{ID: rolebroker.NewAPIKeyID(), Name: spec.Name, Access: spec.Access,
		CreatedAt: b.now(), ExpiresAt: spec.ExpiresAt}
	var err error
	if key.Owner, key.OwnerName, err = b.ownerOfKey(ctx, who, spec.Owner); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	secret, hash := auth.NewAPIKey(key.ID)
	key.Hash = hash
	event := b.event(who, action, nil, key.Facts(), key.Subject())
	if err := b.store.CreateAPIKey(ctx, &key, event); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.logEvent(ctx, &event)
	return &key, secret, nil
}

// ownerOfKey finds the owner of a new key, and its name: the one who is named, or who answers for the caller. Codes:
// denied, invalid.
func (b *Broker) ownerOfKey(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (rolebroker.PrincipalID, string, error) {
	owner, err := b.answering(ctx, who.Principal())
	if nameOrID != "" {
		owner, err = b.ownerOf(ctx, "the API key", nameOrID)
	}
	switch {
	case err != nil:
		return "", "", err
	case owner == who.Principal():
		return owner, who.Name, nil
	}
	if owner.IsUser() {
		user, err := b.store.User(ctx, rolebroker.UserID(owner))
		if err != nil {
			return "", "", err
		}
		return owner, user.Label(), nil
	}
	key, err := b.store.APIKey(ctx, rolebroker.APIKeyID(owner))
	if err != nil {
		return "", "", err
	}
	return owner, key.Name, nil
}

// When the use of a key is stored, and when that of the first admin key is recorded again for an address.
const (
	keyUseEvery    = time.Minute
	adminUseEvery  = time.Hour
	mostAdminHosts = 1000
)

// keyUses is what this server has seen of the use of API keys.
type keyUses struct {
	mu     sync.Mutex
	stored map[rolebroker.APIKeyID]time.Time
	admin  map[string]time.Time // by address
}

// due reports whether the use of a key is to be stored, and whether it is to be recorded.
func (u *keyUses) due(who rolebroker.Caller, now time.Time) (store, record bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stored == nil || len(u.admin) >= mostAdminHosts {
		u.stored, u.admin = map[rolebroker.APIKeyID]time.Time{}, map[string]time.Time{}
	}
	if store = now.Sub(u.stored[who.APIKey]) >= keyUseEvery; store {
		u.stored[who.APIKey] = now
	}
	if who.APIKey == auth.BootstrapKey {
		if record = now.Sub(u.admin[who.Address]) >= adminUseEvery; record {
			u.admin[who.Address] = now
		}
	}
	return store, record
}

// UsedAPIKey notes that the holder of an API key was identified. It stores that once a minute. Where people sign in
// through an identity provider, the first admin key is for emergencies: then its use is an audit event, once an hour
// from each address.
func (b *Broker) UsedAPIKey(ctx context.Context, who rolebroker.Caller) {
	now := b.now()
	store, record := b.uses.due(who, now)
	if store {
		if err := b.store.UseAPIKey(ctx, who.APIKey, now.Truncate(time.Minute)); err != nil {
			b.log.WarnContext(ctx, "the use of an API key could not be stored", "id", who.APIKey, "reason", err)
		}
	}
	if record && b.provider != nil {
		b.RecordEvent(ctx, b.event(who, rolebroker.ActionAPIKeyUse, nil, nil,
			rolebroker.Subject{Kind: rolebroker.KindAPIKey, ID: string(who.APIKey), Name: who.Name}))
	}
}

func (b *Broker) checkAPIKey(spec APIKeySpec) error {
	const what = "the API key"
	if err := rolebroker.CheckName(spec.Name); err != nil {
		return invalid(what, "name", "%s", err)
	}
	if spec.Name == bootstrapName {
		return invalid(what, "name", `"bootstrap" is the name of the first admin key; choose another`)
	}
	switch spec.Access {
	case rolebroker.KeyAdmin, rolebroker.KeyReadOnly, rolebroker.KeyApprover:
	default:
		return invalid(what, "access", "%q is not one of admin, approver, read-only", string(spec.Access))
	}
	return b.checkNew(what, "name", spec.Name, spec.ExpiresAt)
}

// checkNew checks the fields that tokens and API keys share. field is the path of the label.
func (b *Broker) checkNew(what, field, label string, expiresAt time.Time) error {
	var wrong []rolebroker.Field
	if err := rolebroker.CheckLabel(label); err != nil {
		wrong = append(wrong, rolebroker.Field{Path: field, Message: err.Error()})
	}
	if !expiresAt.IsZero() && !expiresAt.After(b.now()) {
		wrong = append(wrong, rolebroker.Field{Path: "expires_at",
			Message: fmt.Sprintf("%s is not in the future", expiresAt.UTC().Format(time.RFC3339))})
	}
	if len(wrong) == 0 {
		return nil
	}
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: what + " is not valid", Fields: wrong}
}

// DeleteAPIKey revokes a key at once. The hash of the bootstrap key stays, so that a restart with the same
// ROLEBROKER_ADMIN_KEY does not bring the key back. Codes: denied, not_found, conflict for the last admin key.
func (b *Broker) DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error {
	const action = rolebroker.ActionAPIKeyDelete
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAPIKey, string(id))); err != nil {
		return err
	}
	key, err := b.store.APIKey(ctx, id)
	if err != nil {
		return err
	}
	var retired time.Time
	if id == auth.BootstrapKey {
		retired = b.now()
	}
	event := b.event(who, action, key.Facts(), nil, key.Subject())
	if err := b.store.DeleteAPIKey(ctx, id, retired, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

// bootstrapName is the name of the bootstrap key. No other key can have it.
const bootstrapName = "bootstrap"

// operator is the actor of what the server's configuration changes.
var operator = rolebroker.Caller{Name: "the server's configuration"}

// BootstrapAdmin makes sure that somebody can use the management API. chosen is the operator's own key, which replaces
// the bootstrap key. Without it, and if the store has no API key, BootstrapAdmin makes a key and returns it once. When
// several servers start together, one of them makes the key. Codes: unavailable.
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
	event := b.event(operator, rolebroker.ActionAPIKeyCreate, nil, key.Facts(), key.Subject())
	switch err := b.store.CreateAPIKey(ctx, &key, event); {
	case rolebroker.CodeOf(err) == rolebroker.CodeConflict:
		return rolebroker.Secret{}, nil
	case err != nil:
		return rolebroker.Secret{}, err
	}
	b.logEvent(ctx, &event)
	return secret, nil
}

// adoptAdminKey makes the operator's key the bootstrap key, unless it is or was that: a key that was deleted stays
// deleted.
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
	event := b.event(operator, rolebroker.ActionAPIKeyCreate, nil, key.Facts(), key.Subject())
	if err := b.store.PutAPIKey(ctx, &key, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

func (b *Broker) bootstrapKey() rolebroker.APIKey {
	return rolebroker.APIKey{ID: auth.BootstrapKey, Name: bootstrapName, Access: rolebroker.KeyAdmin,
		CreatedAt: b.now()}
}
