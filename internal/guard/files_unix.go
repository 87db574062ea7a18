//go:build unix

package guard

import (
	"math"
	"syscall"
)

// openFiles returns how many files the process may have open. Go raises this limit to the hard one at the start.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024 // the usual limit
	}
	return min(uint64(limit.Cur), math.MaxInt32)
}
