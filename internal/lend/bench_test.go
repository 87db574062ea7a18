package lend_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
)

// BenchmarkLendWarm measures a request that the cache and the lease can answer,
// without HTTP.
func BenchmarkLendWarm(b *testing.B) {
	w := newWorld(b)
	w.mustLend("")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
