//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package execenv

import (
	"errors"
	"os"
)

// lockFolder locks nothing: there is no flock for directories.
func lockFolder(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// removeLeft removes nothing, because nothing tells which folders are in use.
func removeLeft(string) {}
