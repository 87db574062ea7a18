package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"time"
)

// adminKey is the admin key of the servers of row 6, which live for seconds.
const adminKey = "0123456789abcdef0123456789abcdef0123456789abcdeffedcba9876543210"

// measureIdle starts `rolebroker server`, on an existing database and without one,
// in turns with a plain Go program that serves HTTP.
func measureIdle(ctx context.Context, l *lab) ([]figure, error) {
	program, err := l.rolebroker(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := l.plain(ctx)
	if err != nil {
		return nil, err
	}
	aws, err := newCloud()
	if err != nil {
		return nil, err
	}
	defer aws.listening.Close()
	known, err := l.path("known.db")
	if err != nil {
		return nil, err
	}
	if _, err := l.birth(ctx, aws, program, known, borrowOnce); err != nil { // makes the database
		return nil, err
	}
	var again, fresh, bare []born
	for range l.starts {
		unknown, err := l.path("new.db")
		if err != nil {
			return nil, err
		}
		a, err1 := l.birth(ctx, aws, program, known, nil)
		f, err2 := l.birth(ctx, aws, program, unknown, borrowOnce)
		b, err3 := birth(ctx, nil, nil, plain, "serve")
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		again, fresh, bare = append(again, a), append(fresh, f), append(bare, b)
	}
	return idleFigures(again, fresh, bare), nil
}

// born has measurements of a server that has just started.
type born struct {
	ready    time.Duration // until its first successful response
	resident int64         // bytes in memory, after use; 0: unknown
}

// birth starts a server on a database, and stops it.
func (l *lab) birth(ctx context.Context, aws *cloud, program, database string,
	use func(ctx context.Context, url string) error) (born, error) {
	env := cleanEnv(append(aws.env(), "ROLEBROKER_ADMIN_KEY="+adminKey)...)
	return birth(ctx, env, use, program, "server", "--database", database, "--listen")
}

// birth starts a program whose last argument is the address to listen on, waits
// until it responds, calls use, and stops it.
func birth(ctx context.Context, env []string, use func(ctx context.Context, url string) error, program string,
	args ...string) (b born, err error) {
	address, err := freeAddress()
	if err != nil {
		return b, err
	}
	var output limited
	cmd := exec.CommandContext(ctx, program, append(args, address)...)
	cmd.Env, cmd.Stderr = env, &output
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return b, err
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", cmd, err, output)
		}
	}()
	if err := answers(ctx, "http://"+address+"/readyz"); err != nil {
		return b, err
	}
	b.ready = time.Since(start)
	if use != nil {
		if err := use(ctx, "http://"+address); err != nil {
			return b, err
		}
	}
	if usageIsKnown {
		b.resident, err = residentMemory(cmd.Process.Pid)
	}
	return b, err
}

// freeAddress returns an address that was free a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// answers waits until a GET returns 200.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s: no answer: %w", url, ctx.Err())
}

// borrowOnce sets up a new server and has an agent borrow its one role.
func borrowOnce(ctx context.Context, url string) error {
	admin, err := arrange(ctx, url, adminKey)
	if err != nil {
		return err
	}
	token, err := newAgent(ctx, admin, "idle")
	if err != nil {
		return err
	}
	_, _, err = askOnce(ctx, url, askFor(token))
	return err
}

func idleFigures(again, fresh, bare []born) []figure {
	ready := func(b born) float64 { return milliseconds(b.ready) }
	resident := func(b born) float64 { return float64(b.resident) / (1 << 20) }
	const bareIs = "a plain Go server"
	figures := []figure{
		paired("ready, the database is there", "ms", each(again, ready), bareIs, each(bare, ready)).noMoreThan(300),
		paired("ready, with a new database", "ms", each(fresh, ready), bareIs, each(bare, ready)).noMoreThan(300),
	}
	if !usageIsKnown {
		return append(figures, notHere("resident memory, idle", "≤ 40 MiB"),
			notHere("resident memory, one warm role", "≤ 40 MiB"))
	}
	return append(figures,
		paired("resident memory, idle", "MiB", each(again, resident), bareIs, each(bare, resident)).noMoreThan(40),
		paired("resident memory, one warm role", "MiB", each(fresh, resident), bareIs,
			each(bare, resident)).noMoreThan(40))
}
