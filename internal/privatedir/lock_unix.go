//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package privatedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockDir locks a directory, which is no link. Errors: errInUse; os.ErrNotExist
// if the directory was removed meanwhile; others where locks do not work.
//
// Source: flock(2). A lock on a file that exists beside the directory could not say
// that the directory was removed.
func lockDir(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		err = errInUse
	}
	if err == nil && !isStillAt(path, f) {
		err = os.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isStillAt reports whether a path, which is no link, leads to a file.
func isStillAt(path string, f *os.File) bool {
	there, err := os.Lstat(path)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(there, info)
}

// removeLeft removes the directories in parent with this prefix that belong to this user and that no
// process has locked. What cannot be removed stays.
func removeLeft(parent, prefix string) {
	dir, err := os.Open(parent)
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // what is not listed stays
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			removeIfLeft(filepath.Join(parent, name))
		}
	}
}

func removeIfLeft(path string) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		return
	}
	lock, err := lockDir(path)
	if err != nil {
		return
	}
	defer lock.Close()
	root, err := os.OpenRoot(path)
	if err != nil {
		return
	}
	defer root.Close()
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) || !isStillAt(path, lock) {
		return // another directory took its place
	}
	entries, _ := fs.ReadDir(root.FS(), ".") // what is not listed keeps the directory
	for _, entry := range entries {
		root.RemoveAll(entry.Name())
	}
	unix.Rmdir(path) // an empty directory only, and no link
}
