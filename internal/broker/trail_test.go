package broker_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// rewritten is a store whose database says another history than it did.
type rewritten struct {
	broker.Store
	lie bool
}

func (s *rewritten) PlacedEvents(ctx context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error) {
	found, err := s.Store.PlacedEvents(ctx, from, limit)
	if s.lie && len(found) > 0 {
		found[0].Record = []byte(strings.Replace(string(found[0].Record), "scout", "snout", 1))
	}
	return found, err
}

func (s *rewritten) TreeAt(ctx context.Context, sequence int64) (tree trail.Tree, err error) {
	if tree, err = s.Store.TreeAt(ctx, sequence); s.lie {
		tree = trail.Tree{}
		for range sequence {
			tree.Append([]byte("another history"))
		}
	}
	return tree, err
}

// A server signs no trail that differs from what it saw or signed before, whoever could write to the database.
func TestARewrittenTrailIsNotSigned(t *testing.T) {
	key, _, err := trail.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	store := &rewritten{}
	w := newWorld(t, func(o *broker.Options) {
		store.Store = o.Store
		o.Store, o.AuditKey = store, key
	})
	grow := func(b *broker.Broker, agent string) error {
		t.Helper()
		if _, err := w.broker.CreateAgent(w.ctx, admin, broker.AgentSpec{Name: agent}); err != nil {
			t.Fatal(err)
		}
		return b.GrowTrail(w.ctx, true)
	}
	covered := func() int64 {
		t.Helper()
		state, err := store.AuditTrail(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return state.Checkpoint
	}
	if err := grow(w.broker, "scout-1"); err != nil {
		t.Fatal(err)
	}
	before := covered()
	store.lie = true
	if err := grow(w.broker, "scout-2"); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable || covered() != before {
		t.Errorf("it signed %d events that somebody rewrote: %v", covered(), err)
	}
	restarted := broker.New(broker.Options{Store: store, AuditKey: key})
	if err := restarted.GrowTrail(w.ctx, true); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable ||
		covered() != before {
		t.Errorf("after a restart it signed %d events that do not fit the checkpoint: %v", covered(), err)
	}
	store.lie = false
	if err := restarted.GrowTrail(w.ctx, true); err != nil || covered() != before+1 {
		t.Errorf("the trail as it was is signed up to %d: %v", covered(), err)
	}
}
