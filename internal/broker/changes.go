package broker

import (
	"context"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// maxChanges is how many changes are kept for one who is slow to take them.
// More of them become one: anything may have changed.
const maxChanges = 1000

// Changes are told to one runner, in their order. Close it.
type Changes struct {
	of    *authority
	ready chan struct{} // has one element when there is something to take

	mu      sync.Mutex
	pending []rolebroker.Change
}

// Watch tells every change from now on. Codes: denied.
func (b *Broker) Watch(who rolebroker.Caller) (*Changes, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	c := &Changes{of: b.authority, ready: make(chan struct{}, 1)}
	b.authority.mu.Lock()
	defer b.authority.mu.Unlock()
	b.authority.watchers[c] = struct{}{}
	return c, nil
}

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
