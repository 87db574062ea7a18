package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker/internal/harden"
)

// startStep is the step that fails if the command's program cannot be run.
const startStep = "start"

// first is the first process of the namespaces.
type first struct {
	control *net.UnixConn
	orders  *json.Decoder
}

// Init is the first process of the namespaces, which [New] makes. control is the argument that it was given. It returns
// the exit code of the process.
func Init(control string) int {
	harden.Process()
	fd, err := strconv.Atoi(control)
	if err != nil || os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "rolebroker: exec --contained starts this command; it is not for people")
		return 2
	}
	unix.CloseOnExec(fd)
	catchSignals()
	file := os.NewFile(uintptr(fd), "control")
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		return 1
	}
	f := &first{control: conn.(*net.UnixConn)}
	f.orders = json.NewDecoder(f.control)
	code, err := f.serve()
	if err != nil {
		f.fail(err)
		return 1
	}
	return code
}

// catchSignals keeps signals from this process: the terminal sends them to the command as well. Those that are ignored
// stay so, because the command inherits it.
func catchSignals() {
	caught := make(chan os.Signal, 1) // nobody reads it
	for s := syscall.Signal(1); s < 65; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCHLD, unix.SIGURG:
			continue
		}
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
}

func (f *first) serve() (int, error) {
	var w World
	if err := f.orders.Decode(&w); err != nil {
		return 1, err
	}
	files, err := listen()
	if err != nil {
		return 1, err
	}
	if err := w.enter(); err != nil {
		return 1, err
	}
	if err := f.say(report{}, files...); err != nil {
		return 1, err
	}
	for _, file := range files {
		file.Close()
	}
	var o order
	if err := f.orders.Decode(&o); err != nil {
		return 1, err
	}
	command, pidfd, err := start(o)
	if err != nil {
		return 1, &Failure{startStep, err}
	}
	if err := f.say(report{}, pidfd); err != nil {
		return 1, err
	}
	pidfd.Close()
	go f.endWithCaller()
	return f.wait(command, o.Grace), nil
}

// start starts the command on a thread that has given everything up.
func start(o order) (pid int, _ *os.File, _ error) {
	runtime.LockOSThread() // for ever: no other goroutine may get this thread
	if err := giveUp(); err != nil {
		return 0, nil, err
	}
	pidfd := -1
	pid, err := syscall.ForkExec(o.Program, o.Args, &syscall.ProcAttr{Env: o.Env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{PidFD: &pidfd}})
	if err == nil && pidfd < 0 {
		err = errors.New("the kernel is older than Linux 5.4")
	}
	return pid, os.NewFile(uintptr(pidfd), "pidfd"), err
}

// endWithCaller ends everything when the caller is gone.
func (f *first) endWithCaller() {
	f.control.Read(make([]byte, 1)) // nothing comes any more
	os.Exit(128 + int(unix.SIGKILL))
}

// wait waits for all processes inside. When the command has ended, it ends the rest: with SIGTERM, and after grace with
// SIGKILL.
func (f *first) wait(command int, grace time.Duration) (code int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return code // no child is left
		case pid == command:
			code = exitCode(status)
			f.say(report{Ended: true, Code: code})
			unix.Kill(-1, unix.SIGTERM)
			unix.Kill(-1, unix.SIGCONT)
			time.AfterFunc(grace, func() { unix.Kill(-1, unix.SIGKILL) })
		}
	}
}

func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// say reports to the caller.
func (f *first) say(r report, files ...*os.File) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	var fds []int
	for _, file := range files {
		fds = append(fds, int(file.Fd()))
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	_, _, err = f.control.WriteMsgUnix(text, rights, nil)
	runtime.KeepAlive(files)
	return err
}

func (f *first) fail(err error) {
	r := report{Step: "prepare", Text: err.Error()}
	var failed *Failure
	if errors.As(err, &failed) {
		r.Step, r.Text = failed.Step, failed.Err.Error()
	}
	errors.As(err, &r.Errno)
	f.say(r)
}

// listen brings loopback up, and opens the listeners.
func listen() (files []*os.File, _ error) {
	if err := bringUp("lo"); err != nil {
		return nil, &Failure{"bring loopback up", err}
	}
	packets, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53})
	if err != nil {
		return nil, &Failure{"listen on port 53", err}
	}
	defer packets.Close()
	file, err := packets.File()
	if err != nil {
		return nil, &Failure{"listen on port 53", err}
	}
	files = append(files, file)
	for _, port := range []int{53, 443, 80, 0} {
		step := fmt.Sprintf("listen on port %d", port)
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return nil, &Failure{step, err}
		}
		file, err := l.File()
		l.Close()
		if err != nil {
			return nil, &Failure{step, err}
		}
		files = append(files, file)
	}
	return files, nil
}

// bringUp brings a network interface up.
//
// Source: netdevice(7).
func bringUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// isBelow reports whether path is dir or below it.
func isBelow(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !(len(rel) > 2 && rel[:3] == "../")
}
