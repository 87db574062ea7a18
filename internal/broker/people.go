package broker

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/seal"
)

// Provider is the company's identity provider, as far as sign-ins that exist need it.
type Provider interface {
	// Issuer is its URL.
	Issuer() string

	// Renew asks again about a person, with what it gave at the sign-in. Codes: unauthenticated (it does not answer for
	// the person any more), unavailable.
	Renew(ctx context.Context, renewal rolebroker.Secret, commandLine bool) (*rolebroker.Person, error)
}

// How often the identity provider is asked about a person who is signed in, and for how long its last answer counts
// while it cannot be asked. So who leaves the company loses access within confirmedFor.
const (
	checkEvery   = 10 * time.Minute
	checkAgain   = time.Minute
	confirmedFor = time.Hour

	checkPatience = 10 * time.Second
)

// provider is the actor of what the identity provider changes.
var provider = rolebroker.Caller{Name: "the identity provider"}

// User finds a user by ID, for auth. Codes: not_found.
func (b *Broker) User(ctx context.Context, id rolebroker.UserID) (*rolebroker.User, error) {
	return b.store.User(ctx, id)
}

// Users lists the people who signed in, by ID. Codes: denied.
func (b *Broker) Users(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.User, error) {
	if err := b.May(ctx, who, rolebroker.ActionUserList); err != nil {
		return nil, err
	}
	return b.store.Users(ctx, page)
}

// Admit returns the caller that a person is, as the identity provider has just said. It remembers the person. from has
// the address and the request. Codes: denied (no group of the person gives access).
func (b *Broker) Admit(
	ctx context.Context, from rolebroker.Caller, p *rolebroker.Person,
) (rolebroker.Caller, error) {
	user, err := b.remember(ctx, p)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict { // the first sign-in of the person happens twice at once
		user, err = b.remember(ctx, p)
	}
	if err != nil {
		return rolebroker.Caller{}, err
	}
	who := user.Caller()
	who.Address, who.Request, who.ConfirmedAt = from.Address, from.Request, user.SeenAt
	if who.Access == "" {
		return rolebroker.Caller{}, b.refused(ctx, who, rolebroker.ActionUserAuthenticate, noGroup(user))
	}
	return who, nil
}

func noGroup(u *rolebroker.User) *rolebroker.Error {
	return rolebroker.Errorf(rolebroker.CodeDenied, "%s is in no group that gives access to rolebroker", u.Label()).
		WithHint("ask an administrator: --oidc-admin-groups, --oidc-approver-groups and --oidc-reader-groups name " +
			"the groups")
}

// remember stores what the identity provider says about a person.
func (b *Broker) remember(ctx context.Context, p *rolebroker.Person) (*rolebroker.User, error) {
	var before rolebroker.Facts
	user, err := b.store.UserOf(ctx, p.Issuer, p.Subject)
	switch {
	case err == nil:
		before = user.Facts()
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		salt := make([]byte, 32)
		rand.Read(salt)
		user = &rolebroker.User{ID: rolebroker.NewUserID(), Issuer: p.Issuer, Subject: p.Subject, Salt: salt,
			CreatedAt: b.now()}
	default:
		return nil, err
	}
	user.Name, user.Email = rolebroker.Shown(p.Name), rolebroker.Shown(p.Email)
	user.Access, user.SeenAt = b.groups.Of(p.Groups), b.now()
	event := b.event(provider, rolebroker.ActionUserUpdate, before, user.Facts(), user.Reference())
	if len(event.Before)+len(event.After) == 0 {
		return user, b.store.PutUser(ctx, user, nil)
	}
	if err := b.store.PutUser(ctx, user, &event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return user, nil
}

// SignInPerson signs in a person whom Admit admitted: a browser, or a command line. renewal is with what the identity
// provider is asked again; zero: the sign-in ends after confirmedFor. It returns the secret, once, and when it expires.
// Codes: denied, expired.
func (b *Broker) SignInPerson(
	ctx context.Context, who rolebroker.Caller, renewal rolebroker.Secret, commandLine bool,
) (rolebroker.Secret, time.Time, error) {
	if err := b.May(ctx, who, rolebroker.ActionSignIn); err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	in, err := b.personSignIn(who, signInLifetime)
	if err != nil {
		return rolebroker.Secret{}, time.Time{}, err
	}
	in.CommandLine = commandLine
	var secret rolebroker.Secret
	if commandLine {
		secret, in.Hash = auth.NewCommandLine(in.ID)
	} else {
		secret, in.Hash = auth.NewSignIn(in.ID)
	}
	if renewal.IsZero() {
		in.ExpiresAt = earlier(in.ExpiresAt, in.CheckedAt.Add(confirmedFor))
	} else {
		in.Renewal = seal.Close(secret.Reveal(), renewal.Reveal())
	}
	return secret, in.ExpiresAt, b.storeSignIn(ctx, who, rolebroker.ActionSignIn, in)
}

// personSignIn makes the record of a sign-in of a person, without its secret. Whatever begins it, the provider's answer
// is as old as the caller's. Codes: expired (the answer counts no more).
func (b *Broker) personSignIn(who rolebroker.Caller, lifetime time.Duration) (*rolebroker.SignIn, error) {
	now, checked := b.now(), who.ConfirmedAt
	if !now.Before(checked.Add(confirmedFor)) {
		return nil, rolebroker.Errorf(rolebroker.CodeExpired,
			"the identity provider answered for you too long ago").WithHint("sign in again")
	}
	return &rolebroker.SignIn{ID: rolebroker.NewSignInID(), User: who.User, CreatedAt: now, CheckedAt: checked,
		CheckAt: checked.Add(checkEvery), ExpiresAt: now.Add(lifetime)}, nil
}

func (b *Broker) storeSignIn(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, in *rolebroker.SignIn,
) error {
	event := b.event(who, action, nil, nil)
	if err := b.store.CreateSignIn(ctx, in, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

// Confirm returns the person of a sign-in, for auth, and asks the identity provider about the person when that is due.
// shown is the secret of the sign-in. Codes: unauthenticated (the provider does not answer for the person any more),
// denied (no group gives access any more), unavailable (the provider could not be asked for confirmedFor).
func (b *Broker) Confirm(
	ctx context.Context, in *rolebroker.SignIn, shown rolebroker.Secret,
) (*rolebroker.User, error) {
	user, err := b.store.User(ctx, in.User)
	switch {
	case err != nil:
		return nil, err
	case b.provider == nil || b.provider.Issuer() != user.Issuer:
		return nil, rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"people no longer sign in through %s here", user.Issuer)
	}
	if len(in.Renewal) > 0 && !b.now().Before(in.CheckAt) {
		_, err, _ := b.checks.Do(string(in.ID), func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkPatience)
			defer cancel()
			return nil, b.checkPerson(ctx, in.ID, shown)
		})
		if err != nil {
			return nil, err
		}
		checked, err := b.store.SignIn(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		in.CheckedAt = checked.CheckedAt
		if user, err = b.store.User(ctx, in.User); err != nil {
			return nil, err
		}
	}
	if user.Access == "" {
		return nil, noGroup(user)
	}
	return user, nil
}

// checkPerson asks the identity provider about a sign-in, unless another server does so.
func (b *Broker) checkPerson(ctx context.Context, id rolebroker.SignInID, shown rolebroker.Secret) error {
	in, err := b.store.SignIn(ctx, id)
	now := b.now()
	if err != nil || now.Before(in.CheckAt) {
		return b.stillConfirmed(in, err)
	}
	claimed, err := b.store.ClaimCheck(ctx, id, in.CheckAt, now.Add(checkAgain))
	if err != nil || !claimed {
		return b.stillConfirmed(in, err)
	}
	renewal, ok := seal.Open(shown.Reveal(), in.Renewal)
	if !ok {
		return rolebroker.Errorf(rolebroker.CodeInternal, "the record of this sign-in is damaged")
	}
	person, err := b.provider.Renew(ctx, rolebroker.NewSecret(renewal), in.CommandLine)
	if err == nil {
		err = b.confirmed(ctx, in, person, shown)
	}
	switch rolebroker.CodeOf(err) {
	case "":
		return nil
	case rolebroker.CodeUnauthenticated, rolebroker.CodeDenied:
		return b.ended(ctx, in, err)
	}
	b.log.WarnContext(ctx, "the identity provider cannot be asked whether a person may stay signed in",
		"user", in.User, "reason", err)
	return b.stillConfirmed(in, nil)
}

// stillConfirmed returns nil if the provider's last answer still counts.
func (b *Broker) stillConfirmed(in *rolebroker.SignIn, err error) error {
	if err == nil && !b.now().Before(in.CheckedAt.Add(confirmedFor)) {
		err = rolebroker.Errorf(rolebroker.CodeUnavailable,
			"the identity provider cannot be asked whether you may stay "+
				"signed in").WithHint("try again soon; an API key works meanwhile")
	}
	return err
}

// confirmed stores what the provider says about the person of a sign-in now.
func (b *Broker) confirmed(
	ctx context.Context, in *rolebroker.SignIn, person *rolebroker.Person, shown rolebroker.Secret,
) error {
	before, err := b.store.User(ctx, in.User)
	if err != nil {
		return err
	}
	if person.Issuer != before.Issuer || person.Subject != before.Subject {
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the identity provider answered for somebody else")
	}
	user, err := b.remember(ctx, person)
	if err != nil {
		return err
	}
	in.CheckedAt = b.now()
	in.CheckAt = in.CheckedAt.Add(checkEvery)
	if !person.Renewal.IsZero() {
		in.Renewal = seal.Close(shown.Reveal(), person.Renewal.Reveal())
	}
	if err := b.store.StoreCheck(ctx, in); err != nil {
		return err
	}
	if user.Access == "" {
		return noGroup(user)
	}
	return nil
}

// ended ends a sign-in because of what the provider says, and returns why.
func (b *Broker) ended(ctx context.Context, in *rolebroker.SignIn, why error) error {
	user, err := b.store.User(ctx, in.User)
	if err != nil {
		return err
	}
	event := b.event(provider, rolebroker.ActionSignInEnd, nil,
		rolebroker.Facts{"reason": rolebroker.AsError(why).Message}, user.Reference())
	if err := b.store.EndSignIn(ctx, in.ID, event); err != nil {
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			return why
		}
		return err
	}
	b.logEvent(ctx, &event)
	return why
}
