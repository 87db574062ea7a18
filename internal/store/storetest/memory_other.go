//go:build !linux

package storetest

// memoryWith returns no folder: of the systems that the tests run on, only Linux
// has one in memory.
func memoryWith(uint64) (folder string, ok bool) { return "", false }
