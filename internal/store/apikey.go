package store

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	apiKeyColumns = `id, name, access, hash, created_at, expires_at, owner`

	// apiKeyRow are those columns and what is known besides.
	apiKeyRow = `k.id, k.name, k.access, k.hash, k.created_at, k.expires_at, k.owner,
		COALESCE((SELECT o.name FROM api_keys AS o WHERE o.id = k.owner),
		(SELECT ` + userLabel + ` FROM users AS u WHERE u.id = k.owner), ''), k.used_at`
)

var (
	apiKeyByID  = newStatement("apiKeyByID", `SELECT `+apiKeyRow+` FROM api_keys AS k WHERE k.id = $1`)
	listAPIKeys = newStatement("listAPIKeys",
		`SELECT `+apiKeyRow+` FROM api_keys AS k WHERE k.id > $1 ORDER BY k.id LIMIT $2`)
	insertAPIKey = newStatement("insertAPIKey", `
		INSERT INTO api_keys (`+apiKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	putAPIKey = newStatement("putAPIKey", `
		INSERT INTO api_keys (`+apiKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, access = excluded.access, hash = excluded.hash,
			created_at = excluded.created_at, expires_at = excluded.expires_at, owner = excluded.owner`)
	useAPIKey = newStatement("useAPIKey", `UPDATE api_keys SET used_at = $2 WHERE id = $1 AND used_at < $2`)

	// holdAdminKeys changes nothing. It makes concurrent deletions wait for each
	// other, so that two of them cannot each rely on the key that the other
	// deletes.
	holdAdminKeys = newStatement("holdAdminKeys", `
		UPDATE api_keys SET access = access WHERE access = 'admin' AND expires_at = 0`)
	deleteAPIKey = newStatement("deleteAPIKey", `
		DELETE FROM api_keys WHERE id = $1
		AND EXISTS (SELECT 1 FROM api_keys AS k WHERE k.id <> $1 AND k.access = 'admin' AND k.expires_at = 0)`)
)

// APIKey returns an API key by ID. Codes: not_found.
func (s *Store) APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error) {
	found, err := s.apiKeys(ctx, apiKeyByID, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("API key", string(id))
	}
	return &found[0], nil
}

// APIKeys lists API keys by ID.
func (s *Store) APIKeys(ctx context.Context, page rolebroker.Page) ([]rolebroker.APIKey, error) {
	return s.apiKeys(ctx, listAPIKeys, page.After, max(page.Limit, 0))
}

func (s *Store) apiKeys(ctx context.Context, st *statement, args ...any) ([]rolebroker.APIKey, error) {
	var found []rolebroker.APIKey
	err := s.query(ctx, st, func(scan scan) error {
		k, err := scanAPIKey(scan)
		found = append(found, k)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func scanAPIKey(scan scan) (k rolebroker.APIKey, err error) {
	err = scan(&k.ID, &k.Name, &k.Access, &k.Hash, timeColumn{&k.CreatedAt}, timeColumn{&k.ExpiresAt}, &k.Owner,
		&k.OwnerName, timeColumn{&k.UsedAt})
	return k, err
}

// CreateAPIKey stores k. Codes: conflict (the ID or the name is taken).
func (s *Store) CreateAPIKey(ctx context.Context, k *rolebroker.APIKey, event rolebroker.AuditEvent) error {
	return s.storeAPIKey(ctx, insertAPIKey, k, event)
}

// PutAPIKey stores k and replaces an API key of the same ID. Codes: conflict
// (another key has the name).
func (s *Store) PutAPIKey(ctx context.Context, k *rolebroker.APIKey, event rolebroker.AuditEvent) error {
	return s.storeAPIKey(ctx, putAPIKey, k, event)
}

func (s *Store) storeAPIKey(
	ctx context.Context, st *statement, k *rolebroker.APIKey, event rolebroker.AuditEvent,
) error {
	_, err := s.runRecorded(ctx, event, st, k.ID, k.Name, k.Access, hash(k.Hash), millis(k.CreatedAt),
		millis(k.ExpiresAt), k.Owner)
	return duplicate(err, "an", "API key", k.Name, string(k.ID))
}

// UseAPIKey stores that an API key was used at a time. An earlier time, and a key that is gone, change nothing.
func (s *Store) UseAPIKey(ctx context.Context, id rolebroker.APIKeyID, at time.Time) error {
	_, err := s.run(ctx, useAPIKey, id, millis(at))
	return err
}

// DeleteAPIKey deletes an API key, unless no admin key without expiry would be
// left. If retired is a time, the key stays and expires then. Its sign-ins end in
// any case. Codes: not_found, conflict (it is the last one).
func (s *Store) DeleteAPIKey(
	ctx context.Context, id rolebroker.APIKeyID, retired time.Time, event rolebroker.AuditEvent,
) error {
	if !storableText(string(id)) {
		return notFound("API key", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if _, err := tx.exec(ctx, holdAdminKeys); err != nil {
			return err
		}
		var key rolebroker.APIKey
		if err := tx.query(ctx, apiKeyByID, func(scan scan) (err error) { key, err = scanAPIKey(scan); return err },
			id); err != nil {
			return err
		}
		if key.ID == "" {
			return notFound("API key", string(id))
		}
		deleted, err := tx.exec(ctx, deleteAPIKey, id)
		switch {
		case err != nil:
			return err
		case deleted == 0:
			return errLastAdminKey(id)
		case retired.IsZero():
			return nil
		}
		_, err = tx.exec(ctx, insertAPIKey, key.ID, key.Name, key.Access, hash(key.Hash), millis(key.CreatedAt),
			millis(retired), key.Owner)
		return err
	})
}

func errLastAdminKey(id rolebroker.APIKeyID) error {
	return rolebroker.Errorf(rolebroker.CodeConflict,
		"without the API key %s no admin key would be left that never expires", id).
		WithHint("make another admin key first")
}
