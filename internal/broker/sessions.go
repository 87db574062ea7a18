package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

// Sessions lists newest first. Codes: denied.
func (b *Broker) Sessions(ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page) ([]rolebroker.Session, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Sessions(ctx, filter, page)
}

// sessionsPerSweep bounds one deletion, so that it never holds the database up.
const sessionsPerSweep = 1000

// ForgetSessions deletes from the record what ended before the time.
func (b *Broker) ForgetSessions(ctx context.Context, endedBefore time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteSessions(ctx, endedBefore, sessionsPerSweep)
		total += n
		if err != nil || n < sessionsPerSweep {
			return total, err
		}
	}
}

// Platform is who this deployment is in AWS.
type Platform struct {
	rolebroker.Identity
	Err error // why the identity is not known, an *rolebroker.Error; nil if it is
}

// How long AWS's answer to who we are is good for: a page that is reloaded should
// not become a call each time.
const (
	platformAge        = time.Minute
	platformFailureAge = 5 * time.Second
	platformTimeout    = 20 * time.Second
)

// platformCache is who we are, as AWS said last.
type platformCache struct {
	flight singleflight.Group
	mu     sync.Mutex
	known  *Platform
	until  time.Time
}

// Platform says who we are in AWS. Nobody waits for it longer than ctx. Codes:
// denied, unavailable.
func (b *Broker) Platform(ctx context.Context, who rolebroker.Caller) (*Platform, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	b.platform.mu.Lock()
	known, until := b.platform.known, b.platform.until
	b.platform.mu.Unlock()
	if known != nil && b.now().Before(until) {
		return known, nil
	}
	answer := b.platform.flight.DoChan("", func() (any, error) { return b.askPlatform(ctx), nil })
	select {
	case r := <-answer:
		return r.Val.(*Platform), nil
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "AWS did not say in time who this server is: %w", ctx.Err())
	}
}

// askPlatform outlives the request that caused it.
func (b *Broker) askPlatform(ctx context.Context) *Platform {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), platformTimeout)
	defer cancel()
	found, age := &Platform{}, platformAge
	if identity, err := b.sts.Identity(ctx); err != nil {
		b.log.WarnContext(ctx, "asking AWS who we are", "reason", err, "cause", errors.Unwrap(err))
		found.Err, age = NoPlatform(err), platformFailureAge
	} else {
		found.Identity = *identity
	}
	b.platform.mu.Lock()
	defer b.platform.mu.Unlock()
	b.platform.known, b.platform.until = found, b.now().Add(age)
	return found
}

// NoPlatform is why AWS does not say who we are, and what to do about it.
func NoPlatform(err error) *rolebroker.Error {
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: err.Error(), Cause: err}
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		e.Hint = refusal.Kind.Hint()
	}
	return e
}
