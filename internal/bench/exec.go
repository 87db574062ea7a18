package main

import (
	"context"
	"os/exec"
)

// measureExec runs `rolebroker exec -- true` and `rolebroker credentials` with a
// server that has the credentials cached, in turns with `true` alone and with a
// minimal Go program that does the same.
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
	var turns startTurns
	for n := range l.runs + 1 {
		for _, turn := range []struct {
			command []string
			runs    *[]ran
		}{
			{[]string{program, "exec", "--", true_}, &turns.exec},
			{[]string{plain, "exec", true_}, &turns.plainExec},
			{[]string{true_}, &turns.alone},
			{[]string{program, "credentials"}, &turns.credentials},
			{[]string{plain, "credentials"}, &turns.plainCredentials},
		} {
			r, err := execute(ctx, env, turn.command[0], turn.command[1:]...)
			if err != nil {
				return nil, err
			}
			if n > 0 { // the first calls STS, and reads the programs from disk
				*turn.runs = append(*turn.runs, r)
			}
		}
	}
	return turns.figures(), nil
}

// startTurns has the turns of each program.
type startTurns struct{ exec, plainExec, alone, credentials, plainCredentials []ran }

func (t startTurns) figures() []figure {
	wall := func(r ran) float64 { return milliseconds(r.wall) }
	cpu := func(r ran) float64 { return milliseconds(r.cpu) }
	const aloneIs, plainIs = "true alone", "a plain Go program that does the same"
	return []figure{
		single("exec -- true: wall time", median(each(t.exec, wall)), "ms").noMoreThan(13),
		paired("exec -- true: wall time", "ms", each(t.exec, wall), aloneIs, each(t.alone, wall)).atMost(8),
		paired("exec -- true: wall time", "ms", each(t.exec, wall), plainIs, each(t.plainExec, wall)).atMost(2),
		paired("exec -- true: CPU time", "ms", each(t.exec, cpu), plainIs, each(t.plainExec, cpu)),
		single("credentials: wall time", median(each(t.credentials, wall)), "ms").noMoreThan(13),
		paired("credentials: wall time", "ms", each(t.credentials, wall), plainIs,
			each(t.plainCredentials, wall)).atMost(2),
		paired("credentials: CPU time", "ms", each(t.credentials, cpu), plainIs, each(t.plainCredentials, cpu)),
	}
}
