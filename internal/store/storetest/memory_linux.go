package storetest

import (
	"os"
	"syscall"
)

// memoryWith returns a folder whose files are in memory, if there is one that we
// may write to and that has this many bytes free. In containers it is often
// small.
func memoryWith(free uint64) (folder string, ok bool) {
	const shm = "/dev/shm"
	var stat syscall.Statfs_t
	if err := syscall.Statfs(shm, &stat); err != nil || stat.Bavail*uint64(stat.Bsize) < free {
		return "", false
	}
	probe, err := os.CreateTemp(shm, "rolebroker-probe-")
	if err != nil {
		return "", false
	}
	_ = probe.Close()
	return shm, os.Remove(probe.Name()) == nil
}
