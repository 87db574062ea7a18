package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// testAuditSinks lets two servers deliver to one sink.
func testAuditSinks(s *suite) {
	claim := func(owner string, now time.Time) (*rolebroker.AuditProgress, string) {
		s.Helper()
		p, edge, err := s.store.ClaimSink(s.ctx, "file:a", owner, now, now.Add(time.Minute))
		s.must(err)
		return p, edge
	}
	p, edge := claim("one", t0)
	s.equal(*p, rolebroker.AuditProgress{})
	s.equal(edge, "")
	other, _ := claim("two", t0.Add(30*time.Second))
	s.equal(other == nil, true)

	// After half of its time the first one renews, so it still owns the sink when the first minute is over.
	claim("one", t0.Add(20*time.Second))
	claim("one", t0.Add(40*time.Second))
	claim("one", t0.Add(50*time.Second)) // writes nothing: the time still ends 100 seconds after t0
	other, _ = claim("two", t0.Add(70*time.Second))
	s.equal(other == nil, true)

	var tree trail.Tree
	tree.Append([]byte("{}"))
	s.code(s.store.MoveSink(s.ctx, "file:a", "two", *p, tree, 1), rolebroker.CodeConflict, "")
	s.must(s.store.MoveSink(s.ctx, "file:a", "one", *p, tree, 1))
	s.code(s.store.MoveSink(s.ctx, "file:a", "one", *p, tree, 1), rolebroker.CodeConflict, "")

	p, edge = claim("two", t0.Add(105*time.Second)) // the lease of the first one ended
	s.equal(*p, rolebroker.AuditProgress{Size: 1, Checkpoint: 1})
	s.equal(edge, tree.Edge())
	s.must(s.store.ReleaseSink(s.ctx, "file:a", "one")) // it is not its own any more
	other, _ = claim("one", t0.Add(106*time.Second))
	s.equal(other == nil, true)
	s.must(s.store.ReleaseSink(s.ctx, "file:a", "two"))
	other, _ = claim("one", t0.Add(106*time.Second))
	s.equal(other != nil, true)
}
