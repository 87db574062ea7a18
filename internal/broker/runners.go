package broker

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

// RunnerSpec is what a person sets of a runner.
type RunnerSpec struct {
	Name        string
	Description string
	Issuer      string // of the service-account tokens that the runner may verify; empty: none
}

// Runner finds a runner by name or ID. Codes: denied, not_found.
func (b *Broker) Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error) {
	return b.runnerFor(ctx, who, rolebroker.ActionRunnerGet, nameOrID)
}

// runnerFor permits an action that concerns a runner, and finds the runner. Codes: denied, not_found.
func (b *Broker) runnerFor(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string,
) (*rolebroker.Runner, error) {
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindRunner, nameOrID)); err != nil {
		return nil, err
	}
	return b.store.Runner(ctx, nameOrID)
}

// Runners lists runners by name. Codes: denied.
func (b *Broker) Runners(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Runner, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerList); err != nil {
		return nil, err
	}
	return b.store.Runners(ctx, page)
}

// IntegrationsOf lists the integrations that name a runner, by name. Codes: denied.
func (b *Broker) IntegrationsOf(
	ctx context.Context, who rolebroker.Caller, id rolebroker.RunnerID,
) ([]rolebroker.Integration, error) {
	subject := rolebroker.Named(rolebroker.KindRunner, string(id))
	if err := b.May(ctx, who, rolebroker.ActionIntegrationList, subject); err != nil {
		return nil, err
	}
	return b.store.IntegrationsOf(ctx, id)
}

// CreateRunner stores a new runner, which has not joined yet. Codes: denied, invalid, conflict.
func (b *Broker) CreateRunner(
	ctx context.Context, who rolebroker.Caller, spec RunnerSpec,
) (*rolebroker.Runner, error) {
	const action = rolebroker.ActionRunnerCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindRunner, spec.Name)); err != nil {
		return nil, err
	}
	now := b.now()
	r := rolebroker.Runner{ID: rolebroker.NewRunnerID(), Version: 1, CreatedAt: now, UpdatedAt: now,
		Name: spec.Name, Description: spec.Description, Issuer: spec.Issuer}
	if err := r.Check(); err != nil {
		return nil, err
	}
	event := b.event(who, action, nil, r.Facts(), r.Subject())
	if err := b.store.CreateRunner(ctx, &r, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return b.store.Runner(ctx, string(r.ID))
}

// UpdateRunner replaces what a person set of a runner. ifVersion is the version that the caller read; 0 replaces any
// version. Codes: denied, not_found, invalid, conflict, stale.
func (b *Broker) UpdateRunner(
	ctx context.Context, who rolebroker.Caller, nameOrID string, spec RunnerSpec, ifVersion int64,
) (*rolebroker.Runner, error) {
	const action = rolebroker.ActionRunnerUpdate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindRunner, nameOrID)); err != nil {
		return nil, err
	}
	var old, r rolebroker.Runner
	var event rolebroker.AuditEvent
	err := retryStale(ifVersion, func() error {
		current, err := b.store.Runner(ctx, nameOrID)
		if err != nil {
			return err
		}
		old, r = *current, *current
		r.Name, r.Description, r.Issuer = spec.Name, spec.Description, spec.Issuer
		r.Version, r.UpdatedAt = old.Version+1, b.now()
		if err := r.Check(); err != nil {
			return err
		}
		event = b.event(who, action, old.Facts(), r.Facts(), r.Subject())
		return b.store.UpdateRunner(ctx, &r, expected(ifVersion, old.Version), event)
	})
	if err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return b.store.Runner(ctx, string(r.ID))
}

// DeleteRunner removes a runner and its credentials. Credentials that it lent stay valid until they expire. Codes:
// denied, not_found, stale, conflict while an integration names the runner.
func (b *Broker) DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error {
	const action = rolebroker.ActionRunnerDelete
	r, err := b.runnerFor(ctx, who, action, nameOrID)
	if err != nil {
		return err
	}
	event := b.event(who, action, r.Facts(), nil, r.Subject())
	if err := b.store.DeleteRunner(ctx, r.ID, ifVersion, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

// nameRunner replaces the name of an integration's runner by its ID. Codes: invalid.
func (b *Broker) nameRunner(ctx context.Context, in *rolebroker.Integration) error {
	in.RunnerName = ""
	if in.Runner == "" || in.AssumptionMode != rolebroker.ModeCluster {
		return nil // Check refuses a runner in platform mode
	}
	r, err := b.store.Runner(ctx, string(in.Runner))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		e := invalid("the integration", "runner", "%s", rolebroker.AsError(err).Message)
		e.Fields[0].Hint = rolebroker.Hintf("rolebroker runner list shows those there are")
		return e
	}
	if err != nil {
		return err
	}
	in.Runner, in.RunnerName = r.ID, r.Name
	return nil
}
