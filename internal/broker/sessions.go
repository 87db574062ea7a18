package broker

import (
	"context"
	"errors"

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

// Platform asks AWS who we are. Codes: denied.
func (b *Broker) Platform(ctx context.Context, who rolebroker.Caller) (*Platform, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	identity, err := b.assumer.Identity(ctx)
	if err == nil {
		return &Platform{Identity: *identity}, nil
	}
	b.log.WarnContext(ctx, "asking AWS who we are", "reason", err, "cause", errors.Unwrap(err))
	return &Platform{Err: noPlatform(err)}, nil
}

func noPlatform(err error) error {
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: err.Error(), Cause: err}
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) && refusal.Kind == rolebroker.RefusedNoIdentity {
		e.Hint = "give the server an AWS identity: an instance or container role, a web-identity token, a profile or AWS_ACCESS_KEY_ID"
	}
	return e
}
