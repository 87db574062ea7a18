package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const bareHandler = "bare net/http"

// measureWarm requests cached credentials as fast as the responses come, in turns
// with a bare handler that serves the same bytes.
func measureWarm(ctx context.Context, l *lab) ([]figure, error) {
	profiles, err := l.profileFiles("rolebroker", "bare")
	if err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, l, profiles[0])
	if err != nil {
		return nil, err
	}
	defer w.close()
	request, err := w.agent(ctx, "warm")
	if err != nil {
		return nil, err
	}
	body, _, err := askOnce(ctx, w.server.URL, request)
	if err != nil {
		return nil, err
	}
	bare, err := startChild(orders{Answer: body, Profile: profiles[1]})
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	ours, theirs, err := l.alternate(ctx, l.connections, w.server, bare, request, body)
	if err != nil {
		return nil, err
	}
	return l.warmFigures(ours, theirs), nil
}

// alternate drives two servers in turns over as many connections to each, after a
// turn of each to warm up. The first one changes each time.
func (l *lab) alternate(ctx context.Context, connections int, a, b *childProcess, request, right []byte) (
	as, bs []turn, err error) {
	sides := [2]*childProcess{a, b}
	var clients [2]callers
	for i, s := range sides {
		if clients[i], err = dial(ctx, s.URL, connections, request); err != nil {
			return nil, nil, err
		}
		defer clients[i].close()
		if _, err := clients[i].drive(ctx, l.warmUp, right); err != nil {
			return nil, nil, err
		}
	}
	var turns [2][]turn
	for n := range 2 * l.turns {
		side := (n + n/2) % 2 // 0 1 1 0 0 1 1 0 …
		t, err := metered(ctx, sides[side], clients[side], l.turn, right)
		if err != nil {
			return nil, nil, err
		}
		turns[side] = append(turns[side], t)
	}
	return turns[0], turns[1], nil
}

// metered measures one turn and the CPU time of the server.
func metered(ctx context.Context, server *childProcess, clients callers, d time.Duration, right []byte) (turn, error) {
	before, err := server.cpu()
	if err != nil {
		return turn{}, err
	}
	t, err := clients.drive(ctx, d, right)
	if err != nil {
		return t, err
	}
	after, err := server.cpu()
	t.cpu = after - before
	return t, err
}

// slowest is the latency that the share p of a turn's requests does not exceed.
func slowest(p float64) func(turn) float64 {
	return func(t turn) float64 { return milliseconds(percentile(t.latencies, p)) }
}

func (l *lab) warmFigures(ours, theirs []turn) []figure {
	compare := func(what, unit string, value func(turn) float64) figure {
		return paired(what, unit, each(ours, value), bareHandler, each(theirs, value))
	}
	cpu := notHere("CPU per request", "≤ 1.2 ×")
	if usageIsKnown {
		cpu = compare("CPU per request", "µs", turn.cpuEach).atMost(1.2)
	}
	return []figure{
		compare(fmt.Sprintf("requests over %d connections", l.connections), "/s", turn.perSecond).atLeast(0.92),
		cpu,
		compare("p99", "ms", slowest(0.99)).atMost(1.25),
		compare("p50", "ms", slowest(0.50)),
		single("answers other than 200", sum(ours, func(t turn) int { return t.bad }), "").noMoreThan(0),
	}
}

func sum(turns []turn, value func(turn) int) float64 {
	total := 0
	for _, t := range turns {
		total += value(t)
	}
	return float64(total)
}

// profileFiles returns the files of the servers' CPU profiles. Without -profiles
// the names are empty.
func (l *lab) profileFiles(servers ...string) ([]string, error) {
	paths := make([]string, len(servers))
	if l.profiles == "" {
		return paths, nil
	}
	for i, s := range servers {
		paths[i] = filepath.Join(l.profiles, s+".pprof")
	}
	return paths, os.MkdirAll(l.profiles, 0o755)
}
