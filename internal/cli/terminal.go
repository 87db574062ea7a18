package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rolebroker/rolebroker"
)

// isTerminal says whether the stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progress shows on stderr, if that is a terminal, what takes longer than a second.
// Call what it returns before printing anything else.
func (a *app) progress(what string) (done func()) {
	return a.progressOf(func() string { return what })
}

// progressOf is progress with a text that changes.
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
			fmt.Fprintf(out, "%srolebroker: %s, %ds…", eraseLine, rolebroker.Inert(what()), seconds)
		}
	}
}

// note writes a line to stderr, beside the answer on stdout.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.errs(), format+"\n", args...) }

// confirm asks a person whether to do what cannot be undone. Without a terminal it
// fails unless --yes was given.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !isTerminal(a.Stdin) || !isTerminal(a.Stderr) {
		return usage("this needs confirmation, and stdin is not a terminal; add --yes to confirm")
	}
	fmt.Fprint(a.errs(), question, " [y/N] ")
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
