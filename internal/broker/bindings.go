package broker

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

// Bindings lists the service accounts that are bound to an agent. Codes: denied, not_found.
func (b *Broker) Bindings(
	ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	a, err := b.agentFor(ctx, who, rolebroker.ActionBindingList, agent)
	if err != nil {
		return nil, err
	}
	return b.store.Bindings(ctx, a.ID, page)
}

// Bind binds a service account to an agent: a process that runs as the service account borrows as the agent. A
// service account has one agent; an agent may have several service accounts. Codes: denied, not_found, invalid,
// conflict.
func (b *Broker) Bind(
	ctx context.Context, who rolebroker.Caller, agent string, account rolebroker.ServiceAccount,
) (*rolebroker.Token, error) {
	const action = rolebroker.ActionBindingCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAgent, agent)); err != nil {
		return nil, err
	}
	if err := account.Check(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	binding := rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: a.ID, Account: account,
		CreatedAt: stored(b.now())}
	if err := b.store.CreateBinding(ctx, &binding); err != nil {
		return nil, b.boundAlready(ctx, account, err)
	}
	b.changed(ctx, who, action, nil, binding.Facts(), a.Subject(), binding.Subject())
	return &binding, nil
}

// boundAlready names the agent that a service account is bound to, if that is why the store refused the binding.
func (b *Broker) boundAlready(ctx context.Context, account rolebroker.ServiceAccount, err error) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		return err
	}
	binding, findErr := b.store.Binding(ctx, account)
	if findErr != nil {
		return err
	}
	a, findErr := b.store.Agent(ctx, string(binding.Agent))
	if findErr != nil {
		return err
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "the service account %s is agent %s already", account, a.Name).
		WithHint("unbind it first: rolebroker agent unbind %s %s", a.Name, binding.ID)
}

// Unbind ends a binding at once. Credentials that were lent stay valid until they expire. Codes: denied, not_found.
func (b *Broker) Unbind(
	ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID,
) error {
	const action = rolebroker.ActionBindingDelete
	binding := rolebroker.Named(rolebroker.KindBinding, string(id))
	a, err := b.agentFor(ctx, who, action, agent, binding)
	if err != nil {
		return err
	}
	if err := b.store.DeleteBinding(ctx, a.ID, id); err != nil {
		return err
	}
	b.done(ctx, who, action, a.Subject(), binding)
	return nil
}
