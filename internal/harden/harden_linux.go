package harden

import (
	"math"

	"golang.org/x/sys/unix"
)

// Process makes the environment, the memory and the open files of this process
// unreadable to other processes of its user, in /proc and with a debugger. A core
// dump is not written. A program that this process starts is not affected, because
// execve resets the flag.
//
// Source: prctl(2), PR_SET_DUMPABLE; proc(5); ptrace(2).
func Process() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // it fails on no kernel we run on
}

// closeFrom3 marks every file descriptor from 3 up to be closed in programs that
// this process starts.
//
// Source: close_range(2), since Linux 5.11 with CLOSE_RANGE_CLOEXEC.
func closeFrom3() error {
	if unix.CloseRange(firstFile, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	return closeEach("/proc/self/fd")
}
