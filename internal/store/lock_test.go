//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package store

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A lock that is removed while others wait for it is never in two hands.
func TestARemovedLockIsInOneHand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rb.db.lock")
	var holders atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				lock, err := lockFile(t.Context(), path, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have the lock", n)
				}
				holders.Add(-1)
				if err := lock.remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
