package broker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/trail"
)

const (
	// growBatch is how many events get their places in one transaction.
	growBatch = 500
	// checkpointEvery is the least time between two checkpoints.
	checkpointEvery = 10 * time.Second
)

// growth is what the last run of GrowTrail saw, for the metrics.
type growth struct {
	seen atomic.Pointer[rolebroker.AuditTrail]
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

// GrowTrail gives the events that wait their places in the audit trail, and signs a checkpoint of it if it grew; not
// sooner than checkpointEvery after the one before, unless it is the final run. Several servers may call it at the same
// time.
func (b *Broker) GrowTrail(ctx context.Context, final bool) error {
	for {
		state, err := b.store.AuditTrail(ctx)
		if err != nil {
			return err
		}
		b.growth.seen.Store(&state)
		due := b.auditKey != nil && (final || !b.now().Before(state.CheckpointAt.Add(checkpointEvery)))
		if state.Waiting == 0 && (!due || state.Size == state.Checkpoint) {
			return nil
		}
		_, err = b.store.GrowTrail(ctx, growBatch, b.now(), func(t trail.Tree) (string, error) {
			if !due || state.Waiting > growBatch {
				return "", nil
			}
			return b.auditKey.Sign(t)
		})
		if err != nil {
			return err
		}
	}
}

// OthersSign reports whether the newest checkpoint of the audit trail is signed by a key that this server does not have.
func (b *Broker) OthersSign(ctx context.Context) (bool, error) {
	last, err := b.store.LastCheckpoint(ctx)
	return err == nil && last.Signed != "" && (b.auditKey == nil || !b.auditKey.Signed(last.Signed)), err
}

// AuditEvents lists audit events, the newest first. Names in the filter are those at the time. Codes: denied, invalid
// (until is not after since; an outcome that there is not).
func (b *Broker) AuditEvents(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.AuditFilter, page rolebroker.Page,
) ([]rolebroker.AuditRecord, error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditList); err != nil {
		return nil, err
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return nil, invalid("the filter", "until", "must be after since")
	}
	return b.store.AuditEvents(ctx, filter, page)
}
