//go:build !linux

package storetest

// memoryWith gives no folder: only Linux has one in memory that is there
// without being asked for.
func memoryWith(uint64) (folder string, ok bool) { return "", false }
