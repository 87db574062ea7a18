package store

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A probe is valid for trustedFor from when it was sent, however long it took to
// arrive.
func TestAProbeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		published := 0
		l := &listener{start: time.Now(), publish: func(rolebroker.Change) { published++ },
			log: slog.New(slog.DiscardHandler), arrives: func() {}}
		time.Sleep(heartbeat)
		sent := time.Since(l.start)
		time.Sleep(trustedFor - 1)
		l.prove(sent)
		if !l.watching() || published != 1 {
			t.Errorf("after a probe that was just in time: watching %t, published %d changes", l.watching(), published)
		}
		time.Sleep(time.Nanosecond)
		if l.watching() {
			t.Errorf("still watching %s after the probe", trustedFor)
		}
		l.prove(sent)
		if l.watching() || published != 1 {
			t.Errorf("after a probe that was too late: watching %t, published %d changes", l.watching(), published)
		}
	})
}
