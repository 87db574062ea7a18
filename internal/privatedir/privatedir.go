// Package privatedir makes temporary directories that do not outlive their process
// for long.
//
// The process holds a lock on its directory, which the system releases when the
// process ends, however that happens. So the next process that makes such a directory
// can tell which ones nobody uses any more, and removes them. It removes directories of
// its own user only, follows no links, and removes nothing where directories have no
// locks.
//
//	dir, err := privatedir.Make("rolebroker-room-", os.TempDir(), "/dev/shm")
//	defer dir.Remove()
package privatedir

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// Dir is a private directory, with the mode 0700. Remove it.
type Dir struct {
	Path string
	lock *os.File // nil where directories have no locks
}

// Make makes a directory in the first of the parents where that is possible; the error
// is that of the last. The prefix begins its name, and those of the directories of dead
// processes, which it removes from these parents.
func Make(prefix string, parents ...string) (d *Dir, err error) {
	for _, parent := range parents {
		removeLeft(parent, prefix)
		if d, err = makeIn(parent, prefix); err == nil {
			return d, nil
		}
	}
	return nil, err
}

// Temporary returns the usual parents: the directory for temporary files and, as on a read-only root, those in memory.
func Temporary() []string {
	found := []string{os.TempDir()}
	if runtime.GOOS == "windows" {
		return found
	}
	if private := os.Getenv("XDG_RUNTIME_DIR"); private != "" {
		found = append(found, private)
	}
	return append(found, "/dev/shm", os.TempDir()) // again, because the last error is shown
}

// makeIn makes a directory and locks it. Before the lock, another process may take the
// directory for one that was left, and remove it; makeIn then makes another one.
func makeIn(parent, prefix string) (*Dir, error) {
	for {
		path, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		if err == nil {
			return &Dir{path, lock}, nil
		}
		var opening *fs.PathError
		switch {
		case errors.Is(err, errInUse), errors.Is(err, fs.ErrNotExist):
		case errors.As(err, &opening):
			return nil, err
		default:
			return &Dir{Path: path}, nil // this file system has no locks, so nobody removes it
		}
	}
}

// Remove removes the directory with everything in it.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if d.lock != nil {
		d.lock.Close()
	}
	return err
}

// errInUse means that a process has the lock of a directory.
var errInUse = errors.New("the directory is in use")
