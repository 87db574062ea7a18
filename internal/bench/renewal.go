package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

const (
	renewalLifetime = 6 * time.Second       // of the credentials in row 4
	renewalSTS      = 50 * time.Millisecond // the latency of the simulated STS
	pollEvery       = 20 * time.Millisecond // the interval of each poller
	slow            = 25 * time.Millisecond // a poll that takes this long may have waited for STS
)

// measureRenewal polls for credentials that live for a few seconds, so that they
// are renewed many times. Each poller also polls a bare handler, before or after,
// so that both are affected by the same disturbances.
func measureRenewal(ctx context.Context, l *lab) ([]figure, error) {
	w, err := newWorld(ctx, l, "")
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.aws.SetLifetime(renewalLifetime)
	w.aws.Inject(awssim.Slow(renewalSTS))
	request, err := w.agent(ctx, "poller")
	if err != nil {
		return nil, err
	}
	before := w.aws.assumed()
	body, _, err := askOnce(ctx, w.server.URL, request)
	if err != nil {
		return nil, err
	}
	bare, err := startChild(orders{Answer: body})
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	ours, theirs, err := l.poll(ctx, w.server.URL, bare.URL, request)
	if err != nil {
		return nil, err
	}
	calls := w.aws.assumed() - before
	return l.renewalFigures(ours, theirs, w.aws.Assumed(), calls), nil
}

// polled is the result of one poll.
type polled struct {
	asked, answered time.Time
	status          int
	expires         time.Time
}

func (p polled) took() time.Duration { return p.answered.Sub(p.asked) }

// left returns the remaining lifetime of the credentials when they arrived.
func (p polled) left() time.Duration { return p.expires.Sub(p.answered) }

// poll runs as many pollers as there are connections.
func (l *lab) poll(ctx context.Context, a, b string, request []byte) (as, bs []polled, err error) {
	var clients [2]callers
	for i, url := range []string{a, b} {
		if clients[i], err = dial(ctx, url, l.connections, request); err != nil {
			return nil, nil, err
		}
		defer clients[i].close()
		clients[i].allow(l.renewing)
	}
	pollers, errs := make([]poller, l.connections), make([]error, l.connections)
	until := time.Now().Add(l.renewing)
	var working sync.WaitGroup
	for i := range pollers {
		pollers[i].servers = [2]*caller{clients[0][i], clients[1][i]}
		working.Go(func() {
			time.Sleep(time.Duration(i) * pollEvery / time.Duration(len(pollers))) // not all at once
			errs[i] = pollers[i].work(ctx, until)
		})
	}
	working.Wait()
	for _, p := range pollers {
		as, bs = append(as, p.answers[0]...), append(bs, p.answers[1]...)
	}
	return as, bs, errors.Join(append(errs, ctx.Err())...)
}

// poller polls two servers in turns.
type poller struct {
	servers [2]*caller
	answers [2][]polled
}

func (p *poller) work(ctx context.Context, until time.Time) error {
	for n := 0; time.Now().Before(until) && ctx.Err() == nil; n++ {
		for i := range 2 {
			side := (n + i) % 2
			answer, err := poll(p.servers[side])
			if err != nil {
				return err
			}
			p.answers[side] = append(p.answers[side], answer)
		}
		time.Sleep(pollEvery)
	}
	return nil
}

var expiration = []byte(`"Expiration":"`)

func poll(c *caller) (polled, error) {
	p := polled{asked: time.Now()}
	a, err := c.ask()
	p.answered, p.status = time.Now(), a.status
	if err != nil || a.status != http.StatusOK {
		return p, err
	}
	_, rest, _ := bytes.Cut(a.body, expiration)
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	p.expires, err = time.Parse(time.RFC3339, string(text))
	return p, err
}

// history summarises the polls of one server.
type history struct {
	others     int // responses other than 200
	expired    int
	slow       int
	waited     int // slow ones during a call to STS
	left       time.Duration
	p99, worst time.Duration
}

func newHistory(polls []polled, calls []awssim.AssumeRoleCall) history {
	h := history{left: math.MaxInt64}
	var took []time.Duration
	for _, p := range polls {
		took = append(took, p.took())
		if p.took() > slow {
			h.slow++
			if slices.ContainsFunc(calls, p.overlaps) {
				h.waited++
			}
		}
		if p.status != http.StatusOK {
			h.others++
			continue
		}
		if p.left() <= 0 {
			h.expired++
		}
		h.left = min(h.left, p.left())
	}
	h.p99, h.worst = percentile(took, 0.99), percentile(took, 1)
	return h
}

// overlaps says whether a call to STS was under way during the poll or had just
// ended.
func (p polled) overlaps(call awssim.AssumeRoleCall) bool {
	return p.asked.Before(call.Time.Add(renewalSTS+slow)) && p.answered.After(call.Time)
}

func (l *lab) renewalFigures(polls, barePolls []polled, calls []awssim.AssumeRoleCall, renewed int) []figure {
	ours, theirs := newHistory(polls, calls), newHistory(barePolls, calls)
	third := renewalLifetime.Seconds() / 3
	least := math.Ceil(l.renewing.Seconds() / (2 * third))
	return []figure{
		single(fmt.Sprintf("of %s polls, waited for a renewal (over %v)", number(float64(len(polls))), slow),
			float64(ours.waited), "").
			against(float64(theirs.waited), bareHandler).target("none, or no more than bare",
			ours.waited <= theirs.waited),
		single(fmt.Sprintf("polls over %v at any time", slow), float64(ours.slow), "").against(float64(theirs.slow),
			bareHandler),
		single("p99", milliseconds(ours.p99), "ms").against(milliseconds(theirs.p99), bareHandler),
		single("slowest poll", milliseconds(ours.worst), "ms").against(milliseconds(theirs.worst), bareHandler),
		single(fmt.Sprintf("least lifetime left, of %v", renewalLifetime), ours.left.Seconds(), "s").
			against(third, "a third").target("≥ a third", ours.left.Seconds() >= third),
		single("expired credentials", float64(ours.expired), "").noMoreThan(0),
		single("answers other than 200", float64(ours.others), "").noMoreThan(0),
		single(fmt.Sprintf("AssumeRole calls in %v", l.renewing), float64(renewed), "").
			against(least, "if each were used to its last third"),
	}
}
