// Package harden keeps what this process knows from other processes of its user,
// and what it has open from the programs that it starts.
//
// Secrets are in the environment and the memory of a server, a runner or an exec,
// and in files that they have open. On Linux every process of the same user could
// read them in /proc, and so could a command that exec runs. The package cannot
// keep anything from root, or from a process that looked before [Process] was
// called.
//
//	harden.Process()            // first of all
//	harden.CloseOnExec(nil)     // before a program is started
package harden
