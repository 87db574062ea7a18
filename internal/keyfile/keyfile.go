// Package keyfile writes files with secret keys, so that nothing is signed or sealed with a key that a crash loses. It
// never overwrites a key, except by Replace, and reads none.
//
//	err := keyfile.Create("audit-key", secret+"\n")
package keyfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Create writes a file that does not exist yet, and that only its owner can read. The file is on the disk when it
// returns nil, and not there otherwise.
func Create(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return syncFolder(filepath.Dir(path))
}

// Replace puts a file in the place of another. A reader finds the one or the other, whole.
func Replace(path, content string) error {
	next := path + ".new"
	if err := Create(next, content); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
