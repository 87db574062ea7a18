//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package privatedir

import (
	"errors"
	"os"
)

// lockDir locks nothing: there is no flock for directories.
func lockDir(string) (*os.File, error) { return nil, errors.ErrUnsupported }

// removeLeft removes nothing, because nothing tells which directories are in use.
func removeLeft(string, string) {}
