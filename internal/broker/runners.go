package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

const (
	// joinTokenLasts is how long a join token is good for unless told otherwise.
	joinTokenLasts = time.Hour

	// maxJoinToken is how long one may be: who finds one that was left behind
	// becomes the runner.
	maxJoinToken = 24 * time.Hour
)

// RunnerSpec is what a person says of a runner.
type RunnerSpec struct {
	Name        string
	Description string
	Issuer      string // about whose service accounts it is believed; empty: nobody's
}

// Runner finds one by name or ID. Codes: denied, not_found.
func (b *Broker) Runner(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Runner, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Runner(ctx, nameOrID)
}

// Runners lists by name. Codes: denied.
func (b *Broker) Runners(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Runner, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Runners(ctx, page)
}

// IntegrationsOf lists the integrations that name a runner, by name. Codes:
// denied.
func (b *Broker) IntegrationsOf(ctx context.Context, who rolebroker.Caller, id rolebroker.RunnerID) ([]rolebroker.Integration, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.IntegrationsOf(ctx, id)
}

// CreateRunner stores a new runner, which has yet to join. Codes: denied,
// invalid, conflict.
func (b *Broker) CreateRunner(ctx context.Context, who rolebroker.Caller, spec RunnerSpec) (*rolebroker.Runner, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	now := b.now()
	r := rolebroker.Runner{ID: rolebroker.NewRunnerID(), Name: spec.Name, Description: spec.Description, Issuer: spec.Issuer, Version: 1, CreatedAt: now, UpdatedAt: now}
	if err := r.Check(); err != nil {
		return nil, err
	}
	if err := b.store.CreateRunner(ctx, &r); err != nil {
		return nil, err
	}
	b.audit(ctx, who, "runner created", r.Name)
	return b.store.Runner(ctx, string(r.ID))
}

// UpdateRunner replaces what a person says of a runner. ifVersion is the version
// it must still have; 0 wins over whatever is there. Codes: denied, not_found,
// invalid, conflict, stale.
func (b *Broker) UpdateRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, spec RunnerSpec, ifVersion int64) (*rolebroker.Runner, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	id, err := retryStale(ifVersion, func() (rolebroker.RunnerID, error) {
		r, err := b.store.Runner(ctx, nameOrID)
		if err != nil {
			return "", err
		}
		old := r.Version
		r.Name, r.Description, r.Issuer, r.Version, r.UpdatedAt = spec.Name, spec.Description, spec.Issuer, old+1, b.now()
		if err := r.Check(); err != nil {
			return "", err
		}
		return r.ID, b.store.UpdateRunner(ctx, r, expected(ifVersion, old))
	})
	if err != nil {
		return nil, err
	}
	b.audit(ctx, who, "runner updated", spec.Name)
	return b.store.Runner(ctx, string(id))
}

// DeleteRunner removes a runner and ends its credential. What it lent lives
// until it expires. Codes: denied, not_found, stale, conflict while an
// integration names it.
func (b *Broker) DeleteRunner(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	r, err := b.store.Runner(ctx, nameOrID)
	if err != nil {
		return err
	}
	if err := b.store.DeleteRunner(ctx, r.ID, ifVersion); err != nil {
		return err
	}
	b.audit(ctx, who, "runner deleted", r.Name)
	return nil
}

// JoinToken makes a token with which a runner joins, once, in place of one that
// was made before and not used. lasts is how long it is good for; 0 means an
// hour. The secret is returned this once and kept nowhere. Codes: denied,
// not_found, invalid.
func (b *Broker) JoinToken(ctx context.Context, who rolebroker.Caller, nameOrID string, lasts time.Duration) (*rolebroker.RunnerKey, rolebroker.Secret, error) {
	if err := who.MayWrite(); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if lasts == 0 {
		lasts = joinTokenLasts
	}
	if lasts < 0 || lasts > maxJoinToken {
		return nil, rolebroker.Secret{}, &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the join token is not valid", Fields: []rolebroker.Field{
			{Path: "expires_in", Message: fmt.Sprintf("%s is not between 0 and %s", lasts, rolebroker.ShortDuration(maxJoinToken))}}}
	}
	r, err := b.store.Runner(ctx, nameOrID)
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	now := stored(b.now())
	key := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: r.ID, RunnerName: r.Name, Join: true, CreatedAt: now, ExpiresAt: stored(now.Add(lasts))}
	secret, hash := auth.NewJoinToken(key.ID)
	key.Hash = hash
	if err := b.store.CreateRunnerKey(ctx, &key); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.audit(ctx, who, "join token created", r.Name+" "+string(key.ID))
	return &key, secret, nil
}

// RunnerKey is what is known of a runner's credential or join token, for auth to
// check. It is read anew each time. Codes: not_found.
func (b *Broker) RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error) {
	return b.store.RunnerKey(ctx, id)
}

// UseRunnerKey has the first use of a runner's credential end those before it,
// for auth, which has checked it. Codes: not_found.
func (b *Broker) UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) error {
	return b.store.UseRunnerKey(ctx, id, b.now())
}

// nameRunner finds the runner that an integration names, by name or ID. Codes:
// invalid.
func (b *Broker) nameRunner(ctx context.Context, in *rolebroker.Integration) error {
	in.RunnerName = ""
	if in.Runner == "" || in.AssumptionMode != rolebroker.ModeCluster {
		return nil // where there is one too much, Check says so
	}
	r, err := b.store.Runner(ctx, string(in.Runner))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid", Fields: []rolebroker.Field{
			{Path: "runner", Message: rolebroker.AsError(err).Message, Hint: "rolebroker runner list shows those there are"}}}
	}
	if err != nil {
		return err
	}
	in.Runner, in.RunnerName = r.ID, r.Name
	return nil
}
