package lend_test

import (
	"testing"

	"github.com/rolebroker/rolebroker"
)

// BenchmarkLendWarm is what a request costs beyond HTTP, when nothing has to be
// asked of anyone.
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
