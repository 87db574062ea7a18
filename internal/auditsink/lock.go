//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package auditsink

import (
	"errors"
	"os"
	"syscall"
)

// lock keeps other servers away until the file is closed, also by kill -9. A network file system that has no locks keeps
// nobody away, and does not fail.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errLocked
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
		return nil
	}
	return err
}
