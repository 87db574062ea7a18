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

// MaxEarlier is how many earlier external IDs are tried.
const MaxEarlier = 3

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
	roles := s.Integration.Roles
	w := &work{Validator: v, Subject: s, tell: tell, results: make([]rolebroker.RoleValidation, len(roles)), left: len(roles),
		ready: make(chan *probe, len(roles)), done: make(chan struct{}), waiting: map[*probe]*time.Timer{}}
	if len(roles) == 0 {
		return w.results
	}
	if s.Integration.AssumptionMode == rolebroker.ModePlatform {
		w.platform, w.problem = v.identity(ctx)
	}
	for i, role := range roles {
		w.ready <- newProbe(w, i, role)
	}
	defer context.AfterFunc(ctx, w.wakeAll)()
	var workers sync.WaitGroup
	for range min(v.concurrency, len(roles)) {
		workers.Go(func() { w.run(ctx) })
	}
	workers.Wait()
	return w.results
}

// work is one validation. A few workers take the roles that are ready; one that
// has to be tried again later waits without a worker.
type work struct {
	*Validator
	Subject
	platform rolebroker.Identity // the zero value when it is not known
	problem  *rolebroker.Refusal // why we have no identity to assume anything with; nil if we have

	ready chan *probe   // holds all of them, so that nobody waits to put one in
	done  chan struct{} // closed when none is left

	mu      sync.Mutex
	tell    func(rolebroker.RoleValidation)
	results []rolebroker.RoleValidation
	left    int
	waiting map[*probe]*time.Timer
}

func (w *work) run(ctx context.Context) {
	for {
		select {
		case p := <-w.ready:
			if v, again := p.turn(ctx); again > 0 {
				w.later(ctx, p, again)
			} else {
				w.finish(p, v)
			}
		case <-w.done:
			return
		}
	}
}

// finish keeps and tells an outcome.
func (w *work) finish(p *probe, v rolebroker.Validation) {
	v.CheckedAt = w.now().UTC().Truncate(time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results[p.index] = rolebroker.RoleValidation{Index: p.index, Role: p.role, Validation: v}
	if w.tell != nil {
		w.tell(w.results[p.index])
	}
	if w.left--; w.left == 0 {
		close(w.done)
	}
}

// later makes a role ready again after a while, or at once when ctx has ended.
func (w *work) later(ctx context.Context, p *probe, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		w.ready <- p
		return
	}
	w.waiting[p] = time.AfterFunc(pause, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.wake(p)
	})
}

// wake makes a role ready that waits; w.mu is held.
func (w *work) wake(p *probe) {
	if timer := w.waiting[p]; timer != nil {
		timer.Stop()
		delete(w.waiting, p)
		w.ready <- p
	}
}

// wakeAll has nobody wait any longer: ctx has ended.
func (w *work) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.waiting {
		w.wake(p)
	}
}

// identity is who we are. Only when there are no credentials at all is that the
// end of it: whatever else keeps AWS from saying who we are may not keep it from
// letting us assume roles.
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
	if refusal.Kind == rolebroker.RefusedNoIdentity {
		return rolebroker.Identity{}, refusal
	}
	return rolebroker.Identity{}, nil
}

// refusalOf is err as the refusal that it is.
func refusalOf(err error) *rolebroker.Refusal {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "STS cannot be reached", Cause: err}
}
