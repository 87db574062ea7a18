//go:build !linux

package main

// systemCommands are commands of this test binary that only this system has.
var systemCommands map[string]func()
