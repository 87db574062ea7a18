package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// distinctConnections is how many connections row 8 asks over.
const distinctConnections = 8

// measureDistinct has many agents borrow for the first time, each one session, which
// is recorded before and after STS is asked. STS answers at once. The database is
// SQLite.
func measureDistinct(ctx context.Context, l *lab) ([]figure, error) {
	profiles, err := l.profileFiles("distinct")
	if err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, l, profiles[0])
	if err != nil {
		return nil, err
	}
	defer w.close()
	requests, err := w.manyAgents(ctx, l.distinct)
	if err != nil {
		return nil, err
	}
	clients, err := dial(ctx, w.server.URL, distinctConnections, nil)
	if err != nil {
		return nil, err
	}
	defer clients.close()
	empty, err := w.server.heap()
	if err != nil {
		return nil, err
	}
	before, err := w.server.cpu()
	if err != nil {
		return nil, err
	}
	t, err := clients.each(requests)
	if err != nil {
		return nil, err
	}
	after, err := w.server.cpu()
	if err != nil {
		return nil, err
	}
	t.cpu = after - before
	full, err := w.server.heap()
	return distinctFigures(t, float64(full)-float64(empty)), err
}

// manyAgents creates agents and returns the request that each sends.
func (w *world) manyAgents(ctx context.Context, n int) ([][]byte, error) {
	requests, errs := make([][]byte, n), make([]error, distinctConnections)
	var working sync.WaitGroup
	for i := range distinctConnections {
		working.Go(func() {
			for k := i; k < n && errs[i] == nil; k += distinctConnections {
				requests[k], errs[i] = w.agent(ctx, fmt.Sprintf("agent-%d", k))
			}
		})
	}
	working.Wait()
	return requests, errors.Join(errs...)
}

// each has the callers send each request once.
func (all callers) each(requests [][]byte) (turn, error) {
	all.allow(time.Duration(len(requests)) * 10 * time.Millisecond)
	var next atomic.Int64
	parts, errs := make([]turn, len(all)), make([]error, len(all))
	start := time.Now()
	var working sync.WaitGroup
	for i, c := range all {
		working.Go(func() {
			for k := next.Add(1) - 1; int(k) < len(requests) && errs[i] == nil; k = next.Add(1) - 1 {
				c.request = requests[k]
				errs[i] = parts[i].time(c)
			}
		})
	}
	working.Wait()
	sum := turn{took: time.Since(start)}
	for _, p := range parts {
		sum.asked, sum.bad = sum.asked+p.asked, sum.bad+p.bad
		sum.latencies = append(sum.latencies, p.latencies...)
	}
	return sum, errors.Join(errs...)
}

// time sends one request of a caller.
func (t *turn) time(c *caller) error {
	asked := time.Now()
	a, err := c.ask()
	if err != nil {
		return err
	}
	t.asked++
	t.latencies = append(t.latencies, time.Since(asked))
	if a.status != http.StatusOK {
		t.bad++
	}
	return nil
}

// distinctFigures are of a turn, by which the reachable memory of the server grew.
func distinctFigures(t turn, grown float64) []figure {
	figures := []figure{
		single(fmt.Sprintf("cold sessions of %s agents over %d connections", number(float64(t.asked)),
			distinctConnections), t.perSecond(), "/s").target("≥ 2,000/s", t.perSecond() >= 2000),
		single("p99", milliseconds(percentile(t.latencies, 0.99)), "ms"),
		single("memory of a live session, with its agent and token", grown/1024/float64(t.asked), "KiB").noMoreThan(5),
	}
	if usageIsKnown {
		figures = append(figures, single("CPU per session", t.cpuEach(), "µs"))
	}
	return append(figures, single("answers other than 200", float64(t.bad), "").noMoreThan(0))
}
