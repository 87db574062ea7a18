//go:build !unix

package harden

// Process does nothing: it is for Linux, where /proc shows the environment.
func Process() {}

// CloseOnExec does nothing: programs inherit only what they are given.
func CloseOnExec([]int) error { return nil }
