package execenv

import (
	"context"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// Server is what is asked for credentials: a *client.Client with an agent token.
type Server interface {
	Credentials(ctx context.Context, role, task string) (*client.Credentials, error)
	Roles(ctx context.Context) ([]rolebroker.Offer, error)
}

// Options say what to run, and as whom. Server, Command and Self are required.
type Options struct {
	Server  Server
	Role    string   // a role reference; empty for the default role
	Task    string   // what the agent is doing, for CloudTrail; may be empty
	Command []string // the program and its arguments

	// Env is the caller's environment, as os.Environ gives it. The command gets
	// it without whatever is or chooses an AWS identity.
	Env []string

	// Stdin, Stdout and Stderr are the command's. An *os.File is inherited as
	// it is; nil is the null device.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Self is the path of the rolebroker binary, which named profiles run to
	// get their credentials.
	Self string

	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	// Asking is called before the server is asked, and what it returns when it
	// has answered: for showing progress. nil: nothing is shown.
	Asking func() (answered func())
}

// Exit codes of a command that did not run, as shells have them.
//
// Source: POSIX.1-2024, Shell Command Language, 2.8.2.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

// firstTimeout bounds the first questions to the server, which may have to ask
// STS.
const firstTimeout = 30 * time.Second

// Run runs the command in its environment and returns its exit code, or 128
// and the number of the signal that killed it. An error means that it was not
// run, and says why; the exit code is then what a shell would have made of it.
// When ctx is done the command is told to end.
func Run(ctx context.Context, o Options) (exitCode int, err error) {
	o = o.withDefaults()
	hideFromChildren()
	program, code, err := findProgram(o.Command[0], o.Env)
	if err != nil {
		return code, err
	}
	relay, preparing := newRelay(ctx)
	defer relay.stop()
	lender := newLender(o)
	defer lender.close()

	answer := o.ask(preparing, lender)
	room, openErr := open(o, lender) // while the server thinks
	if openErr == nil {
		defer room.close()
	}
	loan, offers, err := answer()
	if err == nil {
		err = openErr
	}
	if err == nil {
		err = room.furnish(o, lender, loan, offers)
	}
	if err != nil {
		return relay.failed(err)
	}
	return relay.run(o.command(ctx, program, room))
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Asking == nil {
		o.Asking = func() func() { return func() {} }
	}
	return o
}

// ask borrows the role in use and lists the others, at the same time. What it
// returns waits for the answers.
func (o Options) ask(ctx context.Context, lender *lender) (answer func() (*rolebroker.Loan, []rolebroker.Offer, error)) {
	answered := o.Asking()
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	var (
		loan              *rolebroker.Loan
		offers            []rolebroker.Offer
		lendErr, rolesErr error
		both              sync.WaitGroup
	)
	both.Go(func() {
		if loan, lendErr = lender.Lend(ctx, rolebroker.Caller{}, rolebroker.Request{}); lendErr != nil {
			cancel()
		}
	})
	both.Go(func() { offers, rolesErr = o.Server.Roles(ctx) })
	return func() (*rolebroker.Loan, []rolebroker.Offer, error) {
		both.Wait()
		cancel()
		answered()
		if lendErr != nil {
			return nil, nil, lendErr
		}
		return loan, offers, rolesErr
	}
}

// command is the process to start, with the environment of the room. When ctx
// is done it is told to end, and may take its time.
func (o Options) command(ctx context.Context, program string, r *room) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = o.Command
	cmd.Path, cmd.Err = program, nil
	cmd.Env = r.environ(o.Env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Stdin, o.Stdout, o.Stderr
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	return cmd
}
