package validate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

// STS is who is asked. Its errors are *rolebroker.Refusal.
type STS interface {
	// Try asks for credentials with exactly one request.
	Try(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error)
	// Identity is who we are.
	Identity(ctx context.Context) (*rolebroker.Identity, error)
}

// Options configure New. STS is required.
type Options struct {
	STS STS
	Log *slog.Logger     // of what STS answered; nil: none
	Now func() time.Time // nil: time.Now

	// Concurrency is how many roles of one validation are tried at once; 0
	// means DefaultConcurrency.
	Concurrency int
	// Rate is how many calls to STS all validations together make in a second;
	// 0 means DefaultRate.
	Rate int
	// Patience is for how long a role that is denied, or STS that does not
	// answer, is tried again; 0 means not again.
	Patience time.Duration
}

// The defaults let one validation of a thousand roles run at its full
// concurrency with an STS that takes 50 ms, and leave half of STS's own limit
// (600 calls a second for an account and region) to lending.
const (
	DefaultConcurrency = 4
	DefaultRate        = 300
	DefaultPatience    = 7 * time.Second // tries after 0, 1, 3 and 7 seconds
)

const (
	// callTimeout bounds one call to STS.
	callTimeout = 10 * time.Second
	// atOnce is how many calls a role begins with.
	atOnce = 3
	// firstPause is how long to wait before trying again; it doubles each time.
	firstPause = time.Second
)

// Validator validates. It is safe for concurrent use.
type Validator struct {
	sts         STS
	log         *slog.Logger
	now         func() time.Time
	concurrency int
	patience    time.Duration
	limiter     *rate.Limiter
}

// New makes a Validator.
func New(o Options) *Validator {
	v := &Validator{sts: o.STS, log: o.Log, now: o.Now, concurrency: o.Concurrency, patience: o.Patience}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.concurrency == 0 {
		v.concurrency = DefaultConcurrency
	}
	if o.Rate == 0 {
		o.Rate = DefaultRate
	}
	v.limiter = newLimiter(o.Rate)
	return v
}

// newLimiter allows so many calls within any second. The calls of one role may
// go together; that many are taken off, so that they are within it too.
func newLimiter(perSecond int) *rate.Limiter {
	if perSecond <= 2*atOnce {
		return rate.NewLimiter(rate.Limit(perSecond), 1)
	}
	return rate.NewLimiter(rate.Limit(perSecond-atOnce), atOnce)
}

// Subject is whose roles are validated.
type Subject struct {
	Integration       rolebroker.Integration
	Earlier           []string // external IDs of the integration that were good before, the newest first
	RequireExternalID bool     // a role that can be assumed without it counts as failed
	Impatient         bool     // what is denied is not tried again: it has long been there
}

// Roles validates every role of the subject. Each outcome is told as soon as
// it is known, one at a time; the answer has them all, in the order of the
// roles. When ctx ends, the roles that are left are unknown, ValidNotChecked.
func (v *Validator) Roles(ctx context.Context, s Subject, tell func(rolebroker.RoleValidation)) []rolebroker.RoleValidation {
	results := make([]rolebroker.RoleValidation, len(s.Integration.Roles))
	w := &work{Validator: v, Subject: s, slots: make(chan struct{}, v.concurrency)}
	if s.Integration.AssumptionMode == rolebroker.ModePlatform {
		w.platform, w.problem = v.identity(ctx)
	}
	var all sync.WaitGroup
	var telling sync.Mutex
	for i, role := range s.Integration.Roles {
		all.Go(func() {
			p := &probe{work: w, role: role}
			validation := p.run(ctx)
			validation.CheckedAt = v.now().UTC().Truncate(time.Second)
			telling.Lock()
			defer telling.Unlock()
			results[i] = rolebroker.RoleValidation{Index: i, Role: role, Validation: validation}
			if tell != nil {
				tell(results[i])
			}
		})
	}
	all.Wait()
	return results
}

// work is one validation.
type work struct {
	*Validator
	Subject
	platform rolebroker.Identity // the zero value when it is not known
	problem  *rolebroker.Refusal // why we have no identity to assume anything with; nil if we have
	slots    chan struct{}       // one for each role that is being tried
}

// identity is who we are. That STS could not be reached for it says nothing
// about us.
func (v *Validator) identity(ctx context.Context) (rolebroker.Identity, *rolebroker.Refusal) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if v.limiter.Wait(ctx) != nil {
		return rolebroker.Identity{}, nil
	}
	identity, err := v.sts.Identity(ctx)
	if err == nil {
		return *identity, nil
	}
	refusal := refusalOf(err)
	v.log.InfoContext(ctx, "validation: asking AWS who we are", "reason", refusal, "cause", refusal.Cause)
	if refusal.Kind.Temporary() {
		return rolebroker.Identity{}, nil
	}
	return rolebroker.Identity{}, refusal
}

// refusalOf is err as the refusal that it is.
func refusalOf(err error) *rolebroker.Refusal {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "STS cannot be reached", Cause: err}
}
