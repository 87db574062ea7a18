package lend

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// DefaultSessionsPerAgent is how many sessions of one agent are kept.
const DefaultSessionsPerAgent = 64

// Options configure New. Records and Assumer are required.
type Options struct {
	Records Records
	Assumer Assumer
	By      rolebroker.Party // who asks STS, for the messages; the zero value is the server

	// Serves returns nil for an integration whose roles are assumed here, and
	// the refusal for any other. nil: OnServer.
	Serves func(*rolebroker.Integration) error

	Gateway Gateway              // nil: agents whose keys are withheld get nothing
	Log     *slog.Logger         // nil: none
	Metrics *prometheus.Registry // nil: none
	Now     func() time.Time     // nil: time.Now

	// SessionsPerAgent caps the sessions of one agent that are kept to be handed
	// out, and how many of its tokens' requests can start one at once. 0 means
	// DefaultSessionsPerAgent.
	SessionsPerAgent int
}

// Lender lends. Make one with New.
type Lender struct {
	records  Records
	assumer  Assumer
	by       rolebroker.Party
	serves   func(*rolebroker.Integration) error
	gateway  Gateway
	log      *slog.Logger
	refusals *slog.Logger // sampled
	metrics  *metrics
	now      func() time.Time
	perAgent int

	cache       *cache
	subscribers subscribers
	answered    func(context.Context, Answer) // nil: nobody wants to know
	tellRefused func(context.Context, rolebroker.AgentRefusal)
	repeats     guard.Repeats[rolebroker.AgentID, refusalKind, rolebroker.AgentRefusal]

	// ctx ends when the lender closes. Work that outlives the request that
	// started it uses ctx.
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	leases  map[leaseKey]*lease
	agents  map[rolebroker.AgentID]*allowance
	retired []*cachedLoan // replaced or dropped, with use that may not be recorded yet
}

// New makes a Lender. Close it.
func New(opts Options) *Lender {
	if opts.Serves == nil {
		opts.Serves = OnServer
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.SessionsPerAgent == 0 {
		opts.SessionsPerAgent = DefaultSessionsPerAgent
	}
	l := &Lender{
		records: opts.Records, assumer: opts.Assumer, by: opts.By, serves: opts.Serves, gateway: opts.Gateway,
		log: opts.Log, refusals: guard.Sampled(opts.Log), now: opts.Now, perAgent: opts.SessionsPerAgent,
		cache:  newCache(opts.Records),
		leases: map[leaseKey]*lease{},
		agents: map[rolebroker.AgentID]*allowance{},
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.metrics = newMetrics(opts.Metrics, l.leaseCount)
	l.records.Subscribe(l.changed)
	return l
}

// OnServer returns nil for an integration whose roles a server assumes. Codes: denied.
func OnServer(in *rolebroker.Integration) error {
	if in.AssumptionMode == rolebroker.ModePlatform {
		return nil
	}
	if in.Runner == "" {
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the roles of integration %s are assumed in your cluster, and no runner is named that does", in.Name).
			WithHint("an administrator has to name one: rolebroker integration update %s --runner RUNNER", in.Name)
	}
	return rolebroker.Errorf(rolebroker.CodeDenied,
		"the roles of integration %s are assumed by runner %s in your cluster, not by this server",
		in.Name, in.RunnerName).
		WithHint("the agent has to ask that runner: set ROLEBROKER_URL to its address in the cluster")
}

// Token returns an agent token as it is now. Codes: not_found, unavailable.
func (l *Lender) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	return l.cache.Token(ctx, id)
}

// Grants returns what an agent may borrow from now; nobody changes it. Codes:
// not_found, unavailable.
func (l *Lender) Grants(ctx context.Context, agent rolebroker.AgentID) (*rolebroker.Grants, error) {
	return l.cache.Grants(ctx, agent)
}

// Prepare reads what decides about the caller's requests, unless it is remembered.
// Codes: expired, unavailable.
func (l *Lender) Prepare(ctx context.Context, who rolebroker.Caller) error {
	_, err := l.grantsOf(ctx, who)
	return err
}

// Offers lists the roles that the agent may borrow now, the default first.
func (l *Lender) Offers(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Offer, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return nil, l.Refuse(ctx, rolebroker.AgentRefusal{Who: who, Action: rolebroker.ActionRoleList}, err)
	}
	return grants.Offers(), nil
}

// Resolve returns the role that the agent means, even one that is assumed
// elsewhere. Codes: as Lend's, without those of STS.
func (l *Lender) Resolve(ctx context.Context, who rolebroker.Caller, reference string) (rolebroker.Grant, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return rolebroker.Grant{}, err
	}
	return grants.Resolve(reference)
}

// Approval returns the approval that the agent borrows a role for a task under; the zero value if it needs none. Codes:
// as Lend's, without those of STS.
func (l *Lender) Approval(
	ctx context.Context, who rolebroker.Caller, grant rolebroker.Grant, task string,
) (rolebroker.OpenRequest, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return rolebroker.OpenRequest{}, err
	}
	_, approval, err := grants.Approved(grant, task, l.now())
	return approval, err
}

// MayCall returns the approval under which the caller may make a call; the zero value if it needs none. If it lacks an
// approval, it is the question that waits for a person, with the error; the zero value if
// there is none. Codes: as Lend's, without those of STS, and approval_required.
func (l *Lender) MayCall(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, call *rolebroker.AskedCall,
) (rolebroker.OpenRequest, error) {
	grants, err := l.grantsOf(ctx, who)
	if err != nil {
		return rolebroker.OpenRequest{}, err
	}
	grant, err := grants.Resolve(req.Role)
	if err != nil {
		return rolebroker.OpenRequest{}, err
	}
	return grants.MayCall(grant, req.Task, call, l.now())
}

// closeGrace is how long recording may take once the AssumeRole calls under way
// were cancelled.
const closeGrace = 10 * time.Second

// Close stops renewing and waits for the AssumeRole calls under way until ctx
// ends; then it cancels them, so that each has its outcome in the record. Last
// it records what was handed out, and refused.
func (l *Lender) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	leases := slices.Collect(maps.Values(l.leases))
	l.mu.Unlock()
	for _, lease := range leases {
		lease.stopTimer()
	}
	done := make(chan struct{})
	go func() { l.work.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	l.stop()
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	select {
	case <-done:
	case <-recording.Done():
	}
	l.tellRepeats(recording, true)
	return l.RecordUse(recording)
}
