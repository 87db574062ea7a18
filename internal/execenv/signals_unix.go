//go:build unix

package execenv

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// relayed are the signals that the command gets too: those that people and
// supervisors send. SIGTSTP is not one of them: typed at a terminal, it stops both
// processes, as it should.
var relayed = []os.Signal{
	syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGALRM,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT,
}

// ends reports whether a signal ends a process that has no handler for it.
func ends(s os.Signal) bool { return s != syscall.SIGWINCH && s != syscall.SIGCONT }

// fromTerminal reports whether the terminal has sent the signal to the command as
// well: it signals its whole foreground process group, and the command is in ours.
func fromTerminal(s os.Signal) bool {
	if s != syscall.SIGINT && s != syscall.SIGQUIT && s != syscall.SIGWINCH {
		return false
	}
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	foreground, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && foreground == unix.Getpgrp()
}

func signalNumber(s os.Signal) int { return int(s.(syscall.Signal)) }

// exitCode is the command's, or 128 and the number of the signal that killed it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	return state.ExitCode()
}

func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
