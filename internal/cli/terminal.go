package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rolebroker/rolebroker/client"
)

// isTerminal says whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress shows on a terminal's stderr that something takes longer than a
// second. Call what it returns before printing anything else.
func (a *app) progress(what string) (done func()) {
	return a.progressOf(func() string { return what })
}

// progressOf is progress with words that change on the way.
func (a *app) progressOf(what func() string) (done func()) {
	if !isTerminal(a.Stderr) {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		spin(a.Stderr, what, stop)
	}()
	return func() {
		close(stop)
		<-stopped
	}
}

func spin(out io.Writer, what func() string, stop <-chan struct{}) {
	const eraseLine = "\r\x1b[K"
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for seconds := 1; ; seconds++ {
		select {
		case <-stop:
			if seconds > 1 {
				fmt.Fprint(out, eraseLine)
			}
			return
		case <-ticker.C:
			fmt.Fprintf(out, "%srolebroker: %s, %ds…", eraseLine, what(), seconds)
		}
	}
}

// ask asks the server for something, and shows progress when that takes long.
func ask[T any](ctx context.Context, a *app, what string, question func(context.Context, *client.Client) (T, error)) (T, error) {
	c, err := a.client()
	if err != nil {
		var zero T
		return zero, err
	}
	defer a.progress(what)()
	return question(ctx, c)
}

// note says something beside the answer.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.Stderr, format+"\n", args...) }

// confirm asks whether to do what cannot be undone. Where there is nobody to
// ask, --yes has to have been given.
func (a *app) confirm(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	if !isTerminal(a.Stdin) || !isTerminal(a.Stderr) {
		return usage("nobody is there to confirm this; add --yes to do it")
	}
	fmt.Fprintf(a.Stderr, format+" [y/N] ", args...)
	answer, err := bufio.NewReader(a.Stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	if err != nil {
		fmt.Fprintln(a.Stderr)
	}
	return fmt.Errorf("nothing was changed")
}
