package broker

import (
	"cmp"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// What one runner may record. A runner lends by the same code as the server, so an honest one stays below this: each of
// its replicas has the limits of package lend.
const (
	// runnerReplicas is for how many replicas of a runner the limits of an agent suffice. Each of them lends at most
	// one new session per second to an agent that used up its allowance.
	runnerReplicas = 4

	// maxOutstanding bounds the sessions of one runner that have no outcome. One that lost its outcome counts until its
	// credentials must have expired.
	maxOutstanding = 10_000

	// maxReported bounds the sessions, and the tokens, in one report of use. A runner sends 2,000 at a time.
	maxReported = 5_000

	// validationsAtOnce and validationsPerSecond bound how often a runner reports on one integration. It reports on 500
	// roles at a time.
	validationsAtOnce    = 100
	validationsPerSecond = 1

	// maxAllowances bounds the allowances that are remembered.
	maxAllowances = 100_000
)

// runnerAgent is an agent at a runner.
type runnerAgent struct {
	runner rolebroker.RunnerID
	agent  rolebroker.AgentID
}

// runnerIntegration is an integration of a runner.
type runnerIntegration struct {
	runner      rolebroker.RunnerID
	integration rolebroker.IntegrationID
}

// allowances bound what runners record, on this server.
type allowances struct {
	perAgent int

	mu       sync.Mutex
	limiters map[any]*rate.Limiter // by runnerAgent for sessions, runnerIntegration, runnerCalls
	known    map[runnerAgent]bool  // agents that identified themselves to a runner
}

func newAllowances(sessionsPerAgent int) *allowances {
	return &allowances{perAgent: runnerReplicas * cmp.Or(sessionsPerAgent, lend.DefaultSessionsPerAgent),
		limiters: map[any]*rate.Limiter{}, known: map[runnerAgent]bool{}}
}

// use takes one from the allowance of key, and reports whether there was one.
func (a *allowances) use(key any, perSecond rate.Limit, atOnce int, now time.Time) bool {
	return a.useMany(key, perSecond, atOnce, 1, now)
}

// useMany is use for n at once.
func (a *allowances) useMany(key any, perSecond rate.Limit, atOnce, n int, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.limiters) >= maxAllowances {
		clear(a.limiters)
	}
	limiter := a.limiters[key]
	if limiter == nil {
		limiter = rate.NewLimiter(perSecond, atOnce)
		a.limiters[key] = limiter
	}
	return limiter.AllowN(now, n)
}

// know remembers that an agent identified itself to a runner.
func (a *allowances) know(key runnerAgent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxAllowances {
		clear(a.known)
	}
	a.known[key] = true
}

func (a *allowances) knows(key runnerAgent) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[key]
}

// introduce records that an agent identified itself to a runner, which may then learn what the agent may borrow.
func (b *Broker) introduce(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) error {
	key := runnerAgent{who.Runner, agent}
	if b.allowed.knows(key) {
		return nil
	}
	err := b.store.RecordRunnerAgent(ctx, who.Runner, agent)
	if err == nil {
		b.allowed.know(key)
	}
	return err
}

// isIntroduced returns nil if the agent has identified itself to the runner. The refusal does not tell whether the
// agent exists. Codes: denied.
func (b *Broker) isIntroduced(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) error {
	key := runnerAgent{who.Runner, agent}
	if b.allowed.knows(key) {
		return nil
	}
	found, err := b.store.HasRunnerAgent(ctx, who.Runner, agent)
	switch {
	case err != nil:
		return err
	case !found:
		return rolebroker.Errorf(rolebroker.CodeDenied, "no agent %s has identified itself to runner %s",
			rolebroker.Quote(string(agent)), who.Name).
			WithHint("the agent has to ask the runner, with its token or the token of its service account")
	}
	b.allowed.know(key)
	return nil
}

// allowSession returns nil if the runner may record one more session of the agent. Codes: throttled.
func (b *Broker) allowSession(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) error {
	now := b.now()
	if !b.allowed.use(runnerAgent{who.Runner, agent}, runnerReplicas, b.allowed.perAgent, now) {
		return rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s begins sessions of agent %s too fast", who.Name,
			rolebroker.Quote(string(agent))).
			WithHint("try again in a second; --max-sessions-per-agent of the server has the limit")
	}
	outstanding, err := b.store.CountOutstanding(ctx, who.Runner, now, maxOutstanding)
	if err == nil && outstanding >= maxOutstanding {
		return rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s has %d sessions without an outcome", who.Name,
			outstanding).
			WithHint("look at the runner's log; if its credential may be stolen, have it join again: "+
				"rolebroker runner join-token %s", who.Name)
	}
	return err
}
