package auditsink

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// inNamespace is set in the process that may mount.
const inNamespace = "ROLEBROKER_TEST_FULL_DISK"

// TestAFullDiskLosesNothing fills a disk of 64 KiB. A delivery that does not fit fails, and what it wrote of it is
// written again when there is space.
func TestAFullDiskLosesNothing(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		runInNamespace(t)
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	ballast, path := filepath.Join(dir, "ballast"), filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(ballast, make([]byte, 48<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newMemory(t)
	sink := &File{Path: path}
	defer sink.Close()
	p, _ := m.pump(sink)
	m.grow(t, 10)
	if err := p.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.grow(t, 90)
	for range 2 {
		if err := p.deliverAll(t.Context()); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("delivering to a full disk: %v", err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := p.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.verify(t, path); r.Records != 100 || r.Covered != 100 {
		t.Errorf("the file has %+v", r)
	}
}

// runInNamespace runs this test again where it may mount.
func runInNamespace(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && os.Getenv("CI") == "" {
		t.Skipf("namespaces cannot be made here: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
