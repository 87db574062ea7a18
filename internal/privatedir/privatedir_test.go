//go:build linux

package privatedir

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

const prefix = "rolebroker-test-"

// exists reports whether something is at a path, without following a link.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestFoldersOfTheDeadAreRemoved(t *testing.T) {
	parent, elsewhere := t.TempDir(), t.TempDir()
	in := func(name string) string { return filepath.Join(parent, name) }
	left, linked, foreign, file := in(prefix+"1"), in(prefix+"2"), in(prefix+"3"), in(prefix+"4")
	other := in("other-1")
	for _, dir := range []string{left, filepath.Join(left, "cache", "deep"), foreign, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	precious := filepath.Join(elsewhere, "precious")
	for _, path := range []string{precious, filepath.Join(left, "config"), file} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{linked: elsewhere, filepath.Join(left, "link"): elsewhere} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(foreign, 65534, 65534); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	live, err := Make(prefix, parent)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Make(prefix, parent)
	if err != nil {
		t.Fatal(err)
	}
	if exists(left) {
		t.Error("the folder that was left is still there")
	}
	for _, path := range []string{live.Path, next.Path, linked, file, other, precious} {
		if !exists(path) {
			t.Errorf("%s was removed", path)
		}
	}
	if os.Getuid() == 0 && !exists(foreign) {
		t.Error("the folder of another user was removed")
	}
	live.Remove()
	next.Remove()
	if exists(live.Path) || exists(next.Path) {
		t.Error("a folder is still there after remove")
	}
}

// Many exec start at once, and each removes what others leave.
func TestAFolderInUseIsNeverRemoved(t *testing.T) {
	parent := t.TempDir()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				f, err := Make(prefix, parent)
				if err != nil {
					t.Error(err)
					return
				}
				if !exists(f.Path) {
					t.Errorf("%s was removed", f.Path)
				}
				f.lock.Close() // as kill -9 does
			}
		})
	}
	all.Wait()
	removeLeft(parent, prefix)
	if entries, _ := os.ReadDir(parent); len(entries) != 0 {
		t.Errorf("%d folders are left", len(entries))
	}
}

func TestAnotherParentIsUsedWhereTheFirstCannot(t *testing.T) {
	good := t.TempDir()
	f, err := Make(prefix, "/proc/no/such", good)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	if filepath.Dir(f.Path) != good {
		t.Errorf("the folder is %s", f.Path)
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		t.Errorf("%v, %v", info, err)
	}
}
