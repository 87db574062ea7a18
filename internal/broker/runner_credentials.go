package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

const (
	// joinTokenLifetime is how long a join token can be used unless the caller says otherwise.
	joinTokenLifetime = time.Hour

	// maxJoinTokenLifetime is the longest that a caller can ask for. A stranger who finds a join token can join as the
	// runner.
	maxJoinTokenLifetime = 24 * time.Hour

	// credentialLifetime is how long a runner's credential can be used.
	credentialLifetime = 7 * 24 * time.Hour
)

// JoinToken makes a token with which a runner joins once. It replaces an earlier token that was not used. lifetime 0
// means an hour. The secret is returned once; only a hash is stored. Codes: denied, not_found, invalid.
func (b *Broker) JoinToken(
	ctx context.Context, who rolebroker.Caller, nameOrID string, lifetime time.Duration,
) (*rolebroker.RunnerKey, rolebroker.Secret, error) {
	const action = rolebroker.ActionJoinToken
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindRunner, nameOrID)); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	if lifetime == 0 {
		lifetime = joinTokenLifetime
	}
	if lifetime < 0 || lifetime > maxJoinTokenLifetime {
		return nil, rolebroker.Secret{}, invalid("the join token", "expires_in",
			"%s is not between 0 and %s", lifetime, rolebroker.ShortDuration(maxJoinTokenLifetime))
	}
	r, err := b.store.Runner(ctx, nameOrID)
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	now := stored(b.now())
	key := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: r.ID, RunnerName: r.Name, Join: true,
		CreatedAt: now, ExpiresAt: stored(now.Add(lifetime))}
	secret, hash := auth.NewJoinToken(key.ID)
	key.Hash = hash
	event := b.event(who, action, nil, key.Facts(), r.Subject(), key.Subject())
	if err := b.store.CreateRunnerKey(ctx, &key, event); err != nil {
		return nil, rolebroker.Secret{}, err
	}
	b.logEvent(ctx, &event)
	return &key, secret, nil
}

// Join uses up the caller's join token, and returns the runner and its first credential. The secret is returned once.
// program is the runner's version of rolebroker. Codes: denied, unauthenticated when the join token was used already,
// not_found.
func (b *Broker) Join(
	ctx context.Context, who rolebroker.Caller, program string,
) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error) {
	const action = rolebroker.ActionRunnerJoin
	if err := b.May(ctx, who, action); err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	now := b.now()
	key, secret := newCredential(who.Joining, now)
	facts := rolebroker.Facts{"program": readable(program, maxShortText)}
	joined := rolebroker.Subject{Kind: rolebroker.KindRunner, ID: string(who.Joining), Name: who.Name}
	event := b.event(who, action, nil, facts, joined, key.Subject())
	err := b.store.Join(ctx, who.RunnerKey, key, now, event)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		err = rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the join token was used already").
			WithHint("make another: rolebroker runner join-token RUNNER")
	}
	if err != nil {
		return nil, nil, rolebroker.Secret{}, b.refused(ctx, who, action, err)
	}
	b.logEvent(ctx, &event)
	runner, err := b.store.Runner(ctx, string(who.Joining))
	return runner, key, secret, err
}

func newCredential(runner rolebroker.RunnerID, now time.Time) (*rolebroker.RunnerKey, rolebroker.Secret) {
	key := &rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: runner,
		CreatedAt: now, ExpiresAt: now.Add(credentialLifetime)}
	secret, hash := auth.NewRunnerCredential(key.ID)
	key.Hash = hash
	return key, secret
}

// RenewCredential makes a runner's next credential. The current one ends when the next one is used. The secret is
// returned once. Codes: denied, not_found.
func (b *Broker) RenewCredential(
	ctx context.Context, who rolebroker.Caller,
) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error) {
	const action = rolebroker.ActionRunnerRenew
	if err := b.May(ctx, who, action); err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	runner, err := b.store.Runner(ctx, string(who.Runner))
	if err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	key, secret := newCredential(who.Runner, b.now())
	event := b.event(who, action, nil, nil, runner.Subject(), key.Subject())
	if err := b.store.CreateRunnerKey(ctx, key, event); err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	b.logEvent(ctx, &event)
	return runner, key, secret, nil
}

// RunnerKey finds the record of a runner's credential or join token, for auth. It is never cached. Codes: not_found.
func (b *Broker) RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error) {
	return b.store.RunnerKey(ctx, id)
}

// UseRunnerKey records the first use of a runner's credential, which ends its earlier credentials. It is for auth,
// which has checked the credential. Codes: not_found.
func (b *Broker) UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) error {
	return b.store.UseRunnerKey(ctx, id, b.now())
}

// NamedRunner returns the caller with the name that the runner has now. Codes: denied, not_found.
func (b *Broker) NamedRunner(ctx context.Context, who rolebroker.Caller) (rolebroker.Caller, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerAuthenticate); err != nil {
		return who, err
	}
	runner, err := b.store.Runner(ctx, string(who.Runner))
	if err != nil {
		return who, err
	}
	who.Name = runner.Name
	return who, nil
}
