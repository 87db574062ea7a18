package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is shared by the rows: a temporary folder with programs.
type lab struct {
	plan
	dir      string
	profiles string // for CPU profiles; empty: none
	built    map[string]error
}

func newLab(p plan, profiles string) (*lab, error) {
	dir, err := os.MkdirTemp("", "rolebroker-bench-")
	if err != nil {
		return nil, err
	}
	return &lab{plan: p, dir: dir, profiles: profiles, built: map[string]error{}}, nil
}

func (l *lab) close() { os.RemoveAll(l.dir) }

// rolebroker returns the path of the program that is measured. It builds it at
// first use.
func (l *lab) rolebroker(ctx context.Context) (string, error) {
	return l.build(ctx, "rolebroker", "github.com/rolebroker/rolebroker/cmd/rolebroker")
}

// plain returns the path of the program that rolebroker is compared with. It
// builds it at first use.
func (l *lab) plain(ctx context.Context) (string, error) {
	return l.build(ctx, "plain", "github.com/rolebroker/rolebroker/internal/bench/plain")
}

// build builds a program as the Makefile builds rolebroker.
func (l *lab) build(ctx context.Context, name, what string) (string, error) {
	path := filepath.Join(l.dir, name)
	if err, done := l.built[name]; done {
		return path, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, what)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	l.built[name] = err
	return path, err
}

// path returns an unused path in the temporary folder.
func (l *lab) path(pattern string) (string, error) {
	dir, err := os.MkdirTemp(l.dir, "")
	return filepath.Join(dir, pattern), err
}

// cleanEnv returns the environment without the settings of rolebroker and AWS,
// and with the given variables.
func cleanEnv(add ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "ROLEBROKER_") {
			env = append(env, v)
		}
	}
	return append(env, add...)
}
