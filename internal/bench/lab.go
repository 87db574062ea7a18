package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is what the rows share: a temporary folder, and the programs in it.
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

// rolebroker is the path of the program that is measured, built at first use.
func (l *lab) rolebroker(ctx context.Context) (string, error) {
	return l.build(ctx, "rolebroker", "github.com/rolebroker/rolebroker/cmd/rolebroker")
}

// plainSource is the least that a Go program does in the place of ours: it runs
// a command, or it serves HTTP.
const plainSource = `package main

import (
	"net/http"
	"os"
	"os/exec"
)

func main() {
	if os.Args[1] == "serve" {
		http.ListenAndServe(os.Args[2], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		return
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if cmd.Run() != nil {
		os.Exit(1)
	}
}
`

// plain is the path of the program of plainSource, built at first use.
func (l *lab) plain(ctx context.Context) (string, error) {
	source := filepath.Join(l.dir, "plain.go")
	if err := os.WriteFile(source, []byte(plainSource), 0o600); err != nil {
		return "", err
	}
	return l.build(ctx, "plain", source)
}

func (l *lab) build(ctx context.Context, name, what string) (string, error) {
	path := filepath.Join(l.dir, name)
	if err, done := l.built[name]; done {
		return path, err
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, what).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	l.built[name] = err
	return path, err
}

// path is a path in the temporary folder that nobody else uses.
func (l *lab) path(pattern string) (string, error) {
	dir, err := os.MkdirTemp(l.dir, "")
	return filepath.Join(dir, pattern), err
}

// cleanEnv is the environment without anything that configures rolebroker or
// AWS, and with the variables given.
func cleanEnv(add ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "ROLEBROKER_") {
			env = append(env, v)
		}
	}
	return append(env, add...)
}
