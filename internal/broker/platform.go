package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

// Platform is the AWS identity of this deployment.
type Platform struct {
	rolebroker.Identity
	Err error // why the identity is unknown, an *rolebroker.Error; nil if it is known

	AuditKeys []string // the public keys that sign the audit trail, the newest first; none: nothing signs it
}

// How long an answer of AWS is reused, so that a page that is reloaded does not call STS each time, and how long a
// call may take.
const (
	platformMaxAge        = time.Minute
	platformFailureMaxAge = 5 * time.Second
	platformTimeout       = 20 * time.Second
)

// platformCache keeps the last answer of AWS.
type platformCache struct {
	flight singleflight.Group
	mu     sync.Mutex
	known  *Platform // nil: none yet
	until  time.Time // when known is too old
}

// get returns the last answer if it is not too old; nil otherwise.
func (c *platformCache) get(now time.Time) *Platform {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.until) {
		return c.known
	}
	return nil
}

func (c *platformCache) set(p *Platform, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.until = p, until
}

// Platform returns the AWS identity of this deployment. Concurrent callers share one call to AWS, which goes on when
// ctx ends. Codes: denied, unavailable.
func (b *Broker) Platform(ctx context.Context, who rolebroker.Caller) (*Platform, error) {
	if err := b.May(ctx, who, rolebroker.ActionPlatformGet); err != nil {
		return nil, err
	}
	known, err := b.identity(ctx)
	if err != nil || b.auditKey == nil {
		return known, err
	}
	with := *known
	with.AuditKeys = b.auditKey.All()
	return &with, nil
}

// identity is Platform for a caller who was permitted an action that needs the identity. Codes: unavailable.
func (b *Broker) identity(ctx context.Context) (*Platform, error) {
	if known := b.platform.get(b.now()); known != nil {
		return known, nil
	}
	answer := b.platform.flight.DoChan("", func() (any, error) { return b.askPlatform(ctx), nil })
	select {
	case r := <-answer:
		return r.Val.(*Platform), nil
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable,
			"AWS did not say in time who this server is: %w", ctx.Err())
	}
}

// askPlatform asks AWS, also after ctx has ended, and caches the answer; a failure for a shorter time.
func (b *Broker) askPlatform(ctx context.Context) *Platform {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), platformTimeout)
	defer cancel()
	platform, maxAge := &Platform{}, platformMaxAge
	if identity, err := b.sts.Identity(ctx); err != nil {
		b.log.WarnContext(ctx, "asking AWS for the identity of this server", "reason", err, "cause", errors.Unwrap(err))
		platform.Err, maxAge = NoPlatform(err), platformFailureMaxAge
	} else {
		platform.Identity = *identity
	}
	b.platform.set(platform, b.now().Add(maxAge))
	return platform
}

// NoPlatform explains why AWS does not tell the identity of this server, and hints at what to do.
func NoPlatform(err error) *rolebroker.Error {
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: err.Error(), Cause: err}
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		server := rolebroker.Party{}
		e.Message = refusal.Explain(server, rolebroker.Role{}, "the call") + ": " + refusal.Error()
		e.Hint = refusal.Advise(server)
	}
	return e
}

// Counts returns how many integrations, agents and live sessions there are. Codes: denied.
func (b *Broker) Counts(ctx context.Context, who rolebroker.Caller) (rolebroker.Counts, error) {
	if err := b.May(ctx, who, rolebroker.ActionPlatformCount); err != nil {
		return rolebroker.Counts{}, err
	}
	return b.store.Counts(ctx, b.now())
}

// CountAgents returns how many agents are connected to each integration of a list. An
// integration without agents may be missing. Codes: denied.
func (b *Broker) CountAgents(
	ctx context.Context, who rolebroker.Caller, of []rolebroker.Integration,
) (map[rolebroker.IntegrationID]int, error) {
	if err := b.May(ctx, who, rolebroker.ActionPlatformCount); err != nil || len(of) == 0 {
		return nil, err
	}
	ids := make([]rolebroker.IntegrationID, len(of))
	for i := range of {
		ids[i] = of[i].ID
	}
	return b.store.CountAgents(ctx, ids)
}
