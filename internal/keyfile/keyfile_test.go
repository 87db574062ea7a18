package keyfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rolebroker/rolebroker/internal/keyfile"
)

func TestAFileIsMadeOnceAndReplacedWhole(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "key")
	if err := keyfile.Create(path, "first"); err != nil {
		t.Fatal(err)
	}
	if err := keyfile.Create(path, "second"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second file in its place: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("it has %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if err := keyfile.Replace(path, "third"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if left, _ := os.ReadDir(folder); string(got) != "third" || len(left) != 1 {
		t.Errorf("it has %q, beside %v", got, left)
	}
}
