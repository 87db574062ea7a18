package broker

import (
	"context"
	"sync"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

const (
	// maxChanges bounds the changes that wait for a slow reader. One more, and the zero Change replaces them all:
	// anything may have changed.
	maxChanges = 1000

	// maxStreams bounds the streams of one runner. Each of its replicas has one, and a large cluster may run a
	// replica on every node.
	maxStreams = 2000
)

// Changes is a queue of changes for one runner, in the order they were made. Close it.
type Changes struct {
	lender *lend.Lender
	end    func()
	ready  chan struct{} // has one element when changes are pending

	mu      sync.Mutex
	pending []rolebroker.Change
}

// Watch queues every change from now on, for a runner. Codes: denied, throttled when the runner has too many streams
// open, unavailable while the server may miss changes that other servers make.
func (b *Broker) Watch(ctx context.Context, who rolebroker.Caller) (*Changes, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerWatch); err != nil {
		return nil, err
	}
	if n, ok := b.streams.add(who.Runner); !ok {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled,
			"runner %s has %d streams of events open, the most that are allowed", who.Name, n)
	}
	c := &Changes{lender: b.lender, ready: make(chan struct{}, 1)}
	cancel := b.lender.Subscribe(c.add)
	c.end = sync.OnceFunc(func() { cancel(); b.streams.remove(who.Runner) })
	// The order matters: a change that the server missed before it subscribed cannot be in an answer that the runner
	// gets from now on.
	if !c.AreHeard() {
		c.Close()
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable,
			"this server may miss changes by other servers now").
			WithHint("try again in a few seconds")
	}
	return c, nil
}

// AreHeard reports whether the queue gets every change. While it does not, changes that other servers make may be
// missing.
func (c *Changes) AreHeard() bool { return c.lender.HearsChanges() }

// Close ends the queue.
func (c *Changes) Close() { c.end() }

// Next takes the queued changes. It waits for a change until ctx ends; then it may return none.
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

// add queues a change. It never blocks.
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

// streams counts the open streams of each runner.
type streams struct {
	mu   sync.Mutex
	open map[rolebroker.RunnerID]int
}

// add counts one more stream, unless the runner has maxStreams. n is the number before.
func (s *streams) add(id rolebroker.RunnerID) (n int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = s.open[id]; n >= maxStreams {
		return n, false
	}
	s.open[id]++
	return n, true
}

func (s *streams) remove(id rolebroker.RunnerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id]--; s.open[id] == 0 {
		delete(s.open, id)
	}
}
