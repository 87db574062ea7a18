package lend

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
)

// jitter spreads renewals that would fall together: each starts at half of the
// lifetime, or up to a twentieth of the lifetime later.
const jitter = 20

// cachedLoan is a loan, when to renew it, and how often it was handed out.
type cachedLoan struct {
	*rolebroker.Loan
	lifetime time.Duration
	renewAt  time.Time
	last     bool         // the approval ends with it: nothing renews it
	fetches  atomic.Int64 // not yet recorded
	lastUsed atomic.Int64 // Unix milliseconds; 0: never
}

// newCachedLoan makes the cachedLoan of a loan. until is the end of the approval that it is under; zero: it is under none.
func newCachedLoan(loan *rolebroker.Loan, now, until time.Time) *cachedLoan {
	if !until.IsZero() && !loan.Credentials.Expires.Before(until) {
		loan.Credentials.Expires = until
		return &cachedLoan{Loan: loan, lifetime: until.Sub(now), renewAt: until, last: true}
	}
	lifetime := loan.Credentials.Expires.Sub(now)
	late := time.Duration(rand.Int64N(int64(max(lifetime, 0))/jitter + 1))
	return &cachedLoan{Loan: loan, lifetime: lifetime, renewAt: now.Add(lifetime/2 + late)}
}

// countUse counts a hand-out.
func (c *cachedLoan) countUse(now time.Time) {
	c.fetches.Add(1)
	c.lastUsed.Store(now.UnixMilli())
}

// isFresh says whether more than a third of the lifetime is left, or anything of the last loan of an approval.
func (c *cachedLoan) isFresh(now time.Time) bool {
	if c.last {
		return c.isValid(now)
	}
	return c.Credentials.Expires.Sub(now) > c.lifetime/3
}

func (c *cachedLoan) isValid(now time.Time) bool {
	return now.Before(c.Credentials.Expires)
}
