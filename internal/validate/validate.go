package validate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

// STS assumes roles. Its errors are *rolebroker.Refusal.
type STS interface {
	// Try asks for credentials with exactly one request.
	Try(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error)
	// Identity is our own AWS identity.
	Identity(ctx context.Context) (*rolebroker.Identity, error)
}

// Options configure New. STS is required.
type Options struct {
	STS STS
	By  rolebroker.Party // who asks STS, for the messages; the zero value is the server
	Own OwnPolicies      // tells which side denied; nil: nobody does
	Log *slog.Logger     // of STS's refusals; nil: none
	Now func() time.Time // nil: time.Now

	// Concurrency is how many roles of one validation are tried at the same
	// time; 0 means DefaultConcurrency.
	Concurrency int
	// Rate is how many calls to STS all validations together make in a second;
	// 0 means DefaultRate.
	Rate int
	// Patience is how long to try again when STS denies a role or does not
	// answer, unless the subject says; 0 means one try.
	Patience time.Duration
}

// Bounds of what is tried.
const (
	MaxEarlier  = 3   // earlier external IDs
	MaxAgents   = 3   // agents in whose names a denied role is tried, and that a session policy is tried for
	MaxPolicies = 100 // session policies of an integration
	maxOfRole   = 10  // session policies of one role
)

// The defaults let one validation of a thousand roles run at its full
// concurrency with an STS that takes 50 ms, and leave half of STS's own limit
// (600 calls a second for an account and region) to lending.
const (
	DefaultConcurrency = 4
	DefaultRate        = 300
	DefaultPatience    = 30 * time.Second // IAM spreads most changes in less
)

const (
	// callTimeout bounds one call to STS.
	callTimeout = 10 * time.Second
	// atOnce is how many calls are made for a role at the same time.
	atOnce = 4
	// firstPause is the pause before the second try; it doubles each time, up to
	// longestPause.
	firstPause   = time.Second
	longestPause = 5 * time.Second
	// Settling is how long a denial may pass whose cause a call has shown. Other
	// denials may pass as long as the patience lasts.
	Settling = 7 * time.Second
)

// Validator validates. It is safe for concurrent use.
type Validator struct {
	sts         STS
	by          rolebroker.Party
	own         OwnPolicies
	log         *slog.Logger
	now         func() time.Time
	concurrency int
	patience    time.Duration
	limiter     *rate.Limiter
}

// New makes a Validator.
func New(o Options) *Validator {
	v := &Validator{sts: o.STS, by: o.By, own: o.Own, log: o.Log, now: o.Now, concurrency: o.Concurrency, patience: o.Patience}
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

// Patience returns how long a role that is denied is tried again, unless a subject says.
func (v *Validator) Patience() time.Duration { return v.patience }

// patienceFor is how long a role of the subject that is denied is tried again.
func (v *Validator) patienceFor(s Subject) time.Duration {
	if s.Wait != nil {
		return *s.Wait
	}
	return v.patience
}

// newLimiter allows so many calls within any second. The calls that are made for
// one role at the same time count against the rate as well.
func newLimiter(perSecond int) *rate.Limiter {
	if perSecond <= 2*atOnce {
		return rate.NewLimiter(rate.Limit(perSecond), 1)
	}
	return rate.NewLimiter(rate.Limit(perSecond-atOnce), atOnce)
}

// TooLarge returns the refusal of STS if the session policies and the session tags of a call are too large together; nil
// if they are not, or if STS does not say. AWS does not publish how it measures them. The call permits nothing.
func (v *Validator) TooLarge(ctx context.Context, a rolebroker.Assumption) *rolebroker.Refusal {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if v.limiter.Wait(ctx) != nil {
		return nil
	}
	a.SessionName = sessionName
	_, err := v.sts.Try(ctx, permitNothing(a))
	var refusal *rolebroker.Refusal
	if !errors.As(err, &refusal) || !refusal.IsTooLarge() {
		return nil
	}
	return refusal
}

// Subject is the integration whose roles are validated.
type Subject struct {
	Integration       rolebroker.Integration
	Earlier           []string // earlier external IDs of the integration, the newest first
	RequireExternalID bool     // a role that can be assumed without the external ID is failed, not a warning

	rolebroker.Tried

	// Wait is how long a role that is denied is tried again; nil: for the patience of
	// the validator.
	Wait *time.Duration
}

// Roles validates every role of the subject. It calls notify, if that is not nil,
// with each outcome as soon as it is known, one at a time, and returns all of
// them in the order of the roles. For a role that is tried again it calls notify once
// more before that, with the outcome ValidTryingAgain. A role that was not tried before ctx ended is
// unknown, ValidNotChecked.
func (v *Validator) Roles(
	ctx context.Context, s Subject, notify func(rolebroker.RoleValidation),
) []rolebroker.RoleValidation {
	roles := s.Integration.Roles
	b := &batch{
		Validator: v, Subject: s, notify: notify,
		results: make([]rolebroker.RoleValidation, len(roles)), left: len(roles),
		ready: make(chan *probe, len(roles)), done: make(chan struct{}), waiting: map[*probe]*time.Timer{},
	}
	if len(roles) == 0 {
		return b.results
	}
	if s.Integration.AssumptionMode == rolebroker.ModePlatform {
		b.identity, b.noIdentity = v.askIdentity(ctx)
	}
	for i, role := range roles {
		b.ready <- newProbe(b, i, role)
	}
	defer context.AfterFunc(ctx, b.wakeAll)()
	var workers sync.WaitGroup
	for range min(v.concurrency, len(roles)) {
		workers.Go(func() { b.run(ctx) })
	}
	workers.Wait()
	return b.results
}

// batch is one validation. A few workers try the roles that are ready. A role
// that has to be tried again later waits without a worker.
type batch struct {
	*Validator
	Subject
	identity   rolebroker.Identity // our own; the zero value if it is not known
	noIdentity *rolebroker.Refusal // why we have no AWS credentials at all; nil if we have
	untold     atomic.Bool         // IAM does not say what our own policies allow
	sizes      sizes               // what STS said of session policies

	ready chan *probe   // has room for all of them, so that sending never blocks
	done  chan struct{} // closed when every role has its outcome

	mu      sync.Mutex
	notify  func(rolebroker.RoleValidation)
	results []rolebroker.RoleValidation
	left    int // roles without an outcome
	waiting map[*probe]*time.Timer
}

func (b *batch) run(ctx context.Context) {
	for {
		select {
		case p := <-b.ready:
			if f, again := p.turn(ctx); again > 0 {
				b.tell(p)
				b.later(ctx, p, again)
			} else {
				b.finish(p, f)
			}
		case <-b.done:
			return
		}
	}
}

// finish records the outcome of a role.
func (b *batch) finish(p *probe, f rolebroker.Finding) {
	f.CheckedAt = b.now().UTC().Truncate(time.Millisecond)
	result := Explain(b.Subject, b.by, p.index, f)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.results[p.index] = result
	if b.notify != nil {
		b.notify(b.results[p.index])
	}
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// tell says once that a role is tried again.
func (b *batch) tell(p *probe) {
	if p.told || b.notify == nil {
		return
	}
	p.told = true
	f := p.found(rolebroker.ValidTryingAgain, answer{})
	f.CheckedAt = b.now().UTC().Truncate(time.Millisecond)
	result := Explain(b.Subject, b.by, p.index, f)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notify(result)
}

// later makes a role ready again after a pause, or at once if ctx has ended.
func (b *batch) later(ctx context.Context, p *probe, pause time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		b.ready <- p
		return
	}
	b.waiting[p] = time.AfterFunc(pause, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wake(p)
	})
}

// wake makes a waiting role ready. The caller holds b.mu.
func (b *batch) wake(p *probe) {
	if timer := b.waiting[p]; timer != nil {
		timer.Stop()
		delete(b.waiting, p)
		b.ready <- p
	}
}

// wakeAll ends all waiting, since ctx has ended.
func (b *batch) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.waiting {
		b.wake(p)
	}
}

// askIdentity asks AWS for our own identity. Only a lack of credentials is a
// refusal: any other failure to tell the identity need not keep AWS from letting
// us assume roles.
func (v *Validator) askIdentity(ctx context.Context) (rolebroker.Identity, *rolebroker.Refusal) {
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
	v.log.InfoContext(ctx, "validation: asking AWS for our own identity", "reason", refusal, "cause", refusal.Cause)
	if refusal.Kind == rolebroker.RefusedNoIdentity {
		return rolebroker.Identity{}, refusal
	}
	return rolebroker.Identity{}, nil
}

// refusalOf is the refusal that err is.
func refusalOf(err error) *rolebroker.Refusal {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "STS cannot be reached", Cause: err}
}
