package lend

import (
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

const (
	// newSessionsPerSecond is how fast a token that used up its allowance of new
	// sessions gets more. It starts with as many as the cap of its agent.
	newSessionsPerSecond = 1

	// idleAfter is how long nothing asked for a lease that makes room for another.
	idleAfter = time.Minute
)

// allowance bounds the sessions of one agent. No token starves another: the agent
// may start half as many sessions again as one of its tokens, and a token that has
// less than its share of the leases takes one from a token that has more.
type allowance struct {
	leases  []*lease
	limiter *rate.Limiter
	tokens  map[rolebroker.TokenID]*rate.Limiter
	burst   int // of each token's limiter
}

// allowanceOf finds or makes the allowance of an agent; l.mu is held.
func (l *Lender) allowanceOf(id rolebroker.AgentID) *allowance {
	agent := l.agents[id]
	if agent == nil {
		agent = &allowance{burst: l.perAgent, tokens: map[rolebroker.TokenID]*rate.Limiter{},
			limiter: rate.NewLimiter(newSessionsPerSecond*1.5, l.perAgent+max(1, l.perAgent/2))}
		l.agents[id] = agent
	}
	return agent
}

// token finds or makes the limiter of a token. It forgets those that have nothing
// to remember.
func (a *allowance) token(id rolebroker.TokenID, now time.Time) *rate.Limiter {
	if found := a.tokens[id]; found != nil {
		return found
	}
	for other, limiter := range a.tokens {
		if isFull(limiter, now) {
			delete(a.tokens, other)
		}
	}
	made := rate.NewLimiter(newSessionsPerSecond, a.burst)
	a.tokens[id] = made
	return made
}

// mayStart says whether a token may start a session now.
func (a *allowance) mayStart(id rolebroker.TokenID, now time.Time) bool {
	return a.limiter.TokensAt(now) >= 1 && a.token(id, now).TokensAt(now) >= 1
}

// start counts a session that a token starts.
func (a *allowance) start(id rolebroker.TokenID, now time.Time) {
	a.limiter.AllowN(now, 1)
	a.token(id, now).AllowN(now, 1)
}

// isRested says whether nothing was started for so long that the allowance is whole.
func (a *allowance) isRested(now time.Time) bool {
	for _, limiter := range a.tokens {
		if !isFull(limiter, now) {
			return false
		}
	}
	return isFull(a.limiter, now)
}

func isFull(limiter *rate.Limiter, now time.Time) bool {
	return limiter.TokensAt(now) >= float64(limiter.Burst())
}

// spare returns the least recently used of the leases that make room for another
// one of the token; nil: none does. An idle lease does. If the token started less
// than an equal share, so does a lease of a token that started more than that.
func (a *allowance) spare(id rolebroker.TokenID, now time.Time) (spare *lease) {
	started := map[rolebroker.TokenID]int{id: 0}
	for _, l := range a.leases {
		started[l.owner]++
	}
	share := max(1, len(a.leases)/len(started))
	for _, l := range a.leases {
		idle := now.Sub(l.lastAsked()) >= idleAfter
		unfair := started[id] < share && started[l.owner] > share
		if (idle || unfair) && (spare == nil || l.lastAsked().Before(spare.lastAsked())) {
			spare = l
		}
	}
	return spare
}

func (a *allowance) remove(dropped *lease) {
	if i := slices.Index(a.leases, dropped); i >= 0 {
		a.leases = slices.Delete(a.leases, i, i+1)
	}
}
