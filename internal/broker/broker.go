package broker

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Assumer asks STS. Its errors are *rolebroker.Refusal.
type Assumer interface {
	Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error)
	validate.STS
}

// Options configure New. Store and Assumer are required.
type Options struct {
	Store   Store
	Assumer Assumer

	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	Now     func() time.Time      // nil: time.Now

	// SessionsPerAgent caps the live sessions that one agent may have, and so
	// the AssumeRole calls it can cause. 0 means DefaultSessionsPerAgent.
	SessionsPerAgent int

	// Validation says how roles are validated; its STS, Log and Now are set here.
	Validation validate.Options
	// RequireExternalID has roles that can be assumed without the external ID
	// fail their validation, instead of a warning.
	RequireExternalID bool
}

// DefaultSessionsPerAgent is how many live sessions one agent may have.
const DefaultSessionsPerAgent = 64

// newSessionsPerSecond is how fast an agent that used up its allowance of new
// sessions gets more. Its whole cap is there at the start.
const newSessionsPerSecond = 1

// Broker lends. Make one with New.
type Broker struct {
	store     Store
	assumer   Assumer
	log       *slog.Logger
	metrics   *metrics
	now       func() time.Time
	authority *authority
	perAgent  int

	validator         *validate.Validator
	requireExternalID bool
	validations       chan struct{} // one for each that is running
	setups            chan struct{} // one for each that is being written

	// ctx ends when the broker closes: work that goes on after the request
	// that started it hangs on it.
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	platform platformCache

	mu     sync.Mutex
	closed bool
	leases map[leaseKey]*lease
	agents map[rolebroker.AgentID]*allowance
	used   []*held // loans that were replaced, with fetches not yet recorded
}

// allowance is what one agent may still start.
type allowance struct {
	leases  int
	limiter *rate.Limiter
}

// New makes a Broker. Close it.
func New(opts Options) *Broker {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SessionsPerAgent == 0 {
		opts.SessionsPerAgent = DefaultSessionsPerAgent
	}
	b := &Broker{
		store: opts.Store, assumer: opts.Assumer, log: opts.Log, now: opts.Now,
		perAgent: opts.SessionsPerAgent, requireExternalID: opts.RequireExternalID,
		leases: map[leaseKey]*lease{},
		agents: map[rolebroker.AgentID]*allowance{},
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.authority = newAuthority(opts.Store)
	opts.Validation.STS, opts.Validation.Log, opts.Validation.Now = opts.Assumer, opts.Log, opts.Now
	b.validator = validate.New(opts.Validation)
	b.validations = make(chan struct{}, maxValidations)
	b.setups = make(chan struct{}, maxSetups)
	b.metrics = newMetrics(opts.Metrics, b.leaseCount)
	return b
}

// closeGrace is how long recording may take once the AssumeRole calls under way
// were cancelled.
const closeGrace = 10 * time.Second

// Close stops renewing, waits for the AssumeRole calls under way until ctx ends
// and cancels them then, so that none is left without its outcome in the
// record, and records what was handed out.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	leases := slices.Collect(maps.Values(b.leases))
	b.mu.Unlock()
	for _, l := range leases {
		l.stopTimer()
	}
	done := make(chan struct{})
	go func() { b.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	b.stop()
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	select {
	case <-done:
	case <-recording.Done():
	}
	return b.RecordUse(recording)
}

func (b *Broker) leaseCount() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(len(b.leases))
}
