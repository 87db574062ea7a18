package lend

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
)

const (
	// assumeTimeout bounds one AssumeRole call, its retries included.
	assumeTimeout = 20 * time.Second

	// patience is how long a request waits for STS while there is something
	// valid to hand out: within the 2 s after which botocore gives up.
	patience = time.Second

	// After a failure STS is left alone for a while, which doubles each time.
	firstBackoff       = time.Second
	maxBackoff         = 30 * time.Second
	maxBackoffWhenFirm = 4 * time.Second // when it said no: someone may be repairing it now
)

// leaseKey is everything that shapes credentials. Whoever asks for the same
// gets the same; anything else is another lease.
type leaseKey struct {
	agent       rolebroker.AgentID
	agentName   string
	integration rolebroker.IntegrationID
	role        rolebroker.RoleID
	task        string
	assumption  rolebroker.Assumption
}

func newLeaseKey(agent rolebroker.Agent, grant rolebroker.Grant, task, sessionName string) leaseKey {
	key := leaseKey{
		agent: agent.ID, agentName: agent.Name, integration: grant.Integration.ID, role: grant.Role.ID, task: task,
		assumption: rolebroker.Assumption{
			ARN: grant.Role.ARN, Region: grant.Role.Region, SessionName: sessionName,
			ExternalID: grant.Integration.ExternalID, Duration: grant.Role.Duration(),
		},
	}
	if grant.Integration.SourceIdentity {
		key.assumption.SourceIdentity, _ = rolebroker.SessionName(agent.Name, "") // without a task it has no error
	}
	if grant.Integration.SessionTags {
		key.assumption.Tags = rolebroker.Tags{Agent: agent.Name, Integration: grant.Integration.Name, Role: grant.Role.Name, Task: task}
	}
	return key
}

// lease keeps the credentials for one key: it asks STS once for all who wait,
// renews in the background while they are used, and forgets them when they
// have expired.
type lease struct {
	lender *Lender
	key    leaseKey

	held     atomic.Pointer[held]              // what is handed out; nil: nothing yet
	borrower atomic.Pointer[rolebroker.Caller] // who was last handed it; renewal is on their behalf

	mu        sync.Mutex
	names     leaseNames
	asking    *asking     // the call under way, nil if none
	failure   *failure    // the last call's, nil if it went well
	timer     *time.Timer // when there is something to do next
	forgotten bool        // it is no longer in broker.leases
}

// leaseNames are for the record; they do not shape the credentials.
type leaseNames struct{ integration, role string }

// errForgotten says that a lease was dropped after it was found; the next
// look finds or makes another.
var errForgotten = errors.New("the lease was dropped")

// held is one loan and how often it was handed out.
type held struct {
	loan     *rolebroker.Loan
	lifetime time.Duration
	renewAt  time.Time
	fetches  atomic.Int64 // since they were last recorded
	lastUsed atomic.Int64 // Unix milliseconds; 0: never
}

// used notes that the loan is handed out now.
func (h *held) used(now time.Time) {
	h.fetches.Add(1)
	h.lastUsed.Store(now.UnixMilli())
}

// isFresh says whether more than a third of the loan's life is left.
func (h *held) isFresh(now time.Time) bool {
	return h.loan.Credentials.Expires.Sub(now) > h.lifetime/3
}

func (h *held) isValid(now time.Time) bool {
	return now.Before(h.loan.Credentials.Expires)
}

// asking is a call to STS that any number of requests wait for.
type asking struct {
	done chan struct{} // closed when held and err are set
	held *held
	err  error
}

// failure is a call that gave nothing, and until when not to try again.
type failure struct {
	err   error
	times int
	until time.Time
}

// lease finds or makes the lease of a key. An agent gets only so many, and new
// ones only so fast. Codes: throttled, unavailable.
func (l *Lender) lease(key leaseKey, grant rolebroker.Grant) (*lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.leases[key]; found != nil {
		return found, nil
	}
	if l.closed {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server is shutting down")
	}
	allowed := l.agents[key.agent]
	if allowed == nil {
		allowed = &allowance{limiter: rate.NewLimiter(newSessionsPerSecond, l.perAgent)}
		l.agents[key.agent] = allowed
	}
	switch {
	case allowed.leases >= l.perAgent:
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "agent %s has %d live sessions, the most that are allowed", key.agentName, allowed.leases).
			WithHint("use fewer roles and tasks at a time; a session ends when its credentials expire")
	case !allowed.limiter.AllowN(l.now(), 1):
		return nil, tooFast(key.agentName)
	}
	made := &lease{lender: l, key: key, names: leaseNames{grant.Integration.Name, grant.Role.Name}}
	l.leases[key] = made
	allowed.leases++
	return made, nil
}

// allows charges an agent for one more try at a session that STS refused.
func (l *Lender) allows(agent rolebroker.AgentID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := l.agents[agent]
	return allowed != nil && allowed.limiter.AllowN(l.now(), 1)
}

func tooFast(agentName string) error {
	return rolebroker.Errorf(rolebroker.CodeThrottled, "agent %s starts new sessions too fast", agentName).
		WithHint("try again in a second; sessions that exist are not limited")
}

// drop takes a lease off the books.
func (l *Lender) drop(dropped *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases, dropped.key)
	if h := dropped.held.Load(); h != nil {
		l.used = append(l.used, h)
	}
	allowed := l.agents[dropped.key.agent]
	allowed.leases--
	if allowed.leases == 0 && allowed.limiter.TokensAt(l.now()) >= float64(l.perAgent) {
		delete(l.agents, dropped.key.agent)
	}
}

// fresh is what can be handed out at once: more than a third of its life is
// left. nil if there is no such thing.
func (l *lease) fresh(who rolebroker.Caller, now time.Time) *held {
	l.usedBy(who)
	if h := l.held.Load(); h != nil && h.isFresh(now) {
		return h
	}
	return nil
}

// wait is what STS gives. While STS cannot be reached it is what is there until
// that expires; nothing expired is ever returned.
func (l *lease) wait(ctx context.Context) (*held, error) {
	h, asking := l.held.Load(), l.ask()
	if h == nil || !h.isValid(l.lender.now()) {
		return asking.wait(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	renewed, err := asking.wait(waiting)
	if err != nil && ctx.Err() == nil && isTemporary(err) && h.isValid(l.lender.now()) {
		return h, nil
	}
	return renewed, err
}

// usedBy remembers on whose behalf to renew.
func (l *lease) usedBy(who rolebroker.Caller) {
	if last := l.borrower.Load(); last == nil || *last != who {
		borrower := who // a copy, so that only a change allocates
		l.borrower.Store(&borrower)
	}
}

// wait returns what the call gave, or an error when ctx ends first. The call
// goes on for the others.
func (a *asking) wait(ctx context.Context) (*held, error) {
	select {
	case <-a.done:
		return a.held, a.err
	default:
	}
	select {
	case <-a.done:
		return a.held, a.err
	case <-ctx.Done():
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "STS did not answer in time", Cause: ctx.Err()}
	}
}

// ask joins the call under way or starts one, unless STS is to be left alone
// after a failure: then the failure is the answer.
func (l *lease) ask() *asking {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking != nil {
		return l.asking
	}
	if l.forgotten {
		return answered(nil, errForgotten)
	}
	if l.failure != nil && l.lender.now().Before(l.failure.until) {
		return answered(nil, l.failure.err)
	}
	h := l.held.Load()
	if h != nil && h.isFresh(l.lender.now()) { // it came between looking and asking
		return answered(h, nil)
	}
	if h == nil && l.failure != nil && !l.lender.allows(l.key.agent) {
		return answered(nil, tooFast(l.key.agentName))
	}
	return l.start()
}

func answered(h *held, err error) *asking {
	a := &asking{done: make(chan struct{}), held: h, err: err}
	close(a.done)
	return a
}

// start begins a call to STS that outlives the request that caused it. The
// caller holds l.mu.
func (l *lease) start() *asking {
	if !l.lender.begin() {
		return answered(nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server is shutting down"))
	}
	a := &asking{done: make(chan struct{})}
	l.asking = a
	names := l.names
	go func() {
		defer l.lender.work.Done()
		ctx, cancel := context.WithTimeout(l.lender.ctx, assumeTimeout)
		defer cancel()
		a.held, a.err = l.lender.newSession(ctx, l.key, names)
		l.finish(a)
		close(a.done)
	}()
	return a
}

// begin says whether new work may start, and counts it if so.
func (l *Lender) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Add(1)
	return true
}

// finish puts the outcome of a call in place and sets the timer for what is next.
func (l *lease) finish(a *asking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking = nil
	if a.err != nil {
		l.failed(a.err)
		return
	}
	l.failure = nil
	if old := l.held.Swap(a.held); old != nil {
		l.lender.retire(old)
	}
	l.wakeAt(a.held.renewAt)
}

// retire keeps a replaced loan until its fetches are recorded.
func (l *Lender) retire(h *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = append(l.used, h)
}

// failed remembers a failure: STS is left alone for a while, longer each time,
// and then asked again if what it gave before is still used. The caller holds l.mu.
func (l *lease) failed(err error) {
	times := 1
	if l.failure != nil {
		times = l.failure.times + 1
	}
	most := maxBackoff
	if !isTemporary(err) {
		most = maxBackoffWhenFirm
	}
	wait := min(firstBackoff<<min(times-1, 10), most)
	wait += time.Duration(rand.Int64N(int64(wait)/4 + 1))
	l.failure = &failure{err: err, times: times, until: l.lender.now().Add(wait)}
	if l.held.Load() == nil {
		l.wakeAt(l.failure.until.Add(maxBackoff)) // to forget; a request before that tries again
		return
	}
	l.wakeAt(l.failure.until)
}

// wakeAt has wake called at a time, unless the broker is closed by then. The
// caller holds l.mu.
func (l *lease) wakeAt(at time.Time) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(max(at.Sub(l.lender.now()), 0), l.wake)
}

func (l *lease) stopTimer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
}

// wake is called when it is time to renew, to try again, or to forget.
func (l *lease) wake() {
	h := l.held.Load()
	valid := h != nil && h.isValid(l.lender.now())
	wanted := valid && l.isWanted(h)

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.asking != nil:
		// finish sets the timer.
	case wanted:
		l.start()
	case valid:
		l.wakeAt(h.loan.Credentials.Expires)
	default:
		l.forgotten = true
		l.lender.drop(l)
	}
}

// isWanted says whether to renew: what is held was handed out at least once,
// and whoever had it last may still have it.
func (l *lease) isWanted(h *held) bool {
	who := l.borrower.Load()
	if who == nil || h.lastUsed.Load() == 0 || !l.lender.begin() {
		return false
	}
	defer l.lender.work.Done()
	ctx, cancel := context.WithTimeout(l.lender.ctx, assumeTimeout)
	defer cancel()
	names, ok := l.lender.stillMay(ctx, *who, l.key)
	if ok && names != (leaseNames{}) {
		l.mu.Lock()
		l.names = names
		l.mu.Unlock()
	}
	return ok
}
