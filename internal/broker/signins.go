package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// How long a browser stays signed in, and how long a sign-in link and a sign-in code can be used.
const (
	signInLifetime = 8 * time.Hour
	linkLifetime   = time.Hour
	codeLifetime   = time.Minute
)

// SignInRecord finds the record of a sign-in, for auth. It is never cached. Codes: not_found.
func (b *Broker) SignInRecord(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error) {
	return b.store.SignIn(ctx, id)
}

// SignIn signs the holder of an API key, or the person of a code, in to the web app. It returns the secret of the
// browser's cookie, once, and when it expires. Codes: denied.
func (b *Broker) SignIn(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, time.Time, error) {
	return b.newSignIn(ctx, who, rolebroker.ActionSignIn, signInLifetime)
}

// SignInLink makes the secret of a link with which a person signs in once as the holder of the API key. Codes:
// denied.
func (b *Broker) SignInLink(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, error) {
	secret, _, err := b.newSignIn(ctx, who, rolebroker.ActionSignInLink, linkLifetime)
	return secret, err
}

// SignInCode makes the secret with which the browser of a person who has just shown an API key signs in under the name
// that LoopbackName returns: once, and within a minute. Codes: denied.
func (b *Broker) SignInCode(ctx context.Context, who rolebroker.Caller) (rolebroker.Secret, error) {
	secret, _, err := b.newSignIn(ctx, who, rolebroker.ActionSignInLink, codeLifetime)
	return secret, err
}

// LoopbackName returns the only name below localhost under which the holder of an API key, or a person, is signed in
// to the web app.
// It is for that holder or person alone: see [rolebroker.LoopbackName]. Codes: denied, not_found.
func (b *Broker) LoopbackName(ctx context.Context, who rolebroker.Caller) (string, error) {
	if err := b.May(ctx, who, rolebroker.ActionSignIn); err != nil {
		return "", err
	}
	if who.User != "" {
		user, err := b.store.User(ctx, who.User)
		if err != nil {
			return "", err
		}
		return rolebroker.LoopbackName(user.Salt), nil
	}
	key, err := b.store.APIKey(ctx, who.APIKey)
	if err != nil {
		return "", err
	}
	return rolebroker.LoopbackName(key.Hash), nil
}

func (b *Broker) newSignIn(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, lifetime time.Duration,
) (rolebroker.Secret, time.Time, error) {
	if err := b.May(ctx, who, action); err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	if who.User != "" {
		in, err := b.personSignIn(who, lifetime)
		if err != nil {
			return rolebroker.Secret{}, time.Time{}, err
		}
		in.Link = action == rolebroker.ActionSignInLink
		in.ExpiresAt = earlier(in.ExpiresAt, in.CheckedAt.Add(confirmedFor)) // nothing renews it
		var secret rolebroker.Secret
		secret, in.Hash = auth.NewSignIn(in.ID)
		return secret, in.ExpiresAt, b.storeSignIn(ctx, who, action, in)
	}
	key, err := b.store.APIKey(ctx, who.APIKey)
	if err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	now := b.now()
	in := rolebroker.SignIn{ID: rolebroker.NewSignInID(), APIKey: key.ID, KeyHash: key.Hash,
		Link: action == rolebroker.ActionSignInLink, CreatedAt: now, ExpiresAt: now.Add(lifetime)}
	secret, hash := auth.NewSignIn(in.ID)
	in.Hash = hash
	return secret, in.ExpiresAt, b.storeSignIn(ctx, who, action, &in)
}

// SignOut ends a sign-in, or uses up a sign-in link. Codes: not_found when it has ended already.
func (b *Broker) SignOut(ctx context.Context, id rolebroker.SignInID) error {
	return b.store.DeleteSignIn(ctx, id)
}

// ForgetSignIns deletes the sign-ins that have expired.
func (b *Broker) ForgetSignIns(ctx context.Context) error { return b.store.DeleteSignIns(ctx, b.now()) }
