package broker

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

// Bindings lists the service accounts that are an agent. Codes: denied,
// not_found.
func (b *Broker) Bindings(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	return b.store.Bindings(ctx, a.ID, page)
}

// Bind says that whoever runs as a service account is the agent. One service
// account is one agent; an agent may be several. Codes: denied, not_found,
// invalid, conflict.
func (b *Broker) Bind(ctx context.Context, who rolebroker.Caller, agent string, account rolebroker.ServiceAccount) (*rolebroker.Token, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	if err := account.Check(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	binding := rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: a.ID, Account: account, CreatedAt: stored(b.now())}
	if err := b.store.CreateBinding(ctx, &binding); err != nil {
		return nil, b.boundAlready(ctx, account, err)
	}
	b.audit(ctx, who, "agent bound to "+account.String(), a.Name+" "+string(binding.ID))
	return &binding, nil
}

// boundAlready says to which agent a service account is bound, if that is what
// was in the way.
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

// Unbind has a service account be the agent no longer, at once. What was lent
// lives until it expires. Codes: denied, not_found.
func (b *Broker) Unbind(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return err
	}
	if err := b.store.DeleteBinding(ctx, a.ID, id); err != nil {
		return err
	}
	b.audit(ctx, who, "agent unbound", a.Name+" "+string(id))
	return nil
}
