package broker

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Sessions lists newest first. Codes: denied.
func (b *Broker) Sessions(ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page) ([]rolebroker.Session, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Sessions(ctx, filter, page)
}

// Platform is who this deployment is in AWS.
type Platform struct {
	rolebroker.Identity
	Err error // why the identity is not known, an *rolebroker.Error; nil if it is
}

// platformAge is how long AWS's answer to who we are is good for: a page that is
// reloaded should not become a call each time.
const platformAge = time.Minute

// Platform says who we are in AWS. Codes: denied.
func (b *Broker) Platform(ctx context.Context, who rolebroker.Caller) (*Platform, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	b.platform.Lock()
	defer b.platform.Unlock()
	if b.platform.known != nil && b.now().Sub(b.platform.at) < platformAge {
		return b.platform.known, nil
	}
	identity, err := b.assumer.Identity(ctx)
	if err != nil {
		b.log.WarnContext(ctx, "asking AWS who we are", "reason", err, "cause", errors.Unwrap(err))
		return &Platform{Err: noPlatform(err)}, nil
	}
	b.platform.known, b.platform.at = &Platform{Identity: *identity}, b.now()
	return b.platform.known, nil
}

func noPlatform(err error) error {
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: err.Error(), Cause: err}
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) && refusal.Kind == rolebroker.RefusedNoIdentity {
		e.Hint = "give the server an AWS identity: an instance or container role, a web-identity token, a profile or AWS_ACCESS_KEY_ID"
	}
	return e
}
