package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// coldSTS is the latency of the simulated STS in row 2.
const coldSTS = 100 * time.Millisecond

// measureCold has a crowd of clients of one agent request credentials that are not
// cached, all at the same time, over connections that are already open. Each crowd
// uses another agent. Before each crowd, a single request does the same for yet
// another agent.
func measureCold(ctx context.Context, l *lab) ([]figure, error) {
	w, err := newWorld(ctx, l, "")
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.aws.Inject(awssim.Slow(coldSTS))
	clients, err := dial(ctx, w.server.URL, l.crowd, nil)
	if err != nil {
		return nil, err
	}
	defer clients.close()
	if _, err := w.alone(ctx, "first"); err != nil { // opens the connection to STS
		return nil, err
	}
	var crowds []crowd
	for n := range l.crowds {
		c, err := w.crowd(ctx, n, clients)
		if err != nil {
			return nil, err
		}
		crowds = append(crowds, c)
	}
	return coldFigures(l.crowd, crowds), nil
}

// crowd is the result of one crowd.
type crowd struct {
	alone  time.Duration // of a single request
	last   time.Duration // of the slowest of the crowd
	first  time.Duration
	calls  int // of AssumeRole, for the whole crowd
	others int // responses other than 200
}

func (w *world) crowd(ctx context.Context, n int, clients callers) (c crowd, err error) {
	if c.alone, err = w.alone(ctx, fmt.Sprintf("alone-%d", n)); err != nil {
		return c, err
	}
	request, err := w.agent(ctx, fmt.Sprintf("crowd-%d", n))
	if err != nil {
		return c, err
	}
	for _, client := range clients {
		client.request = request
	}
	before := w.aws.assumed()
	took, others, err := clients.together()
	c.calls, c.others = w.aws.assumed()-before, others
	c.first, c.last = percentile(took, 0), percentile(took, 1)
	return c, err
}

// alone measures one cold request.
func (w *world) alone(ctx context.Context, agent string) (time.Duration, error) {
	request, err := w.agent(ctx, agent)
	if err != nil {
		return 0, err
	}
	_, took, err := askOnce(ctx, w.server.URL, request)
	return took, err
}

// together sends all requests at once and returns the latency of each.
func (all callers) together() (took []time.Duration, others int, err error) {
	all.allow(0)
	took = make([]time.Duration, len(all))
	errs, statuses := make([]error, len(all)), make([]int, len(all))
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	var started time.Time
	for i, c := range all {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			a, err := c.ask()
			took[i], statuses[i], errs[i] = time.Since(started), a.status, err
		})
	}
	ready.Wait()
	started = time.Now()
	close(start)
	done.Wait()
	for _, s := range statuses {
		if s != http.StatusOK {
			others++
		}
	}
	return took, others, errors.Join(errs...)
}

func coldFigures(size int, crowds []crowd) []figure {
	var calls, others, worst float64
	for _, c := range crowds {
		calls = max(calls, float64(c.calls))
		others += float64(c.others)
		worst = max(worst, milliseconds(c.last-c.alone))
	}
	last := each(crowds, func(c crowd) float64 { return milliseconds(c.last) })
	alone := each(crowds, func(c crowd) float64 { return milliseconds(c.alone) })
	later := each(crowds, func(c crowd) float64 { return milliseconds(c.last - c.alone) })
	const one = "one request alone"
	return []figure{
		single(fmt.Sprintf("AssumeRole calls for %s that ask at once, at most", number(float64(size))), calls, "").
			against(1, one).target("exactly 1", calls == 1),
		paired(fmt.Sprintf("the last one served, STS at %v", coldSTS), "ms", last, one, alone),
		single("the last one later than one alone", median(later), "ms").noMoreThan(30),
		single("the same, the worst of "+number(float64(len(crowds))), worst, "ms"),
		single("answers other than 200", others, "").noMoreThan(0),
	}
}
