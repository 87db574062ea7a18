package guard

import (
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// How often requests may fail to identify their callers before the answer is to wait: those of a network, and all
// together. An AWS SDK makes up to five requests for one mistake.
const (
	networkBurst, networkEvery = 30, 2 * time.Second
	globalBurst, globalEvery   = 1000, 10 * time.Millisecond
)

// networks is how many networks are told apart. More of them share what their mistakes have left.
const networks = 4096

// Failures counts and bounds how often callers fail to identify themselves. A request with a right credential is never
// refused, however many others from its address failed. Make one with NewFailures; a nil one bounds nothing.
type Failures struct {
	now     func() time.Time
	counted *prometheus.Counter // by door and answer
	seed    maphash.Seed

	mu      sync.Mutex
	all     schedule
	network [networks]schedule
}

// NewFailures makes Failures that no request has failed. now may be nil for time.Now, and metrics for none.
func NewFailures(now func() time.Time, metrics *prometheus.Registry) *Failures {
	if now == nil {
		now = time.Now
	}
	return &Failures{now: now, seed: maphash.MakeSeed(), counted: metrics.Counter(
		"rolebroker_failed_identifications_total",
		"Requests whose caller could not be identified, by door, and by answer: refused, or limited after too many.",
		"door", "answer")}
}

// Refuse counts err, which says why a door does not identify the caller at address, and returns it. After too many
// failures it returns the error with the same code, a RetryAfter, and a message that says what to do. It does not
// count an error that says nothing about the caller, such as unavailable.
func (f *Failures) Refuse(door, address string, err error) error {
	e := rolebroker.AsError(err)
	if f == nil || !isRefusal(e.Code) || e.RetryAfter > 0 {
		return err
	}
	wait := f.count(address)
	if wait == 0 {
		f.counted.Inc(door, "refused")
		return err
	}
	f.counted.Inc(door, "limited")
	return limited(e, address, wait)
}

// Exceeded returns an error if address has failed too often. It is for credentials that can be guessed, which must not
// be compared then.
func (f *Failures) Exceeded(door, address string) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	wait := f.of(address).wait(f.now(), networkEvery, networkBurst)
	f.mu.Unlock()
	if wait == 0 {
		return nil
	}
	f.counted.Inc(door, "limited")
	return limited(rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the credential was not checked"), address, wait)
}

// Attempt counts a request of nobody in particular that costs another server something, as if it had failed. After too
// many it returns an error.
func (f *Failures) Attempt(door, address string) error {
	if f == nil {
		return nil
	}
	wait := f.count(address)
	if wait == 0 {
		return nil
	}
	f.counted.Inc(door, "limited")
	return limited(rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the sign-in was not begun"), address, wait)
}

// isRefusal reports whether a code is about the credential that a caller showed.
func isRefusal(code rolebroker.Code) bool {
	switch code {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired, rolebroker.CodeDenied, rolebroker.CodeTokenIssuer,
		rolebroker.CodeTokenAudience, rolebroker.CodeTokenSignature, rolebroker.CodeNotBound:
		return true
	}
	return false
}

// limited returns a copy of e that tells the caller to wait.
func limited(e *rolebroker.Error, address string, wait time.Duration) error {
	seconds := int(math.Ceil(wait.Seconds()))
	copied := *e
	copied.RetryAfter = time.Duration(seconds) * time.Second
	copied.Message = fmt.Sprintf("%s; too many requests from %s failed: correct the token or key, and try again in %d s",
		e.Message, Network(address), seconds)
	return &copied
}

// count counts a failure, and returns how long the caller has to wait if there were too many.
func (f *Failures) count(address string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if wait := f.of(address).add(now, networkEvery, networkBurst); wait > 0 {
		return wait
	}
	return f.all.add(now, globalEvery, globalBurst)
}

// of returns the schedule of the network of an address.
func (f *Failures) of(address string) *schedule {
	return &f.network[maphash.String(f.seed, Network(address))%networks]
}

// schedule is the time at which all failures so far are forgiven, in nanoseconds since 1970. Each failure moves it by
// one interval.
type schedule int64

// wait returns how long until one more failure fits.
func (s schedule) wait(now time.Time, every time.Duration, burst int64) time.Duration {
	latest := now.Add(every * time.Duration(burst-1)).UnixNano()
	return time.Duration(max(0, int64(s)-latest))
}

// add adds a failure if it fits, and returns how long to wait if it does not.
func (s *schedule) add(now time.Time, every time.Duration, burst int64) time.Duration {
	if wait := s.wait(now, every, burst); wait > 0 {
		return wait
	}
	*s = schedule(max(int64(*s), now.UnixNano()) + int64(every))
	return 0
}
