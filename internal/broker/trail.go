package broker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/trail"
)

const (
	// growBatch is how many events get their places in one transaction.
	growBatch = 500
	// checkpointEvery is the most time between two checkpoints while events never cease.
	checkpointEvery = 10 * time.Second
)

// growth is what the last run of GrowTrail saw.
type growth struct {
	seen atomic.Pointer[rolebroker.AuditTrail]
	tree *trail.Tree // that this server signed or followed last; nil since its start

	mu    sync.Mutex
	grown chan struct{} // closed when the trail has grown; nil: nobody waits
}

// next returns a channel that is closed when the trail grows.
func (g *growth) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.grown == nil {
		g.grown = make(chan struct{})
	}
	return g.grown
}

// note keeps the state of the trail, and tells those who wait that it has grown.
func (g *growth) note(state *rolebroker.AuditTrail) {
	if before := g.seen.Swap(state); before != nil && before.Size == state.Size {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.grown != nil {
		close(g.grown)
		g.grown = nil
	}
}

func (g *growth) observe(r *prometheus.Registry, now func() time.Time) {
	if r == nil {
		return
	}
	read := func(value func(*rolebroker.AuditTrail) float64) func() float64 {
		return func() float64 {
			if seen := g.seen.Load(); seen != nil {
				return value(seen)
			}
			return 0
		}
	}
	r.Gauge("rolebroker_audit_trail_size", "Events that have a place in the audit trail.",
		read(func(t *rolebroker.AuditTrail) float64 { return float64(t.Size) }))
	r.Gauge("rolebroker_audit_events_waiting", "Events without a place in the audit trail yet, up to 1001.",
		read(func(t *rolebroker.AuditTrail) float64 { return float64(t.Waiting) }))
	r.Gauge("rolebroker_audit_events_unsigned", "Events that no signed checkpoint of the audit trail covers yet.",
		read(func(t *rolebroker.AuditTrail) float64 { return float64(t.Size - t.Checkpoint + t.Waiting) }))
	r.Gauge("rolebroker_audit_checkpoint_age_seconds",
		"Time since the newest checkpoint of the audit trail was signed; 0 if there is none.",
		read(func(t *rolebroker.AuditTrail) float64 {
			if t.CheckpointAt.IsZero() {
				return 0
			}
			return now().Sub(t.CheckpointAt).Seconds()
		}))
}

// GrowTrail gives the events that wait their places in the audit trail. It signs a checkpoint of what was placed before
// if no event waits, if checkpointEvery has passed, or if it is the final run. Several servers may call it at the same
// time, and one server not.
func (b *Broker) GrowTrail(ctx context.Context, final bool) error {
	for quiet := true; ; quiet = false {
		state, err := b.store.AuditTrail(ctx)
		if err != nil {
			return err
		}
		b.growth.note(&state)
		if state.Waiting == 0 {
			if b.auditKey == nil || state.Size == state.Checkpoint ||
				!final && !quiet && b.now().Before(state.CheckpointAt.Add(checkpointEvery)) {
				return nil
			}
			return b.signTrail(ctx, state.Size)
		}
		nothing := func(trail.Tree) (string, error) { return "", nil }
		if _, err = b.store.GrowTrail(ctx, growBatch, b.now(), nothing); err != nil {
			return err
		}
	}
}

// errRewritten says that someone changed what this server has seen of the audit trail.
var errRewritten = rolebroker.Errorf(rolebroker.CodeUnavailable,
	"the audit trail in the database is not the one that was signed before; it is not signed").
	WithHint("rolebroker audit verify")

// signTrail signs a checkpoint. It hashes itself the records that were placed since the one before, so that it signs
// no history that somebody wrote into the database.
func (b *Broker) signTrail(ctx context.Context, size int64) error {
	tree, err := b.signedTree(ctx)
	for err == nil && tree.Size < size {
		tree, err = b.follow(ctx, tree, int(min(growBatch, size-tree.Size)))
	}
	if err != nil {
		return err
	}
	b.growth.tree = &tree
	_, err = b.store.GrowTrail(ctx, 0, b.now(), func(stored trail.Tree) (string, error) {
		switch {
		case stored.Size > tree.Size:
			return "", nil // another server placed some more
		case stored.Size < tree.Size || stored.Root() != tree.Root():
			return "", errRewritten
		}
		return b.auditKey.Sign(tree)
	})
	if err == nil {
		state, _ := b.store.AuditTrail(ctx) // for the metrics only
		b.growth.note(&state)
	}
	return err
}

// signedTree returns the tree that this server signed or followed last; after its start, that of the newest checkpoint
// that its key signed.
func (b *Broker) signedTree(ctx context.Context) (trail.Tree, error) {
	if b.growth.tree != nil {
		return *b.growth.tree, nil
	}
	last, err := b.store.LastCheckpoint(ctx)
	if err != nil || last.Signed == "" || !b.auditKey.Signed(last.Signed) {
		tree, baseErr := b.store.Trail(ctx)
		return tree, errors.Join(err, baseErr)
	}
	signed, err := trail.ReadCheckpoint(last.Signed)
	if err != nil {
		return trail.Tree{}, err
	}
	tree, err := b.store.TreeAt(ctx, signed.Size)
	if err == nil && tree.Root() != signed.Root {
		err = errRewritten
	}
	return tree, err
}

// follow appends the next records to a tree.
func (b *Broker) follow(ctx context.Context, tree trail.Tree, limit int) (trail.Tree, error) {
	page, err := b.store.PlacedEvents(ctx, tree.Size, limit)
	if err == nil && len(page) == 0 {
		err = errRewritten
	}
	for _, r := range page {
		if r.Sequence != tree.Size {
			return tree, errRewritten
		}
		tree.Append(r.Record)
	}
	return tree, err
}

// AuditTrail returns the state of the audit trail and its newest checkpoint; without a key that signs, an unsigned one
// of now. Codes: denied.
func (b *Broker) AuditTrail(
	ctx context.Context, who rolebroker.Caller,
) (state rolebroker.AuditTrail, checkpoint rolebroker.AuditCheckpoint, err error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditExport); err != nil {
		return state, checkpoint, err
	}
	if state, err = b.store.AuditTrail(ctx); err != nil {
		return state, checkpoint, err
	}
	if state.Checkpoint > 0 || b.auditKey != nil {
		checkpoint, err = b.store.LastCheckpoint(ctx)
		return state, checkpoint, err
	}
	tree, err := b.store.TreeAt(ctx, state.Size)
	unsigned := trail.Checkpoint{Origin: "rolebroker-unsigned", Size: tree.Size, Root: tree.Root()}
	return state, rolebroker.AuditCheckpoint{Size: tree.Size, Signed: unsigned.Unsigned()}, err
}

// TrailState returns the state of the audit trail. It reads little. Codes: denied.
func (b *Broker) TrailState(ctx context.Context, who rolebroker.Caller) (state rolebroker.AuditTrail, err error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditList); err != nil {
		return state, err
	}
	return b.store.AuditTrail(ctx)
}

// ExportTrail returns a function that writes the audit trail: from the event with a sequence, or the first of a time or
// later. -1 is the first event that is still there. Codes: denied, invalid (there is no such event).
func (b *Broker) ExportTrail(
	ctx context.Context, who rolebroker.Caller, from int64, since time.Time,
) (write func(*trail.Exporter) error, err error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditExport); err != nil {
		return nil, err
	}
	state, err := b.store.AuditTrail(ctx)
	if err != nil {
		return nil, err
	}
	if from, err = trailStart(ctx, b.store, state.Size, from, since); err != nil {
		return nil, err
	}
	if _, err := b.store.TreeAt(ctx, from); err != nil {
		return nil, err
	}
	return func(to *trail.Exporter) error { return trail.Export(ctx, b.store, from, state.Size, to) }, nil
}

// trailStart returns the sequence with which an export begins.
func trailStart(ctx context.Context, s auditStore, size, from int64, since time.Time) (int64, error) {
	switch {
	case from >= 0:
		return from, nil
	case !since.IsZero():
		return s.SequenceSince(ctx, since, size)
	}
	base, err := s.Trail(ctx)
	return base.Size, err
}

// forgetBatch is how many audit events are deleted in one transaction.
const forgetBatch = 5000

// ForgetEvents deletes the audit events of before a time from the front of the audit trail. What remains can be
// verified. Each transaction leaves an event.
func (b *Broker) ForgetEvents(ctx context.Context, before time.Time) (total int64, err error) {
	for {
		var event rolebroker.AuditEvent
		deleted, err := b.store.ForgetEvents(ctx, before, forgetBatch, func(from, to int64) rolebroker.AuditEvent {
			event = b.event(rolebroker.Caller{Name: "audit-retention"}, rolebroker.ActionAuditForget, nil,
				rolebroker.Facts{"first_sequence": fmt.Sprint(from), "events": fmt.Sprint(to - from),
					"before": before.UTC().Format(time.RFC3339)})
			return event
		})
		total += deleted
		if err != nil || deleted == 0 {
			return total, err
		}
		b.logEvent(ctx, &event)
	}
}

// OthersSign reports whether a key that this server does not have signed the newest checkpoint of the audit trail.
func (b *Broker) OthersSign(ctx context.Context) (bool, error) {
	last, err := b.store.LastCheckpoint(ctx)
	return err == nil && last.Signed != "" && (b.auditKey == nil || !b.auditKey.Signed(last.Signed)), err
}

// AuditEvents lists audit events, the newest first. Names in the filter are those at the time. Codes: denied, invalid
// (until is not after since; what cannot be an ID or an address).
func (b *Broker) AuditEvents(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.AuditFilter, page rolebroker.Page,
) ([]rolebroker.AuditRecord, error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditList); err != nil {
		return nil, err
	}
	if err := checkAuditFilter(&filter); err != nil {
		return nil, err
	}
	return b.store.AuditEvents(ctx, filter, page)
}

// checkAuditFilter writes the address of a filter as events have it. Codes: invalid.
func checkAuditFilter(f *rolebroker.AuditFilter) error {
	const what = "the filter"
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return invalid(what, "until", "must be after since")
	}
	if !rolebroker.IsTokenID(f.Token) && !strings.HasPrefix(f.Token, "rky_") && f.Token != "" {
		return invalid(what, "token", "must be the ID of an agent token, tok_…, of a binding, bnd_…, or of a runner's "+
			"credential, rky_…")
	}
	if _, ok := rolebroker.ParseRequestID(string(f.Request)); !ok && f.Request != "" {
		return invalid(what, "request_id", "must be the ID of a request: at most 64 letters, digits, dots, hyphens and "+
			"underscores")
	}
	if f.Address == "" {
		return nil
	}
	address, err := netip.ParseAddr(f.Address)
	if err != nil {
		return invalid(what, "address", "must be one IP address, as in 192.0.2.7")
	}
	f.Address = address.Unmap().WithZone("").String()
	return nil
}
