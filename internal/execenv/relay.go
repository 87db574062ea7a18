package execenv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"

	"github.com/rolebroker/rolebroker/internal/harden"
)

// relay passes the signals that this process gets on to the command. Before the
// command starts, a signal that would end it ends the preparations. After the command
// has ended, such a signal kills the processes that the command has left.
type relay struct {
	signals  chan os.Signal
	children chan os.Signal // the death of a child
	done     chan struct{}  // closed when the last signal was passed on
	cancel   context.CancelFunc
	family   *family

	mu      sync.Mutex
	process signaled  // nil before the start
	early   os.Signal // the signal that ended the preparations; nil: none
}

// signaled is the command: a process, here or in namespaces of its own.
type signaled interface{ Signal(os.Signal) error }

// newRelay catches signals from now on. The context it returns is for the
// preparations.
func newRelay(ctx context.Context) (*relay, context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	r := &relay{signals: make(chan os.Signal, 16), children: make(chan os.Signal, 1), done: make(chan struct{}),
		cancel: cancel, family: newFamily()}
	for _, s := range childSignals {
		signal.Notify(r.children, s)
	}
	for _, s := range relayed {
		if !signal.Ignored(s) { // nohup ignores them, and the command inherits that
			signal.Notify(r.signals, s)
		}
	}
	go r.listen()
	return r, ctx
}

// listen handles signals in the order in which they came, until stop.
func (r *relay) listen() {
	defer close(r.done)
	for {
		select {
		case s, ok := <-r.signals:
			if !ok {
				return
			}
			r.pass(s)
		case <-r.children:
			for len(r.signals) > 0 { // what came before the death, and may be its cause
				r.pass(<-r.signals)
			}
			r.family.reap()
		}
	}
}

func (r *relay) stop() {
	signal.Stop(r.children)
	signal.Stop(r.signals)
	close(r.signals)
	<-r.done
	r.cancel()
}

// pass passes a signal on, unless the terminal has sent it to the command as well.
func (r *relay) pass(s os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.family.isEnding() {
		if ends(s) {
			r.family.hurry()
		}
		return
	}
	if r.process != nil {
		if !fromTerminal(s) {
			r.process.Signal(s) // an error means that the command has ended
		}
		return
	}
	if ends(s) {
		r.early = s
		r.cancel()
	}
}

// failed is the outcome of preparations that failed. It has no error if a signal
// ended them.
func (r *relay) failed(err error) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.early != nil {
		return exitSignal + signalNumber(r.early), nil
	}
	return 1, err
}

// run starts the command and waits for it, and ends what the command leaves.
func (r *relay) run(cmd *exec.Cmd, o Options) (int, error) {
	if err := r.start(cmd); err != nil {
		if code, quiet := r.failed(err); quiet == nil {
			return code, nil
		}
		if explained := o.account.explain(err); explained != nil {
			return exitNotExecutable, explained
		}
		return startError(cmd.Args[0], err)
	}
	left, err := r.family.wait(cmd, o.Grace)
	if len(left) > 0 {
		o.Log.Warn("processes of the command do not end", "pids", left)
	}
	if cmd.ProcessState == nil {
		return 1, err
	}
	code := exitCode(cmd.ProcessState)
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) {
		return code, nil
	}
	return max(code, 1), err // copying a stream failed
}

// start starts the command, unless a signal came first.
func (r *relay) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.early != nil {
		return context.Canceled
	}
	if err := r.family.start(cmd); err != nil {
		return err
	}
	r.process = cmd.Process
	harden.Process() // the start as another user may have reset it: prctl(2)
	return nil
}
