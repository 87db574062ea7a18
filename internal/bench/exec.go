package main

import (
	"context"
	"os/exec"
)

// measureExec runs `rolebroker exec -- true` with a server that has the
// credentials already, in turns with `true` alone and with the least Go program
// that runs it.
func measureExec(ctx context.Context, l *lab) ([]figure, error) {
	program, err := l.rolebroker(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := l.plain(ctx)
	if err != nil {
		return nil, err
	}
	true_, err := exec.LookPath("true")
	if err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, l, "")
	if err != nil {
		return nil, err
	}
	defer w.close()
	token, err := newAgent(ctx, w.admin, "exec")
	if err != nil {
		return nil, err
	}
	env := cleanEnv("ROLEBROKER_URL="+w.server.URL, "ROLEBROKER_TOKEN="+token)
	var turns [3][]ran
	commands := [3][]string{{program, "exec", "--", true_}, {true_}, {plain, true_}}
	for n := range l.runs + 1 {
		for i, c := range commands {
			r, err := execute(ctx, env, c[0], c[1:]...)
			if err != nil {
				return nil, err
			}
			if n > 0 { // the first asks STS, and reads the programs from disk
				turns[i] = append(turns[i], r)
			}
		}
	}
	return execFigures(turns[0], turns[1], turns[2]), nil
}

func execFigures(ours, alone, plain []ran) []figure {
	wall := func(r ran) float64 { return milliseconds(r.wall) }
	cpu := func(r ran) float64 { return milliseconds(r.cpu) }
	const aloneIs, plainIs = "true alone", "a plain Go program that runs it"
	return []figure{
		single("wall time", median(each(ours, wall)), "ms").noMoreThan(13),
		paired("wall time", "ms", each(ours, wall), aloneIs, each(alone, wall)).atMost(8),
		paired("wall time", "ms", each(ours, wall), plainIs, each(plain, wall)),
		paired("CPU time", "ms", each(ours, cpu), plainIs, each(plain, cpu)),
	}
}
