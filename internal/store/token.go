package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
)

const tokenColumns = `id, agent_id, label, hash, created_at, expires_at, revoked_at, used_at, issuer, namespace,
	service_account, labels`

// readTokenColumns are those, and the runner of a binding.
const readTokenColumns = tokenColumns + `,
	COALESCE((SELECT runners.name FROM runners WHERE runners.issuer = tokens.issuer AND tokens.issuer <> ''), '')`

var (
	tokenByID  = newStatement("tokenByID", `SELECT `+readTokenColumns+` FROM tokens WHERE id = $1`)
	listTokens = newStatement("listTokens", `
		SELECT `+readTokenColumns+` FROM tokens WHERE agent_id = $1 AND id > $2 AND issuer = '' ORDER BY id LIMIT $3`)
	insertToken = newStatement("insertToken", `
		INSERT INTO tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`)
	revokeToken = newStatement("revokeToken", `
		UPDATE tokens SET revoked_at = $3 WHERE id = $1 AND agent_id = $2 AND issuer = '' AND revoked_at = 0`)
	labelToken = newStatement("labelToken",
		`UPDATE tokens SET label = $3 WHERE id = $1 AND agent_id = $2 AND issuer = ''`)
	tokenOfAgent = newStatement("tokenOfAgent", `SELECT id FROM tokens WHERE id = $1 AND agent_id = $2 AND issuer = ''`)
	useToken     = newBatch("useToken", `
		WITH used (id, at) AS (VALUES ROWS)
		UPDATE tokens SET used_at = used.at FROM used WHERE tokens.id = used.id AND tokens.used_at < used.at`,
		`(CAST(? AS TEXT), CAST(? AS BIGINT))`)
)

// Token returns a token or a binding by ID. Codes: not_found.
func (s *Store) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	found, err := s.tokens(ctx, tokenByID, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("token", string(id))
	}
	return &found[0], nil
}

// Tokens lists an agent's tokens by ID, including revoked and expired ones.
func (s *Store) Tokens(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	return s.tokens(ctx, listTokens, agent, page.After, max(page.Limit, 0))
}

func (s *Store) tokens(ctx context.Context, st *statement, args ...any) ([]rolebroker.Token, error) {
	var found []rolebroker.Token
	err := s.query(ctx, st, func(scan scan) error {
		var t rolebroker.Token
		var labels string
		err := scan(&t.ID, &t.Agent, &t.Label, &t.Hash, timeColumn{&t.CreatedAt}, timeColumn{&t.ExpiresAt},
			timeColumn{&t.RevokedAt}, timeColumn{&t.UsedAt}, &t.Account.Issuer, &t.Account.Namespace, &t.Account.Name,
			&labels, &t.Runner)
		if t.Account != (rolebroker.ServiceAccount{}) {
			t.Hash = nil
		}
		if err == nil {
			t.Labels, err = rolebroker.ParseLabels(labels)
		}
		found = append(found, t)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// CreateToken stores t. Codes: not_found (the agent), conflict (the ID is taken).
func (s *Store) CreateToken(ctx context.Context, t *rolebroker.Token, event rolebroker.AuditEvent) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		return duplicate(tx.insertToken(ctx, t), "a", "token", t.Label, string(t.ID))
	})
}

// insertToken stores a token or a binding. Codes: not_found (the agent).
func (t *tx) insertToken(ctx context.Context, token *rolebroker.Token) error {
	_, err := t.exec(ctx, insertToken, token.ID, token.Agent, token.Label, hash(token.Hash), millis(token.CreatedAt),
		millis(token.ExpiresAt), millis(token.RevokedAt), millis(token.UsedAt), token.Account.Issuer,
		token.Account.Namespace, token.Account.Name, token.Labels.String())
	if violated(err) == missingReferent {
		return notFound("agent", string(token.Agent))
	}
	t.changes = append(t.changes, rolebroker.Change{Agent: token.Agent})
	return err
}

// LabelToken sets the label of an agent's token. Codes: not_found.
func (s *Store) LabelToken(
	ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, label string, event rolebroker.AuditEvent,
) error {
	if !storableText(string(agent) + string(id)) {
		return notFound("token", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		labelled, err := tx.exec(ctx, labelToken, id, agent, label)
		if err == nil && labelled == 0 {
			return notFound("token", string(id))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Agent: agent})
		return err
	})
}

// RevokeToken marks an agent's token as revoked, and raises the agent's
// generation. Revoking it again changes nothing. Codes: not_found.
func (s *Store) RevokeToken(
	ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, at time.Time, event rolebroker.AuditEvent,
) error {
	if !storableText(string(agent) + string(id)) {
		return notFound("token", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		revoked, err := tx.exec(ctx, revokeToken, id, agent, millis(at))
		if err != nil {
			return err
		}
		if revoked > 0 {
			return tx.endToken(ctx, agent)
		}
		tx.unchanged = true
		exists := false
		err = tx.query(ctx, tokenOfAgent, func(scan) error { exists = true; return nil }, id, agent)
		if err == nil && !exists {
			return notFound("token", string(id))
		}
		return err
	})
}

// RecordTokenUse moves UsedAt of each token forward and ignores unknown tokens.
func (s *Store) RecordTokenUse(ctx context.Context, usedAt map[rolebroker.TokenID]time.Time) error {
	var rows [][]any
	for _, id := range slices.Sorted(maps.Keys(usedAt)) { // always in the same order, against deadlocks
		if storableText(string(id)) {
			rows = append(rows, []any{id, millis(usedAt[id])})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error { return tx.execBatch(ctx, useToken, rows) })
}
