package lend

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// RecordUse writes down how often each session was handed out and when each
// token was last used. Requests only count in memory: a busy endpoint must not
// write to the database for each of them. It is called now and then, and when
// the broker closes; a crash loses the counts since.
func (l *Lender) RecordUse(ctx context.Context) error {
	fetches, holders := l.takeFetches()
	err := l.records.RecordFetches(ctx, fetches)
	if err != nil {
		l.putBack(fetches, holders)
	}
	return errors.Join(err, l.records.RecordTokenUse(ctx, l.cache.takeUses()))
}

// takeFetches takes the counts of all loans, replaced ones too. holders are
// the loans they were taken from, in the same order.
func (l *Lender) takeFetches() (fetches []rolebroker.Fetch, holders []*held) {
	l.mu.Lock()
	all := l.used
	l.used = nil
	for _, lease := range l.leases {
		if h := lease.held.Load(); h != nil {
			all = append(all, h)
		}
	}
	l.mu.Unlock()
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
func (l *Lender) putBack(fetches []rolebroker.Fetch, holders []*held) {
	for i, h := range holders {
		h.fetches.Add(fetches[i].Count)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = append(l.used, holders...)
}
