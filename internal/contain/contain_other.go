//go:build !linux

package contain

import (
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Process is the first process of the namespaces, which only Linux has.
type Process struct{ Command *exec.Cmd }

// New refuses: only Linux has namespaces.
func New(*exec.Cmd) (*Process, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeDenied,
		"the command cannot be contained, so it was not started: %s has no namespaces", runtime.GOOS).
		WithHint("run it on Linux, or in a virtual machine or container with Linux")
}

// Start is not reached.
func (*Process) Start(func() error) error { panic("contain: not on this system") }

// Enter is not reached.
func (*Process) Enter(World) (*Listeners, error) { panic("contain: not on this system") }

// Run is not reached.
func (*Process) Run(string, []string, []string, time.Duration) error {
	panic("contain: not on this system")
}

// ExitCode is not reached.
func (*Process) ExitCode() (int, bool) { return 0, false }

// Signal is not reached.
func (*Process) Signal(os.Signal) error { return os.ErrProcessDone }

// Close does nothing.
func (*Process) Close() {}

// Init refuses: only Linux has namespaces.
func Init(string) int { return 2 }
