package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// fleetSTS is the latency of the simulated STS in row 3.
const fleetSTS = 50 * time.Millisecond

// measureFleet starts many `rolebroker exec` of one agent at once, while no
// credentials of that agent are cached. The reference is a single one.
func measureFleet(ctx context.Context, l *lab) ([]figure, error) {
	program, err := l.rolebroker(ctx)
	if err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, l, "")
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.aws.Inject(awssim.Slow(fleetSTS))
	var most float64
	var all, alone []float64
	for n := range l.fleets {
		_, one, err := w.fleet(ctx, program, fmt.Sprintf("alone-%d", n), 1)
		if err != nil {
			return nil, err
		}
		calls, took, err := w.fleet(ctx, program, fmt.Sprintf("fleet-%d", n), l.fleet)
		if err != nil {
			return nil, err
		}
		most = max(most, float64(calls))
		all, alone = append(all, milliseconds(took)), append(alone, milliseconds(one))
	}
	const one = "one alone"
	return []figure{
		single(fmt.Sprintf("AssumeRole calls for %d exec at once, at most", l.fleet), most, "").
			against(1, one).target("exactly 1", most == 1),
		paired("all of them done", "ms", all, one, alone),
	}, nil
}

// fleet runs n exec of a new agent at once.
func (w *world) fleet(ctx context.Context, program, agent string, size int) (calls int, took time.Duration, err error) {
	token, err := newAgent(ctx, w.admin, agent)
	if err != nil {
		return 0, 0, err
	}
	env := cleanEnv("ROLEBROKER_URL="+w.server.URL, "ROLEBROKER_TOKEN="+token)
	errs := make([]error, size)
	before, start := w.aws.assumed(), time.Now()
	var working sync.WaitGroup
	for i := range size {
		working.Go(func() { _, errs[i] = execute(ctx, env, program, "exec", "--", "true") })
	}
	working.Wait()
	return w.aws.assumed() - before, time.Since(start), errors.Join(errs...)
}

// ran is the cost of running a program.
type ran struct {
	wall time.Duration
	cpu  time.Duration // of the program and its children
}

func execute(ctx context.Context, env []string, program string, args ...string) (ran, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	var output limited
	cmd.Stderr = &output
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return ran{}, fmt.Errorf("%s: %w: %s", cmd, err, output)
	}
	return ran{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

// limited is a writer that keeps the first bytes only.
type limited []byte

func (l *limited) Write(p []byte) (int, error) {
	*l = append(*l, p[:min(len(p), 1000-len(*l))]...)
	return len(p), nil
}
