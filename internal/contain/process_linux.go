package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker/internal/harden"
)

// namespaces are those that the command has of its own.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC

// preparing are the capabilities in these namespaces that make the command's world. The command has none of them.
var preparing = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE, unix.CAP_SETPCAP}

// Process is the first process of the namespaces, seen from outside. Command is to be started and waited for; the
// methods are for after the start.
type Process struct {
	Command *exec.Cmd

	control *net.UnixConn
	theirs  *os.File // the first process's end of control, until it has it
	answers *json.Encoder
	pidfd   *os.File // of the command; nil before the start
	ended   chan struct{}
	code    int  // of the command, after ended
	known   bool // whether code is
}

// New makes the process of cmd, whose program is this one and whose arguments have it call [Init] with the number that
// is added to them. If cmd has a Credential, the command runs as that user.
func New(cmd *exec.Cmd) (*Process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, &Failure{"socketpair", err}
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, &Failure{"socketpair", err}
	}
	cmd.Args = append(cmd.Args, strconv.Itoa(pair[1]))
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	separate(cmd.SysProcAttr)
	p := &Process{Command: cmd, control: conn.(*net.UnixConn), theirs: theirs, ended: make(chan struct{})}
	p.answers = json.NewEncoder(p.control)
	return p, nil
}

// separate has a process start in namespaces of its own, where its user and groups keep their numbers.
func separate(attr *syscall.SysProcAttr) {
	uid, groups := os.Geteuid(), []int{os.Getegid()}
	if c := attr.Credential; c != nil {
		uid, groups = int(c.Uid), []int{int(c.Gid)}
		for _, g := range c.Groups {
			if !slices.Contains(groups, int(g)) {
				groups = append(groups, int(g))
			}
		}
		attr.GidMappingsEnableSetgroups = true
	}
	attr.Cloneflags = namespaces
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	for _, g := range groups {
		attr.GidMappings = append(attr.GidMappings, syscall.SysProcIDMap{ContainerID: g, HostID: g, Size: 1})
	}
	attr.AmbientCaps = preparing
}

// Start starts the first process by start, which is Command.Start or calls it.
//
// The kernel lets only root write the mapping of users for a process that cannot be dumped, so this one can be for that
// moment. No other process of ours has started yet.
func (p *Process) Start(start func() error) error {
	if _, err := unix.FcntlInt(p.theirs.Fd(), unix.F_SETFD, 0); err != nil {
		return &Failure{"socketpair", err}
	}
	if os.Geteuid() != 0 {
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		defer harden.Process()
	}
	err := start()
	p.theirs.Close()
	if err != nil {
		p.control.Close()
		return explain(&Failure{"clone", err})
	}
	return nil
}

// Enter makes the world inside.
func (p *Process) Enter(w World) (*Listeners, error) {
	if err := p.answers.Encode(w); err != nil {
		return nil, p.hear(err)
	}
	_, files, err := p.read()
	if err != nil {
		return nil, explain(err)
	}
	l, err := listenersOf(files)
	if err != nil {
		return nil, &Failure{"listen", err}
	}
	return l, nil
}

// hear returns what the first process said before it ended, or else the error.
func (p *Process) hear(err error) error {
	if _, _, said := p.read(); said != nil && !errors.Is(said, io.EOF) {
		return explain(said)
	}
	return err
}

// Run has the first process start the program in the world. The processes that the command leaves have the time of
// grace to end. If there is an error, the command did not start.
func (p *Process) Run(program string, args, env []string, grace time.Duration) error {
	if err := p.answers.Encode(order{program, args, env, grace}); err != nil {
		return p.hear(err)
	}
	_, files, err := p.read()
	if err != nil {
		var failed *Failure
		if errors.As(err, &failed) && failed.Step == startStep {
			return &os.PathError{Op: "fork/exec", Path: program, Err: failed.Err}
		}
		return explain(err)
	}
	if len(files) != 1 {
		return &Failure{"start", errors.New("no command has started")}
	}
	p.pidfd = files[0]
	go p.awaitEnd()
	return nil
}

// awaitEnd reads the exit code of the command.
func (p *Process) awaitEnd() {
	defer close(p.ended)
	if said, _, err := p.read(); err == nil && said.Ended {
		p.code, p.known = said.Code, true
	}
}

// ExitCode is the exit code of the command, or 128 and the number of the signal that killed it. It is not known if the
// first process was killed. Call it after Command.Wait.
func (p *Process) ExitCode() (code int, known bool) {
	<-p.ended
	return p.code, p.known
}

// Signal sends a signal to the command. After the command has ended, a signal kills what it has left.
func (p *Process) Signal(s os.Signal) error {
	err := unix.PidfdSendSignal(int(p.pidfd.Fd()), s.(syscall.Signal), nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return p.Command.Process.Kill()
	}
	return err
}

// Close ends the first process, and with it everything inside.
func (p *Process) Close() { p.control.Close() }

// report is what the first process says.
type report struct {
	Step  string // that failed; empty: none
	Text  string
	Errno syscall.Errno

	Ended bool // the command has
	Code  int  // of the command
}

// order has the first process start the command.
type order struct {
	Program   string
	Args, Env []string
	Grace     time.Duration
}

// maxReport bounds a report, which is short.
const maxReport = 64 << 10

// read reads a report, with the files that came with it.
func (p *Process) read() (report, []*os.File, error) {
	var r report
	text, rights := make([]byte, maxReport), make([]byte, unix.CmsgSpace(4*8))
	n, nrights, _, _, err := p.control.ReadMsgUnix(text, rights)
	if err != nil || n == 0 {
		return r, nil, io.EOF
	}
	files := filesOf(rights[:nrights])
	if err := json.Unmarshal(text[:n], &r); err != nil {
		return r, files, fmt.Errorf("reading from the first process: %w", err)
	}
	switch {
	case r.Step != "" && r.Errno != 0:
		return r, files, &Failure{r.Step, r.Errno}
	case r.Step != "":
		return r, files, &Failure{r.Step, errors.New(r.Text)}
	}
	return r, files, nil
}

func filesOf(rights []byte) (files []*os.File) {
	messages, _ := unix.ParseSocketControlMessage(rights)
	for _, m := range messages {
		fds, _ := unix.ParseUnixRights(&m)
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "inside"))
		}
	}
	return files
}

// listenersOf are the listeners in the order of [listen].
func listenersOf(files []*os.File) (*Listeners, error) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if len(files) != 5 {
		return nil, fmt.Errorf("%d listeners came", len(files))
	}
	l := &Listeners{}
	var err error
	if l.DNS, err = net.FilePacketConn(files[0]); err != nil {
		return nil, err
	}
	for i, to := range []*net.Listener{&l.DNSTCP, &l.TLS, &l.Plain, &l.Private} {
		if *to, err = net.FileListener(files[i+1]); err != nil {
			l.Close()
			return nil, err
		}
	}
	return l, nil
}
