package store

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A proof is good for trustedFor from when it was asked for, however long it
// took to arrive.
func TestAProofExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		l := &listener{start: time.Now(), tell: func(rolebroker.Change) { told++ }, log: slog.New(slog.DiscardHandler), hears: func() {}}
		time.Sleep(heartbeat)
		asked := time.Since(l.start)
		time.Sleep(trustedFor - 1)
		l.prove(asked)
		if !l.watching() || told != 1 {
			t.Errorf("proven just in time: watching %t, told %d times that everything may have changed", l.watching(), told)
		}
		time.Sleep(1)
		if l.watching() {
			t.Errorf("still watching %s after the question", trustedFor)
		}
		l.prove(asked)
		if l.watching() || told != 1 {
			t.Errorf("proven too late: watching %t, told %d times", l.watching(), told)
		}
	})
}
