package execenv

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// family is the command and every process that it starts, directly or not. This
// process adopts the orphans among them, as process 1 does.
type family struct {
	mu      sync.Mutex
	command int          // the process ID of the command; 0 before the start
	before  map[int]bool // the descendants that this process had before the command

	ended     chan struct{} // closed when the command has ended
	died      chan struct{} // gets a value when a child has died
	impatient chan struct{} // closed when the rest of the family has to end at once
	end, rush sync.Once
}

// childSignals announce the death of a child.
var childSignals = []os.Signal{syscall.SIGCHLD}

// killTime is how long a process takes at most to end after SIGKILL, unless the
// kernel keeps it.
const killTime = 2 * time.Second

// newFamily makes this process adopt orphans.
//
// Source: prctl(2), PR_SET_CHILD_SUBREAPER.
func newFamily() *family {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // it fails on no kernel we run on
	f := &family{before: map[int]bool{}, ended: make(chan struct{}), died: make(chan struct{}, 1),
		impatient: make(chan struct{})}
	if _, err := deadChild(); !errors.Is(err, unix.ECHILD) {
		for _, pid := range f.descendants() {
			f.before[pid] = true
		}
	}
	return f
}

// start starts the command. Nobody else may wait for children meanwhile.
func (f *family) start(cmd *exec.Cmd) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	f.command = cmd.Process.Pid
	return nil
}

// wait waits for the command, and ends what it leaves: with SIGTERM, and after
// grace with SIGKILL. It returns the processes that are still there.
func (f *family) wait(cmd *exec.Cmd, grace time.Duration) (left []int, err error) {
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }() // it also waits until nobody has the command's pipes
	f.reap()                             // the command may have ended before childSignals were heard
	<-f.ended
	left = f.endRest(grace)
	return left, <-waited
}

// reap waits for the orphans that have died, and notices the end of the command,
// for which only exec.Cmd may wait.
func (f *family) reap() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		pid, err := deadChild()
		if err != nil || pid == 0 || pid == f.command {
			break
		}
		unix.Wait4(pid, nil, unix.WNOHANG|unix.WALL, nil)
	}
	if f.command != 0 && hasEnded(f.command) {
		f.end.Do(func() { close(f.ended) })
	}
	select {
	case f.died <- struct{}{}:
	default:
	}
}

// isEnding reports whether the command has ended and the rest of the family has not.
func (f *family) isEnding() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// hurry makes wait kill the rest of the family at once.
func (f *family) hurry() { f.rush.Do(func() { close(f.impatient) }) }

// endRest ends all processes of the family but the command, which has ended.
func (f *family) endRest(grace time.Duration) (left []int) {
	started, signal := time.Now(), unix.SIGTERM
	impatient := f.impatient
	told := map[int]bool{}
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		f.reap()
		left = f.rest()
		if len(left) == 0 || time.Since(started) > grace+killTime {
			return left
		}
		if time.Since(started) > grace {
			signal = unix.SIGKILL
		}
		if signal == unix.SIGKILL {
			pause = time.Millisecond // some fork while they are killed
		}
		for _, pid := range left {
			if !told[pid] || signal == unix.SIGKILL {
				unix.Kill(pid, signal)
				unix.Kill(pid, unix.SIGCONT) // a process that is stopped does not end
			}
			told[pid] = true
		}
		select {
		case <-f.died:
		case <-time.After(pause):
		case <-impatient:
			signal, impatient = unix.SIGKILL, nil
		}
	}
}

// rest returns the living descendants of this process, except the command and those
// that this process had before.
func (f *family) rest() []int {
	if _, err := deadChild(); errors.Is(err, unix.ECHILD) {
		return nil
	}
	return f.descendants()
}

// descendants returns the living descendants of this process, without the command,
// and without those from before and what is below them.
func (f *family) descendants() (found []int) {
	children := processes()
	for next := []int{os.Getpid()}; len(next) > 0; next = next[1:] {
		for _, pid := range children[next[0]] {
			if pid != f.command && !f.before[pid] {
				found = append(found, pid)
				next = append(next, pid)
			}
		}
	}
	return found
}

// deadChild returns a child that has died and for which nobody has waited; 0 if
// there is none. The error is ECHILD if there are no children.
func deadChild() (pid int, err error) { return waitable(unix.P_ALL, 0) }

// hasEnded reports whether a child has ended.
func hasEnded(pid int) bool {
	dead, err := waitable(unix.P_PID, pid)
	return dead == pid || errors.Is(err, unix.ECHILD)
}

// waitable looks for a child that has ended, and leaves it to be waited for.
//
// Source: waitid(2). In siginfo_t, si_pid is the first field of a union that
// follows three ints and has the alignment of a pointer.
func waitable(kind, id int) (pid int, err error) {
	const pidField = 3 + unsafe.Sizeof(uintptr(0))/8
	var info unix.Siginfo
	for {
		err = unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			fields := (*[pidField + 1]int32)(unsafe.Pointer(&info))
			return int(fields[pidField]), err
		}
	}
}

// processes returns the living children of each process. It is empty if /proc is
// not there, or shows the processes of another namespace.
//
// Source: proc(5), proc_pid_stat(5).
func processes() map[int][]int {
	children := map[int][]int{}
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(os.Getpid()) {
		return children
	}
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// "17 (name) S 1 …": the name may have spaces and parentheses.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || bytes.ContainsAny(fields[0], "ZX") {
			continue
		}
		parent, _ := strconv.Atoi(string(fields[1]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		children[parent] = append(children[parent], pid)
	}
	return children
}
