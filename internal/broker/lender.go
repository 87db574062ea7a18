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
)

// DefaultSessionsPerAgent is how many live sessions one agent may have.
const DefaultSessionsPerAgent = 64

// newSessionsPerSecond is how fast an agent that used up its allowance of new
// sessions gets more. Its whole cap is there at the start.
const newSessionsPerSecond = 1

// LenderOptions configure NewLender. Records, Assumer and Serves are required.
type LenderOptions struct {
	Records Records
	Assumer Assumer

	// Serves is nil for the integrations whose roles are assumed here, and for
	// others the refusal.
	Serves func(*rolebroker.Integration) error

	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
	Now     func() time.Time      // nil: time.Now

	// SessionsPerAgent caps the live sessions that one agent may have, and so
	// the AssumeRole calls it can cause. 0 means DefaultSessionsPerAgent.
	SessionsPerAgent int
}

// Lender lends: it is the part of a server that a runner has too.
type Lender struct {
	records   Records
	assumer   Assumer
	serves    func(*rolebroker.Integration) error
	log       *slog.Logger
	metrics   *metrics
	now       func() time.Time
	authority *authority
	perAgent  int

	// ctx ends when the lender closes: work that goes on after the request
	// that started it hangs on it.
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

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

// NewLender makes a Lender. Close it.
func NewLender(opts LenderOptions) *Lender {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SessionsPerAgent == 0 {
		opts.SessionsPerAgent = DefaultSessionsPerAgent
	}
	b := &Lender{
		records: opts.Records, assumer: opts.Assumer, serves: opts.Serves, log: opts.Log, now: opts.Now, perAgent: opts.SessionsPerAgent,
		leases: map[leaseKey]*lease{},
		agents: map[rolebroker.AgentID]*allowance{},
	}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.authority = newAuthority(opts.Records)
	b.metrics = newMetrics(opts.Metrics, b.leaseCount)
	return b
}

// Resolve finds the role that an agent means, whoever assumes it. Codes: as for
// Lend, of what STS has no part in.
func (b *Lender) Resolve(ctx context.Context, who rolebroker.Caller, reference string) (rolebroker.Grant, error) {
	if err := b.usable(ctx, who.Token); err != nil {
		return rolebroker.Grant{}, err
	}
	grants, err := b.grants(ctx, who)
	if err != nil {
		return rolebroker.Grant{}, err
	}
	return grants.Resolve(reference)
}

// closeGrace is how long recording may take once the AssumeRole calls under way
// were cancelled.
const closeGrace = 10 * time.Second

// Close stops renewing, waits for the AssumeRole calls under way until ctx ends
// and cancels them then, so that none is left without its outcome in the
// record, and records what was handed out.
func (b *Lender) Close(ctx context.Context) error {
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

func (b *Lender) leaseCount() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return float64(len(b.leases))
}
