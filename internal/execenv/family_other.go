//go:build !linux

package execenv

import (
	"os"
	"os/exec"
	"time"
)

// family is the command alone: only Linux lets a process adopt orphans.
type family struct{}

var childSignals []os.Signal // none

func newFamily() *family { return &family{} }

func (*family) start(cmd *exec.Cmd) error { return cmd.Start() }

func (*family) wait(cmd *exec.Cmd, _ time.Duration) (left []int, err error) { return nil, cmd.Wait() }

func (*family) reap() {}

func (*family) isEnding() bool { return false }

func (*family) hurry() {}
