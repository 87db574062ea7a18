package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// peakMemory is a program of its own: it runs its arguments, and writes the most memory that they used, in KiB, to the
// file PEAK_MEMORY_FILE. A program that the tests start themselves counts their memory as its own until it has begun.
//
// Source: getrusage(2), ru_maxrss; Linux copies it from the process that forks with CLONE_VM, as Go does.
func peakMemory() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	file := os.Getenv("PEAK_MEMORY_FILE")
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if err := os.WriteFile(file, []byte(strconv.FormatInt(peak, 10)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}
