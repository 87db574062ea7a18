package broker

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
func (b *Lender) RecordUse(ctx context.Context) error {
	fetches, holders := b.takeFetches()
	err := b.records.RecordFetches(ctx, fetches)
	if err != nil {
		b.putBack(fetches, holders)
	}
	return errors.Join(err, b.records.RecordTokenUse(ctx, b.authority.takeUses()))
}

// takeFetches takes the counts of all loans, replaced ones too. holders are
// the loans they were taken from, in the same order.
func (b *Lender) takeFetches() (fetches []rolebroker.Fetch, holders []*held) {
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
func (b *Lender) putBack(fetches []rolebroker.Fetch, holders []*held) {
	for i, h := range holders {
		h.fetches.Add(fetches[i].Count)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = append(b.used, holders...)
}
