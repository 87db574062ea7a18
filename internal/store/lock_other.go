//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package store

import (
	"context"
	"runtime"
	"time"

	"github.com/rolebroker/rolebroker"
)

type fileLock struct{}

// lockFile refuses: without flock nothing would keep a second server away.
func lockFile(context.Context, string, time.Duration) (*fileLock, error) {
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "SQLite is not supported on %s", runtime.GOOS).
		WithHint("use PostgreSQL: rolebroker server --database postgres://…")
}

func (*fileLock) release() error { return nil }

func (*fileLock) remove() error { return nil }
