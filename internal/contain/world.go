package contain

import (
	"net"
)

// InitCommand is the first argument of this program when it is the first process of the namespaces. The second is for
// [Init].
const InitCommand = "contained-init"

// World says what is to be seen from inside.
type World struct {
	Dir    string   // the working directory
	Empty  []string // directories that are new and empty inside, and end with the command
	Shown  []Bind   // what of the host is seen all the same, also in the directories of Empty
	Hidden []string // files and directories of the host that are seen empty
	Nobody string   // an empty file, which is seen in place of hidden ones
}

// Bind is a file or directory of the host at a place inside.
type Bind struct {
	From, To string
	ReadOnly bool
	Optional bool // left out where the user of the command may not see it
}

// Listeners are open inside, on 127.0.0.1. The caller serves them, and closes them.
type Listeners struct {
	DNS     net.PacketConn // port 53
	DNSTCP  net.Listener   // port 53
	TLS     net.Listener   // port 443
	Plain   net.Listener   // port 80
	Private net.Listener   // a port that the system chose
}

// Close closes all of them.
func (l *Listeners) Close() {
	for _, c := range []interface{ Close() error }{l.DNS, l.DNSTCP, l.TLS, l.Plain, l.Private} {
		if c != nil {
			c.Close()
		}
	}
}

// Failure is a step of the preparations that the system refused.
type Failure struct {
	Step string // such as "mount /proc"
	Err  error
}

func (f *Failure) Error() string { return f.Step + ": " + f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }
