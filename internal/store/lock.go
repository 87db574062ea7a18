//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rolebroker/rolebroker"
)

// fileLock is an flock on a separate file next to the database. The kernel
// releases it when the process ends, even by kill -9. Only who has the lock removes the
// file, and who gets it checks that the file is still there: otherwise two servers could
// lock two files of the same name.
type fileLock struct{ file *os.File }

// lockFile takes the lock, and waits up to wait for another process to release
// it. Codes: conflict (another process has it), invalid (the file is a link).
func lockFile(ctx context.Context, path string, wait time.Duration) (*fileLock, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	if err := waitForLock(ctx, file, wait); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if removed, err := isRemoved(file, path); err != nil || removed {
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		return lockFile(ctx, path, wait)
	}
	holder := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := file.WriteAt([]byte(holder), 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &fileLock{file}, file.Truncate(int64(len(holder)))
}

// isRemoved reports whether path is not file any more.
func isRemoved(file *os.File, path string) (bool, error) {
	locked, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && !os.SameFile(locked, there), err
}

// openLock opens the lock file. It refuses symbolic links, because lockFile
// overwrites the content.
func openLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err == nil {
		return file, nil
	}
	if info, lerr := os.Lstat(path); lerr == nil && info.Mode()&os.ModeSymlink != 0 {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid,
			"the lock file %s is a symbolic link, which is not followed", path).
			WithHint("remove it; the server makes a file of its own")
	}
	return nil, err
}

func waitForLock(ctx context.Context, file *os.File, wait time.Duration) error {
	free, err := poll(ctx, wait, func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return true, err
	})
	if err == nil && !free {
		return inUse(file)
	}
	return err
}

// inUse is the error that names the process that has the lock.
func inUse(file *os.File) error {
	by := "another server"
	if pid, _ := io.ReadAll(io.NewSectionReader(file, 0, 20)); len(pid) > 0 {
		by = fmt.Sprintf("another server, process %s", strings.TrimSpace(string(pid)))
	}
	return rolebroker.Errorf(rolebroker.CodeConflict,
		"the database %s is in use by %s; a SQLite file belongs to one server at a time",
		strings.TrimSuffix(file.Name(), ".lock"), by).
		WithHint("stop the other server, or use PostgreSQL to run several: rolebroker server --database postgres://…")
}

func (l *fileLock) release() error { return l.file.Close() }

// remove releases the lock of a file that does not exist, and leaves nothing of it.
func (l *fileLock) remove() error { return errors.Join(os.Remove(l.file.Name()), l.file.Close()) }
