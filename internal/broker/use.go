package broker

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// sessionsPerSweep bounds one deletion, so that it never holds the database up.
const sessionsPerSweep = 1000

// RecordUse writes down how often each session was handed out and when each
// token was last used. Requests only count in memory: a busy endpoint must not
// write to the database for each of them. It is called now and then, and when
// the broker closes; a crash loses the counts since.
func (b *Broker) RecordUse(ctx context.Context) error {
	fetches, holders := b.takeFetches()
	err := b.store.RecordFetches(ctx, fetches)
	if err != nil {
		b.putBack(fetches, holders)
	}
	return errors.Join(err, b.store.RecordTokenUse(ctx, b.authority.takeUses()))
}

// takeFetches takes the counts of all loans, replaced ones too. holders are
// the loans they were taken from, in the same order.
func (b *Broker) takeFetches() (fetches []rolebroker.Fetch, holders []*held) {
	b.mu.Lock()
	all := b.used
	b.used = nil
	for _, l := range b.leases {
		if h := l.held.Load(); h != nil {
			all = append(all, h)
		}
	}
	b.mu.Unlock()
	for _, h := range all {
		if n := h.fetches.Swap(0); n > 0 {
			last := time.UnixMilli(h.lastUsed.Load()).UTC()
			fetches = append(fetches, rolebroker.Fetch{Session: h.loan.Session, Count: n, Last: last})
			holders = append(holders, h)
		}
	}
	return fetches, holders
}

// putBack undoes takeFetches. A loan that is still held may then be counted
// from twice; the second time there is nothing left to count.
func (b *Broker) putBack(fetches []rolebroker.Fetch, holders []*held) {
	for i, h := range holders {
		h.fetches.Add(fetches[i].Count)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = append(b.used, holders...)
}

// ForgetSessions deletes from the record what ended before the time.
func (b *Broker) ForgetSessions(ctx context.Context, endedBefore time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteSessions(ctx, endedBefore, sessionsPerSweep)
		total += n
		if err != nil || n < sessionsPerSweep {
			return total, err
		}
	}
}
