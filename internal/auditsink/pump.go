package auditsink

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// Sink is a receiver of the audit trail.
type Sink interface {
	// Name is the same at every start and on every server, and has no secret.
	Name() string

	// Deliver returns once the batch is safe. After an error it gets the same events again.
	Deliver(ctx context.Context, b Batch) error

	Close() error
}

// Batch is a part of the audit trail.
type Batch struct {
	From        trail.Tree // before the first record
	Records     []rolebroker.AuditRecord
	Checkpoints []rolebroker.AuditCheckpoint // ascending; the first may cover just what From does
}

// each calls the functions in the order of the trail: a checkpoint follows the last record that it covers.
func (b Batch) each(
	record func(*rolebroker.AuditRecord) error, checkpoint func(rolebroker.AuditCheckpoint) error,
) error {
	left := b.Checkpoints
	until := func(size int64) error {
		for len(left) > 0 && left[0].Size <= size {
			if err := checkpoint(left[0]); err != nil {
				return err
			}
			left = left[1:]
		}
		return nil
	}
	for i := range b.Records {
		if err := until(b.Records[i].Sequence); err != nil {
			return err
		}
		if err := record(&b.Records[i]); err != nil {
			return err
		}
	}
	return until(b.From.Size + int64(len(b.Records)))
}

// Store is what a pump needs of the database.
type Store interface {
	ClaimSink(ctx context.Context, name, owner string, now, until time.Time) (*rolebroker.AuditProgress, string, error)
	MoveSink(ctx context.Context, name, owner string, from rolebroker.AuditProgress, to trail.Tree, checkpoint int64) error
	ReleaseSink(ctx context.Context, name, owner string) error
	PlacedEvents(ctx context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error)
	Checkpoints(ctx context.Context, from int64, limit int) ([]rolebroker.AuditCheckpoint, error)
	AuditTrail(ctx context.Context) (rolebroker.AuditTrail, error)
	Trail(ctx context.Context) (trail.Tree, error)
}

// Retry is an error of a receiver that says when to try again.
type Retry struct {
	After time.Duration
	Err   error
}

func (r *Retry) Error() string { return r.Err.Error() }
func (r *Retry) Unwrap() error { return r.Err }

const (
	interval    = time.Second
	lease       = 32 * time.Second // renewed at its half, so that a delivery fits into what is left
	most        = 500              // records in a batch
	longestWait = 30 * time.Second // between two tries, unless the receiver asks for more
	timeout     = 15 * time.Second // of one delivery; below half of the lease
)

// Pump delivers the audit trail to one sink.
type Pump struct {
	Store Store
	Sink  Sink
	Owner string // this server; the same after a restart if no other server can run
	Now   func() time.Time
	Log   *slog.Logger

	lag     atomic.Int64
	failing atomic.Bool
}

// Lag returns how many events have a place in the trail and are not delivered, as of the last look. It is 0 while another
// server delivers.
func (p *Pump) Lag() int64 { return p.lag.Load() }

// Failing reports whether the last try failed.
func (p *Pump) Failing() bool { return p.failing.Load() }

// Run delivers until ctx is done, and then what is left, in one more try.
func (p *Pump) Run(ctx context.Context) {
	wait := interval
	for ctx.Err() == nil {
		err := p.deliverAll(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil:
			if p.failing.Swap(false) {
				p.Log.Info("the audit trail is delivered again", "sink", p.Sink.Name())
			}
			wait = interval
		default:
			if !p.failing.Swap(true) {
				p.Log.Error("the audit trail cannot be delivered; it is tried again", "sink", p.Sink.Name(), "error", err)
			}
			wait = p.backoff(wait, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// Close delivers what is left, in one try, and lets another server go on.
func (p *Pump) Close(ctx context.Context) error {
	err := p.deliverAll(ctx)
	return errors.Join(err, p.Store.ReleaseSink(ctx, p.Sink.Name(), p.Owner), p.Sink.Close())
}

// backoff doubles the wait, or takes what the receiver asks for if that is longer.
func (p *Pump) backoff(wait time.Duration, err error) time.Duration {
	wait = min(2*wait, longestWait)
	if retry, ok := errors.AsType[*Retry](err); ok {
		wait = max(wait, retry.After)
	}
	return wait
}

// deliverAll delivers what has a place in the trail now.
func (p *Pump) deliverAll(ctx context.Context) error {
	for {
		more, err := p.deliver(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// deliver delivers one batch, and says whether there may be more.
func (p *Pump) deliver(ctx context.Context) (more bool, err error) {
	now := p.Now()
	done, edge, err := p.Store.ClaimSink(ctx, p.Sink.Name(), p.Owner, now, now.Add(lease))
	switch {
	case err != nil:
		return false, err // how many wait is not known; it is at least as many as before
	case done == nil: // the server that delivers now may need the file
		p.lag.Store(0)
		return false, p.Sink.Close()
	}
	if more, err = p.skipDeleted(ctx, *done); more || err != nil {
		return more, err
	}
	b, err := p.next(ctx, *done, edge)
	if err != nil || len(b.Records)+len(b.Checkpoints) == 0 {
		return false, err
	}
	delivery, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := p.Sink.Deliver(delivery, b); err != nil {
		return false, err
	}
	tree, checkpoint := b.From, done.Checkpoint
	for _, r := range b.Records {
		tree.Append(r.Record)
	}
	if n := len(b.Checkpoints); n > 0 {
		checkpoint = b.Checkpoints[n-1].Size
	}
	err = p.Store.MoveSink(ctx, p.Sink.Name(), p.Owner, *done, tree, checkpoint)
	p.lag.Add(-int64(len(b.Records)))
	return len(b.Records) == most, err
}

// skipDeleted goes on after what retention deleted before it was delivered, and logs what that was.
func (p *Pump) skipDeleted(ctx context.Context, done rolebroker.AuditProgress) (skipped bool, err error) {
	first, err := p.Store.Trail(ctx)
	if err != nil || first.Size <= done.Size {
		return false, err
	}
	p.Log.Error("events of the audit trail were deleted before they were delivered", "sink", p.Sink.Name(),
		"from", done.Size, "to", first.Size-1)
	return true, p.Store.MoveSink(ctx, p.Sink.Name(), p.Owner, done, first, max(done.Checkpoint, first.Size))
}

// next reads the next batch. Records are read before checkpoints: what covers only records that were read is there then.
func (p *Pump) next(ctx context.Context, done rolebroker.AuditProgress, edge string) (b Batch, err error) {
	if b.From, err = trail.Regrow(done.Size, edge); err != nil {
		return b, err
	}
	state, err := p.Store.AuditTrail(ctx)
	if err != nil {
		return b, err
	}
	p.lag.Store(state.Size - done.Size)
	if b.Records, err = p.Store.PlacedEvents(ctx, done.Size, most); err != nil {
		return b, err
	}
	for i, r := range b.Records {
		if r.Sequence != done.Size+int64(i) {
			return b, rolebroker.Errorf(rolebroker.CodeUnavailable,
				"event %d of the audit trail is missing", done.Size+int64(i))
		}
	}
	size := done.Size + int64(len(b.Records))
	checkpoints, err := p.Store.Checkpoints(ctx, done.Checkpoint+1, most)
	for _, c := range checkpoints {
		if c.Size <= size {
			b.Checkpoints = append(b.Checkpoints, c)
		}
	}
	return b, err
}
