package store

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

var (
	bindingByAccount = newStatement("bindingByAccount", `
		SELECT `+tokenColumns+` FROM tokens
		WHERE issuer = $1 AND namespace = $2 AND service_account = $3 AND issuer <> ''`)
	listBindings = newStatement("listBindings", `
		SELECT `+tokenColumns+` FROM tokens WHERE agent_id = $1 AND id > $2 AND issuer <> '' ORDER BY id LIMIT $3`)
	deleteBinding = newStatement("deleteBinding", `DELETE FROM tokens WHERE id = $1 AND agent_id = $2 AND issuer <> ''`)
)

// Binding returns the binding of a service account. Codes: not_found.
func (s *Store) Binding(ctx context.Context, account rolebroker.ServiceAccount) (*rolebroker.Token, error) {
	found, err := s.tokens(ctx, bindingByAccount, account.Issuer, account.Namespace, account.Name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("binding of", account.String())
	}
	return &found[0], nil
}

// Bindings lists an agent's bindings by ID.
func (s *Store) Bindings(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	return s.tokens(ctx, listBindings, agent, page.After, max(page.Limit, 0))
}

// CreateBinding stores b, which has an Account and no Hash. Codes: not_found
// (the agent), conflict (the service account is bound already, or the ID is
// taken).
func (s *Store) CreateBinding(ctx context.Context, b *rolebroker.Token) error {
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		err := tx.insertToken(ctx, b)
		if violated(err) == notUnique {
			return rolebroker.Errorf(rolebroker.CodeConflict,
				"the service account %s of %s is bound to an agent already", b.Account, b.Account.Issuer)
		}
		return duplicate(err, "a", "binding", "", string(b.ID))
	})
}

// DeleteBinding deletes a binding of the agent, and raises the agent's
// generation. Codes: not_found.
func (s *Store) DeleteBinding(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID) error {
	if !storableText(string(agent) + string(id)) {
		return notFound("binding", string(id))
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		deleted, err := tx.exec(ctx, deleteBinding, id, agent)
		if err == nil && deleted == 0 {
			err = notFound("binding", string(id))
		}
		if err != nil {
			return err
		}
		return tx.endAgent(ctx, agent)
	})
}
