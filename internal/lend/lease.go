package lend

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	// assumeTimeout bounds one AssumeRole call, its retries included.
	assumeTimeout = 20 * time.Second

	// patience is how long a request waits for STS while the lease has a valid
	// loan. It is well within the 2 s after which botocore gives up.
	patience = time.Second

	// After a failure the lease does not call STS for a while. The pause doubles
	// with each failure.
	firstBackoff         = time.Second
	maxBackoff           = 30 * time.Second
	maxBackoffWhenDenied = 4 * time.Second // an administrator may be repairing the role now
)

// lease keeps the credentials of one key. All requests that wait share one
// call to STS. The lease renews the credentials in the background while agents
// use them, and drops them when they have expired.
type lease struct {
	lender *Lender
	key    leaseKey
	owner  rolebroker.TokenID // that started it
	shape  string             // the fingerprint of the role

	seen     atomic.Int64                      // when it was made or last asked for, before loan; Unix milliseconds
	loan     atomic.Pointer[cachedLoan]        // what to hand out; nil: nothing yet
	borrower atomic.Pointer[rolebroker.Caller] // who asked last, without the request; renewal is on their behalf

	mu      sync.Mutex
	names   roleNames
	call    *call       // under way; nil: none
	failure *failure    // of the last call; nil: it went well
	timer   *time.Timer // calls onTimer
	dropped bool        // the lease is no longer in lender.leases
}

// errDropped says that the lease was dropped after Lend found it. Lend then
// looks for the lease again, which makes another.
var errDropped = errors.New("the lease was dropped")

// call is a call to STS that any number of requests wait for.
type call struct {
	done chan struct{} // closed when loan and err are set
	loan *cachedLoan
	err  error
}

// failure is the last call's, if it gave no credentials.
type failure struct {
	err   error
	count int       // of failures in a row
	until time.Time // no call before that
}

// fresh returns the loan if more than a third of its lifetime is left, or nil.
func (l *lease) fresh(who rolebroker.Caller, now time.Time) *cachedLoan {
	l.setBorrower(who)
	if loan := l.loan.Load(); loan != nil && loan.isFresh(now) {
		return loan
	}
	return nil
}

// lastAsked is when the lease was last asked for, or made.
func (l *lease) lastAsked() time.Time {
	last := l.seen.Load()
	if loan := l.loan.Load(); loan != nil {
		last = max(last, loan.lastUsed.Load())
	}
	return time.UnixMilli(last)
}

// setBorrower notes on whose behalf to renew. No request asks for that, and each request has another ID.
func (l *lease) setBorrower(who rolebroker.Caller) {
	who.Request = ""
	if last := l.borrower.Load(); last == nil || *last != who {
		borrower := who // a copy, so that only a change allocates
		l.borrower.Store(&borrower)
	}
}

// wait returns the loan that STS gives. While STS cannot be reached it returns
// the loan that the lease has, until that expires.
func (l *lease) wait(ctx context.Context, who rolebroker.Caller) (*cachedLoan, error) {
	old, c := l.loan.Load(), l.join(who)
	if old == nil || !old.isValid(l.lender.now()) {
		return c.wait(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	renewed, err := c.wait(waiting)
	if err != nil && ctx.Err() == nil && isTemporary(err) && old.isValid(l.lender.now()) {
		return old, nil
	}
	return renewed, err
}

// wait returns the result of the call, or an error when ctx ends first. The
// call goes on for the others.
func (c *call) wait(ctx context.Context) (*cachedLoan, error) {
	select {
	case <-c.done:
		return c.loan, c.err
	default:
	}
	select {
	case <-c.done:
		return c.loan, c.err
	case <-ctx.Done():
		return nil, &rolebroker.Refusal{
			Kind: rolebroker.RefusedUnreachable, Message: "STS did not answer in time", Cause: ctx.Err(),
		}
	}
}

// join returns the call under way, or starts one for who asks. While the lease does
// not call STS after a failure, that failure is the result.
func (l *lease) join(who rolebroker.Caller) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call != nil {
		return l.call
	}
	if l.dropped {
		return finishedCall(nil, errDropped)
	}
	if l.failure != nil && l.lender.now().Before(l.failure.until) {
		return finishedCall(nil, l.failure.err)
	}
	loan := l.loan.Load()
	if loan != nil && loan.isFresh(l.lender.now()) { // renewed since the request looked
		return finishedCall(loan, nil)
	}
	if loan == nil && l.failure != nil && !l.lender.chargeRetry(who) {
		return finishedCall(nil, tooFast(l.key.agentName))
	}
	return l.startCall(who)
}

func finishedCall(loan *cachedLoan, err error) *call {
	c := &call{done: make(chan struct{}), loan: loan, err: err}
	close(c.done)
	return c
}

// startCall starts a call to STS that outlives the request that caused it. The
// caller holds l.mu.
func (l *lease) startCall(by rolebroker.Caller) *call {
	if !l.lender.beginWork() {
		return finishedCall(nil, errShuttingDown())
	}
	c := &call{done: make(chan struct{})}
	l.call = c
	names := l.names
	go func() {
		defer l.lender.work.Done()
		ctx, cancel := context.WithTimeout(rolebroker.WithRequestID(l.lender.ctx, by.Request), assumeTimeout)
		defer cancel()
		c.loan, c.err = l.lender.startSession(ctx, l.key, names, by)
		l.finishCall(c)
		close(c.done)
		l.lender.tellAnswer(ctx, l, c.err)
	}()
	return c
}

// finishCall takes the result of a call and sets the timer.
func (l *lease) finishCall(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call = nil
	if l.dropped {
		if c.loan != nil {
			l.lender.retire(c.loan) // some of those that wait may be handed it
		}
		return
	}
	if c.err != nil {
		l.backOff(c.err)
		return
	}
	l.failure = nil
	if old := l.loan.Swap(c.loan); old != nil {
		l.seen.Store(max(l.seen.Load(), old.lastUsed.Load()))
		l.lender.retire(old)
	}
	l.setTimer(c.loan.renewAt)
}

// backOff notes a failure. The timer tries again if the lease has a loan, and
// else drops the lease, unless a request tries again before. The caller holds l.mu.
func (l *lease) backOff(err error) {
	count := 1
	if l.failure != nil {
		count = l.failure.count + 1
	}
	longest := maxBackoff
	if !isTemporary(err) {
		longest = maxBackoffWhenDenied
	}
	pause := min(firstBackoff<<min(count-1, 10), longest)
	pause += time.Duration(rand.Int64N(int64(pause)/4 + 1))
	l.failure = &failure{err: err, count: count, until: l.lender.now().Add(pause)}
	if l.loan.Load() == nil {
		l.setTimer(l.failure.until.Add(maxBackoff))
		return
	}
	l.setTimer(l.failure.until)
}

// setTimer schedules the only call of onTimer. The caller holds l.mu.
func (l *lease) setTimer(at time.Time) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(max(at.Sub(l.lender.now()), 0), l.onTimer)
}

func (l *lease) stopTimer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}

// onTimer renews the loan, waits until it expires, or drops the lease.
func (l *lease) onTimer() {
	loan := l.loan.Load()
	valid := loan != nil && loan.isValid(l.lender.now())
	renew, outdated := false, false
	if valid {
		renew, outdated = l.prospects(loan)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.call != nil, l.dropped:
		// finishCall sets the timer of a lease that was not dropped.
	case renew:
		l.startCall(*l.borrower.Load())
	case valid && !outdated:
		l.setTimer(loan.Credentials.Expires)
	default:
		l.dropLocked()
	}
}

// drop removes the lease and forgets its credentials.
func (l *lease) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked()
}

// dropLocked is drop for a caller that holds l.mu.
func (l *lease) dropLocked() {
	if l.dropped {
		return
	}
	l.dropped = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.lender.drop(l)
}

// prospects says whether to renew the loan, and if not, whether nobody would get
// the lease any more.
func (l *lease) prospects(loan *cachedLoan) (renew, outdated bool) {
	if !l.lender.beginWork() {
		return false, false
	}
	defer l.lender.work.Done()
	ctx, cancel := context.WithTimeout(l.lender.ctx, assumeTimeout)
	defer cancel()
	if l.mayRenew(ctx, loan) {
		return true, false
	}
	return false, l.lender.isOutdated(ctx, l.key)
}

// mayRenew says whether to renew the loan: it was handed out at least once, and
// the last borrower may still have it. It takes the names that the role has by now.
func (l *lease) mayRenew(ctx context.Context, loan *cachedLoan) bool {
	who := l.borrower.Load()
	if who == nil || loan.lastUsed.Load() == 0 {
		return false
	}
	names, ok := l.lender.mayKeep(ctx, *who, l.key)
	if ok && names != (roleNames{}) {
		l.mu.Lock()
		l.names = names
		l.mu.Unlock()
	}
	return ok
}

// isTemporary says whether the same may succeed later: STS or the records
// cannot be reached now.
func isTemporary(err error) bool {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal.Kind.Temporary()
	}
	return err != nil && rolebroker.CodeOf(err) == rolebroker.CodeUnavailable
}
