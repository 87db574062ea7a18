package store

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

var (
	bindingsOfAccount = newStatement("bindingsOfAccount", `
		SELECT `+readTokenColumns+` FROM tokens
		WHERE issuer = $1 AND namespace = $2 AND service_account IN ($3, '*') AND issuer <> '' ORDER BY id`)
	agentsOfNamespace = newStatement("agentsOfNamespace", `
		SELECT DISTINCT agent_id FROM tokens
		WHERE issuer = $1 AND namespace = $2 AND agent_id <> $3 AND issuer <> '' ORDER BY agent_id`)
	listBindings = newStatement("listBindings", `
		SELECT `+readTokenColumns+` FROM tokens WHERE agent_id = $1 AND id > $2 AND issuer <> '' ORDER BY id LIMIT $3`)
	listBindingsOfIssuer = newStatement("listBindingsOfIssuer", `
		SELECT `+readTokenColumns+` FROM tokens WHERE issuer = $1 AND id > $2 AND issuer <> '' ORDER BY id LIMIT $3`)
	deleteBinding = newStatement("deleteBinding", `DELETE FROM tokens WHERE id = $1 AND agent_id = $2 AND issuer <> ''`)
)

// BindingsOf lists the bindings that a service account may have: those with its name, and those of its namespace,
// whatever their labels. rolebroker.BindingOf tells which of them counts.
func (s *Store) BindingsOf(ctx context.Context, account rolebroker.ServiceAccount) ([]rolebroker.Token, error) {
	return s.tokens(ctx, bindingsOfAccount, account.Issuer, account.Namespace, account.Name)
}

// Bindings lists an agent's bindings by ID.
func (s *Store) Bindings(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	return s.tokens(ctx, listBindings, agent, page.After, max(page.Limit, 0))
}

// BindingsOfIssuer lists the bindings of the service accounts of an issuer by ID.
func (s *Store) BindingsOfIssuer(ctx context.Context, issuer string, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	return s.tokens(ctx, listBindingsOfIssuer, issuer, page.After, max(page.Limit, 0))
}

// CreateBinding stores b, which has an Account and no Hash. It is a change of each agent that is bound in the
// namespace, because b may take a service account from it. Codes: not_found (the agent), conflict (the same is bound
// already, or the ID is taken).
func (s *Store) CreateBinding(ctx context.Context, b *rolebroker.Token, event rolebroker.AuditEvent) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		err := tx.insertToken(ctx, b)
		if violated(err) == notUnique {
			return rolebroker.Errorf(rolebroker.CodeConflict,
				"%s of %s is bound to an agent already", b.Selects(), b.Account.Issuer)
		}
		if err := duplicate(err, "a", "binding", "", string(b.ID)); err != nil {
			return err
		}
		return tx.query(ctx, agentsOfNamespace, func(scan scan) error {
			var other rolebroker.AgentID
			err := scan(&other)
			tx.changes = append(tx.changes, rolebroker.Change{Agent: other})
			return err
		}, b.Account.Issuer, b.Account.Namespace, b.Agent)
	})
}

// DeleteBinding deletes a binding of the agent, and raises the agent's
// generation. Codes: not_found.
func (s *Store) DeleteBinding(
	ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, event rolebroker.AuditEvent,
) error {
	if !storableText(string(agent) + string(id)) {
		return notFound("binding", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		deleted, err := tx.exec(ctx, deleteBinding, id, agent)
		if err == nil && deleted == 0 {
			err = notFound("binding", string(id))
		}
		if err != nil {
			return err
		}
		return tx.endToken(ctx, agent)
	})
}
