// Package contain starts a command in namespaces of its own, which have nothing but
// loopback, and from which no setting of the command leads out.
//
// The command keeps its user. It has its own network with the loopback interface
// only, its own processes and /proc, and its own System V IPC. Directories in which the
// host has sockets are new and empty: path sockets cross network namespaces, so
// they have to be hidden. The command has no capability and can gain none: set-user-ID
// programs do not change its user, and a namespace that it makes itself reaches
// no further.
//
// [New] makes the process that becomes the first one of the namespaces. It is this
// program again, and calls [Init]. [Process.Enter] has it make the world of a [World], and
// returns listeners that are open in there, on which the caller serves the command from
// outside. [Process.Run] has it start the command. The first process ends when the
// command has ended or the caller is gone, and the kernel kills what is left.
//
// The package does not hide files but those that it is told to hide: what the user
// may read or write, the command may, too. It falls back to nothing: where the
// system does not allow namespaces, the error names the cause and the remedy.
//
//	p, err := contain.New(exec.Command("/usr/bin/rolebroker", contain.InitCommand), nil)
//	p.Command.Start()
//	at, err := p.Enter(world)  // at.DNS, at.TLS, …
//	err = p.Run("/usr/bin/env", []string{"env"}, nil, time.Second)
//	p.Command.Wait()
package contain
