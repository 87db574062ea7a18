package execenv

import "golang.org/x/sys/unix"

// hideFromChildren keeps the environment and the memory of this process, where
// the agent's token is, from other processes of the same user: the command
// could read them in /proc otherwise. What the command itself may do to its
// own children is not affected, since starting a program resets it.
//
// Source: prctl(2), PR_SET_DUMPABLE; proc(5).
func hideFromChildren() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // it fails on no kernel we run on
}
