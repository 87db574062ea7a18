package broker

import (
	"context"
	"slices"

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

// BindingsOfIssuer lists the service accounts of an issuer that are bound, to whichever agents. Codes: denied.
func (b *Broker) BindingsOfIssuer(
	ctx context.Context, who rolebroker.Caller, issuer string, page rolebroker.Page,
) ([]rolebroker.Token, error) {
	if err := b.May(ctx, who, rolebroker.ActionBindingList); err != nil {
		return nil, err
	}
	return b.store.BindingsOfIssuer(ctx, issuer, page)
}

// Bind binds a service account to an agent: a process that runs as the service account borrows as the agent. The name
// AnyAccount binds every service account of the namespace, or, with labels, those that have them all. A service account
// has one agent, which BindingOf finds; an agent may have several service accounts. Codes: denied, not_found, invalid,
// conflict.
func (b *Broker) Bind(
	ctx context.Context, who rolebroker.Caller, agent string, account rolebroker.ServiceAccount,
	labels rolebroker.Labels,
) (*rolebroker.Token, error) {
	const action = rolebroker.ActionBindingCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAgent, agent)); err != nil {
		return nil, err
	}
	binding := rolebroker.Token{ID: rolebroker.NewBindingID(), Account: account, Labels: labels,
		CreatedAt: stored(b.now())}
	if err := binding.CheckBinding(); err != nil {
		return nil, err
	}
	a, err := b.store.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	binding.Agent = a.ID
	event := b.event(who, action, nil, binding.Facts(), a.Subject(), binding.Subject())
	if err := b.store.CreateBinding(ctx, &binding, event); err != nil {
		return nil, b.boundAlready(ctx, &binding, err)
	}
	b.logEvent(ctx, &event)
	return b.store.Token(ctx, binding.ID) // with the name of its runner
}

// boundAlready names the agent that the same is bound to, if that is why the store refused the binding.
func (b *Broker) boundAlready(ctx context.Context, wanted *rolebroker.Token, err error) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		return err
	}
	all, findErr := b.store.BindingsOf(ctx, wanted.Account)
	i := slices.IndexFunc(all, func(t rolebroker.Token) bool {
		return t.Account == wanted.Account && t.Labels.String() == wanted.Labels.String()
	})
	if findErr != nil || i < 0 {
		return err
	}
	a, findErr := b.store.Agent(ctx, string(all[i].Agent))
	if findErr != nil {
		return err
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "%s is agent %s already", wanted.Selects(), a.Name).
		WithHint("unbind it first: rolebroker agent unbind %s %s", a.Name, all[i].ID)
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
	event := b.event(who, action, nil, nil, a.Subject(), binding)
	if err := b.store.DeleteBinding(ctx, a.ID, id, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}
