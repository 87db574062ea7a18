//go:build unix && !linux

package harden

// Process does nothing: it is for Linux, where /proc shows the environment.
func Process() {}

// closeFrom3 marks every file descriptor from 3 up to be closed in programs that
// this process starts.
func closeFrom3() error { return closeEach("/dev/fd") }
