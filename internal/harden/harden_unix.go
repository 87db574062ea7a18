//go:build unix

package harden

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// firstFile is the first file descriptor that is no standard stream.
const firstFile = 3

// CloseOnExec marks every file descriptor from 3 up to be closed in programs that
// this process starts, except those in keep. Descriptors that this process has
// opened itself cannot be kept. Descriptors in keep that were not inherited are an
// error.
func CloseOnExec(keep []int) error {
	for _, fd := range keep {
		if !isInherited(fd) {
			return fmt.Errorf("file descriptor %d is not open", fd)
		}
	}
	if err := closeFrom3(); err != nil {
		return fmt.Errorf("closing file descriptors: %w", err)
	}
	for _, fd := range keep {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("keeping file descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// isInherited reports whether the program that started this process left the
// descriptor open: Go marks every descriptor that it opens to be closed.
func isInherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return fd >= firstFile && err == nil && flags&unix.FD_CLOEXEC == 0
}

// closeEach is closeFrom3 for the descriptors that a folder lists.
func closeEach(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= firstFile {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
