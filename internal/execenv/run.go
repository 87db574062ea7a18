package execenv

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/harden"
)

// Server lends: a *client.Client with an agent token.
type Server interface {
	Borrow(ctx context.Context, req rolebroker.Request) (*client.Credentials, error)
	Roles(ctx context.Context) ([]rolebroker.Offer, error)
	RequestAccess(ctx context.Context, ask api.AccessRequestRequest) (api.MyAccessRequest, error)
	MyAccessRequest(ctx context.Context, id string, wait time.Duration) (api.MyAccessRequest, error)
	MyAccessRequests(ctx context.Context, state string) ([]api.MyAccessRequest, error)
	Calls(ctx context.Context, filter api.CallFilter, l client.List) (api.List[api.Call], error)
	AWSToken(ctx context.Context, ask api.AWSTokenRequest) (api.AWSToken, error)
}

// Options configure Run. Server, Command and Self are required.
type Options struct {
	Server  Server
	Command []string // the program and its arguments

	// Role is a role reference. The command can borrow that role only. If it is
	// empty, the command gets the default role, and can borrow all other roles that
	// the agent may borrow at the start.
	Role string

	// Gateway relays the AWS requests of a command whose AWS keys are withheld to the
	// gateway. nil: such a command is not started.
	Gateway http.Handler

	// Waiting is called with the page of each access request that calls of the command wait for, once. nil: nobody is
	// told.
	Waiting func(url string)

	// Contained says that the command reaches nothing but the gateway; nil: it is as
	// the caller is.
	Contained *Containment

	// Proxied says that the command's programs reach AWS by a proxy of the room; nil: by an endpoint.
	Proxied *Proxied

	// Task is the agent's task, which CloudTrail shows. If it is empty, the command
	// may name tasks itself, unless NoTasks is set.
	Task    string
	NoTasks bool

	// Access is AccessReadOnly if the command may only read, with every role that it
	// has; empty if it may do what the agent's connections permit.
	Access rolebroker.Access

	// Env is the caller's environment, as os.Environ returns it. The command gets
	// it without the variables that hold or choose an AWS identity.
	Env []string

	// Stdin, Stdout and Stderr are the command's. The command inherits an
	// *os.File; nil is the null device.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// KeepFiles are inherited file descriptors, from 3 up, that the command gets
	// under the same number. All others are closed in it.
	KeepFiles []int

	// Listen is an address, with or without a port, where the room can be reached
	// too, for containers of the command; empty for none. Only private addresses
	// are accepted, unless ListenPublic is set.
	Listen       string
	ListenPublic bool

	// User is USER or USER:GROUP, by name or number, and runs the command and may
	// read its files; empty for the user of this process. Another one needs root.
	User    string
	account *account // that User names; nil for none

	// Self is the path of the rolebroker binary, which named profiles run to
	// get their credentials.
	Self string

	// Grace is how long the processes that the command leaves have to end after
	// SIGTERM, before they are killed; zero is 5 s. Only Linux finds them.
	Grace time.Duration

	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	// Progress is called before the server is asked, and the function it returns
	// after the answer. nil: nothing is called.
	Progress func() (done func())
}

// Exit codes of a command that did not run, as in shells.
//
// Source: POSIX.1-2024, Shell Command Language, 2.8.2.
const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

// firstTimeout bounds the first questions to the server, which may have to ask
// STS.
const firstTimeout = 30 * time.Second

// defaultGrace is less than container runtimes give a container to stop.
const defaultGrace = 5 * time.Second

// Run runs the command and returns its exit code, or 128 plus the number of the
// signal that killed it. If there is an error, the command did not run, and the
// exit code is the one that a shell has for it. When ctx ends, the command gets a
// signal to terminate.
//
// On Linux this process adopts the orphans of the command and reaps them, and when
// the command has ended, every process that it has started ends. So this process
// may start no other processes meanwhile.
func Run(ctx context.Context, o Options) (exitCode int, err error) {
	o = o.withDefaults()
	harden.Process()
	if err := harden.CloseOnExec(o.KeepFiles); err != nil {
		return exitUsage, rolebroker.Errorf(rolebroker.CodeInvalid, "%s", err)
	}
	if _, err := o.listenAddress(); err != nil {
		return exitUsage, err
	}
	if err := o.checkContained(); err != nil {
		return 1, err
	}
	if o.User != "" {
		var err error
		if o.account, err = findAccount(o.User); err != nil {
			return 1, err
		}
	}
	program, code, err := findProgram(o.Command[0], o.Env)
	if err != nil {
		return code, err
	}
	relay, preparing := newRelay(ctx)
	defer relay.stop()
	lender := newLender(o)
	defer lender.close()
	o.Gateway = lender.gatewayOf(o)
	o.Gateway = lender.tellingOf(o)

	answer := o.ask(preparing, lender)
	room, openErr := open(o, lender, relay.family) // while the server works
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
	cmd := o.command(ctx, program, room)
	if room.inside != nil {
		defer context.AfterFunc(ctx, func() { room.inside.process.Signal(syscall.SIGTERM) })()
		return relay.runInside(room.inside, cmd, o)
	}
	return relay.run(cmd, o)
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Progress == nil {
		o.Progress = func() func() { return func() {} }
	}
	return o
}

// ask begins to borrow the role in use and to list all roles. The function it
// returns waits for both.
func (o Options) ask(ctx context.Context, lender *lender) (wait func() (*rolebroker.Loan, []rolebroker.Offer, error)) {
	done := o.Progress()
	ctx, cancel := context.WithTimeout(ctx, firstTimeout)
	var (
		loan              *rolebroker.Loan
		offers            []rolebroker.Offer
		lendErr, rolesErr error
		both              sync.WaitGroup
	)
	both.Go(func() {
		if loan, lendErr = lender.lendFirst(ctx); lendErr != nil {
			cancel()
		}
	})
	both.Go(func() { offers, rolesErr = o.Server.Roles(ctx) })
	return func() (*rolebroker.Loan, []rolebroker.Offer, error) {
		both.Wait()
		cancel()
		done()
		if lendErr != nil {
			return nil, nil, lendErr
		}
		return loan, offers, rolesErr
	}
}

// command is the process to start, with the environment of the room. When ctx
// ends, it gets a signal to terminate, and may take its time.
func (o Options) command(ctx context.Context, program string, r *room) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = o.Command
	cmd.Path, cmd.Err = program, nil
	cmd.Env = r.environ(o.Env)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Stdin, o.Stdout, o.Stderr
	o.account.apply(cmd)
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	return cmd
}
