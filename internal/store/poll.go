package store

import (
	"context"
	"time"
)

// poll calls try until it succeeds or fails, for as long as wait: it returns false if it did neither.
func poll(ctx context.Context, wait time.Duration, try func() (done bool, err error)) (done bool, err error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	for {
		if done, err := try(); done || err != nil {
			return done, err
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
