package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// How long a browser stays signed in, and how long a link waits to be used.
const (
	signInLifetime = 8 * time.Hour
	linkLifetime   = time.Hour
)

// SignInRecord is what is known of a sign-in, for auth to check. It is read
// anew each time. Codes: not_found.
func (b *Broker) SignInRecord(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error) {
	return b.store.SignIn(ctx, id)
}

// SignIn signs the holder of an API key in to the web app. What is returned is
// for the browser, this once. Codes: denied.
func (b *Broker) SignIn(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, time.Time, error) {
	secret, expires, err := b.newSignIn(ctx, who, false, signInLifetime)
	if err == nil {
		b.audit(ctx, who, "signed in", "")
	}
	return secret, expires, err
}

// SignInLink makes what a link shows by which somebody may sign in once, as the
// holder of the API key. Codes: denied.
func (b *Broker) SignInLink(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, error) {
	secret, _, err := b.newSignIn(ctx, who, true, linkLifetime)
	return secret, err
}

func (b *Broker) newSignIn(ctx context.Context, who rolebroker.Caller, link bool, lifetime time.Duration) (rolebroker.Secret, time.Time, error) {
	if err := who.MayRead(); err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	key, err := b.store.APIKey(ctx, who.APIKey)
	if err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	now := b.now()
	in := rolebroker.SignIn{ID: rolebroker.NewSignInID(), APIKey: key.ID, KeyHash: key.Hash, Link: link, CreatedAt: now, ExpiresAt: now.Add(lifetime)}
	secret, hash := auth.NewSignIn(in.ID)
	in.Hash = hash
	return secret, in.ExpiresAt, b.store.CreateSignIn(ctx, &in)
}

// SignOut ends a sign-in; of a link, it is its one use. Codes: not_found, which
// whoever comes second gets.
func (b *Broker) SignOut(ctx context.Context, id rolebroker.SignInID) error {
	return b.store.DeleteSignIn(ctx, id)
}

// ForgetSignIns forgets those that have expired.
func (b *Broker) ForgetSignIns(ctx context.Context) error { return b.store.DeleteSignIns(ctx, b.now()) }

// Counts is how many there are of each thing. Codes: denied.
func (b *Broker) Counts(ctx context.Context, who rolebroker.Caller) (rolebroker.Counts, error) {
	if err := who.MayRead(); err != nil {
		return rolebroker.Counts{}, err
	}
	return b.store.Counts(ctx, b.now())
}

// CountAgents is how many agents are connected to each of some integrations,
// which are sorted by name. Codes: denied.
func (b *Broker) CountAgents(ctx context.Context, who rolebroker.Caller, of []rolebroker.Integration) (map[rolebroker.IntegrationID]int, error) {
	if err := who.MayRead(); err != nil || len(of) == 0 {
		return nil, err
	}
	return b.store.CountAgents(ctx, of[0].Name, of[len(of)-1].Name)
}
