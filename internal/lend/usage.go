package lend

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// RecordUse records how often each session was handed out and when each token
// was last used, and tells the refusals that repeated. Requests only count in memory, so that a busy endpoint does not
// write to the database for each of them. Call it now and then; Close calls it
// too. A crash loses the counts since the last call.
func (l *Lender) RecordUse(ctx context.Context) error {
	l.tellRepeats(ctx, false)
	fetches, loans := l.takeFetches()
	err := l.records.RecordFetches(ctx, fetches)
	if err != nil {
		l.putBack(fetches, loans)
	}
	return errors.Join(err, l.records.RecordTokenUse(ctx, l.cache.takeUses()))
}

// takeFetches takes the counts of all loans, retired ones too. loans[i] is the
// one that fetches[i] was taken from.
func (l *Lender) takeFetches() (fetches []rolebroker.Fetch, loans []*cachedLoan) {
	l.mu.Lock()
	all := l.retired
	l.retired = nil
	for _, lease := range l.leases {
		if loan := lease.loan.Load(); loan != nil {
			all = append(all, loan)
		}
	}
	l.mu.Unlock()
	for _, loan := range all {
		if n := loan.fetches.Swap(0); n > 0 {
			last := time.UnixMilli(loan.lastUsed.Load()).UTC()
			fetches = append(fetches, rolebroker.Fetch{Session: loan.Session, Count: n, Last: last})
			loans = append(loans, loan)
		}
	}
	return fetches, loans
}

// putBack undoes takeFetches. A loan that its lease still has is then listed
// twice; the second time its count is zero.
func (l *Lender) putBack(fetches []rolebroker.Fetch, loans []*cachedLoan) {
	for i, loan := range loans {
		loan.fetches.Add(fetches[i].Count)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = append(l.retired, loans...)
}
