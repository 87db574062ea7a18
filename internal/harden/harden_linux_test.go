package harden

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel writes no core dump of a process without this flag.
//
// Source: prctl(2), PR_GET_DUMPABLE; core(5).
func TestThisProcessCannotBeDumped(t *testing.T) {
	Process()
	if flag, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); flag != 0 || err != nil {
		t.Errorf("the flag is %d, %v", flag, err)
	}
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil || len(text) == 0 {
		t.Errorf("this process cannot read its own numbers: %v", err)
	}
	if _, err := os.ReadDir("/proc/self/fd"); err != nil {
		t.Errorf("this process cannot list its own files: %v", err)
	}
}

// Where close_range is not known, the files are found one by one.
func TestFilesAreClosedOneByOne(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd, err := unix.Dup(int(r.Fd())) // without the flag, as an inherited file
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if !isInherited(fd) {
		t.Fatal("nothing is open, so nothing would be closed")
	}
	if err := closeEach("/proc/self/fd"); err != nil {
		t.Fatal(err)
	}
	if isInherited(fd) {
		t.Error("the file is still open in programs that are started")
	}
}
