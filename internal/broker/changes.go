package broker

import (
	"context"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// maxChanges is how many changes are kept for one who is slow to take them.
// More of them become one: anything may have changed.
const maxChanges = 1000

// maxStreams is how many may watch for one runner: each of its replicas does, and
// there may be one on every node of a large cluster.
const maxStreams = 2000

// Changes are told to one runner, in their order. Close it.
type Changes struct {
	of     *authority
	runner rolebroker.RunnerID
	ready  chan struct{} // has one element when there is something to take

	mu      sync.Mutex
	pending []rolebroker.Change
}

// Watch tells every change from now on. Codes: denied, throttled when too many
// do for that runner, unavailable while changes by other servers are not heard of.
func (b *Broker) Watch(who rolebroker.Caller) (*Changes, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	c := &Changes{of: b.authority, runner: who.Runner, ready: make(chan struct{}, 1)}
	b.authority.mu.Lock()
	defer b.authority.mu.Unlock()
	if n := b.authority.watchersOf(who.Runner); n >= maxStreams {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s has %d streams of events open, the most that are allowed", who.Name, n)
	}
	b.authority.watchers[c] = struct{}{}
	// Asked after that: what changed before is not remembered by who asks now.
	if !c.AreHeard() {
		delete(b.authority.watchers, c)
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "this server does not hear of changes by other servers now").WithHint("try again in a few seconds")
	}
	return c, nil
}

// watchersOf is how many watch for a runner; a.mu is held.
func (a *authority) watchersOf(id rolebroker.RunnerID) (n int) {
	for c := range a.watchers {
		if c.runner == id {
			n++
		}
	}
	return n
}

// AreHeard says whether all changes are told: while it is false, some by other
// servers may not be.
func (c *Changes) AreHeard() bool { return c.of.store.Watching() }

// Close ends it.
func (c *Changes) Close() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.watchers, c)
}

// Next waits for changes until ctx ends; then there may be none.
func (c *Changes) Next(ctx context.Context) []rolebroker.Change {
	select {
	case <-c.ready:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.pending
	c.pending = nil
	return taken
}

// add never blocks.
func (c *Changes) add(change rolebroker.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) >= maxChanges {
		c.pending = []rolebroker.Change{{}}
	} else {
		c.pending = append(c.pending, change)
	}
	select {
	case c.ready <- struct{}{}:
	default:
	}
}
