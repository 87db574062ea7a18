package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// Records keeps the records of calls.
type Records interface {
	// RecordCalls stores calls, and the outcomes of those that are stored already, durably. All of them are stored, or
	// none is. The same again changes nothing. An error that is no outage refuses a call that is about to be sent.
	RecordCalls(ctx context.Context, calls []rolebroker.Call) error
}

const (
	// recordTimeout bounds the recording of a call that may change something, before AWS gets it.
	recordTimeout = 10 * time.Second
	// maxUnrecorded bounds the memory of what is not recorded yet, in bytes.
	maxUnrecorded = 8 << 20
	// patience is how long calls that read go on while nothing can be recorded.
	patience = time.Minute
	// recordBatch is how many calls one transaction has.
	recordBatch = 500
	// refusalKinds is how many kinds of refused calls of one agent are told apart.
	refusalKinds = 20
)

// recorder records calls: what may change something before AWS gets it, and all else with the next Flush. What waits for
// that is in memory, and bounded.
type recorder struct {
	records Records // nil: nothing is recorded
	now     func() time.Time
	metrics *metrics
	repeats guard.Repeats[rolebroker.AgentID, refusedKind, rolebroker.Call]

	flushing sync.Mutex // held by Flush

	mu      sync.Mutex
	pending []*record // of which something is not recorded
	size    int       // in bytes, of all records that are not recorded with their outcome
	failing time.Time // since when nothing could be recorded; zero: the last try worked
}

// refusedKind is what refused calls have in common that are recorded as one. The zero value is all kinds that are too
// many.
type refusedKind struct {
	integration        rolebroker.IntegrationID
	role               rolebroker.RoleID
	service, operation string
	code               rolebroker.Code
}

// record is a call as it is known here. The fields are guarded by the recorder.
type record struct {
	call   rolebroker.Call
	queued bool // it is in pending
}

// errUnrecorded refuses a call that cannot be recorded.
var errUnrecorded = rolebroker.Errorf(rolebroker.CodeUnavailable, "the gateway cannot record this call now, so it is not "+
	"sent to AWS").WithHint("try again; the log of the server has the cause")

// begin records that a call begins. If it may change something, begin returns once that is durable. Codes: unavailable;
// those of Records.
func (r *recorder) begin(ctx context.Context, call rolebroker.Call) (*record, error) {
	one := &record{call: call}
	if r.records == nil {
		return one, nil
	}
	if err := r.reserve(&call); err != nil {
		return nil, err
	}
	if !call.Level.Changes() {
		r.queue(one)
		return one, nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := r.records.RecordCalls(ctx, []rolebroker.Call{call}); err != nil {
		r.release(&call)
		if !rolebroker.IsOutage(err) { // a runner's server decides when it records
			return nil, err
		}
		e := *errUnrecorded
		e.Cause = err
		return nil, &e
	}
	return one, nil
}

// errUnrecordedToken refuses an AWS token that cannot be recorded.
var errUnrecordedToken = rolebroker.Errorf(rolebroker.CodeUnavailable,
	"the server cannot record this AWS token now, so it is not handed out").
	WithHint("try again; the log of the server has the cause")

// handOut records an AWS token, durably, whatever it may do. Codes: unavailable.
func (r *recorder) handOut(ctx context.Context, call rolebroker.Call) error {
	if r.records == nil {
		return nil
	}
	if r.reserve(&call) != nil {
		return errUnrecordedToken
	}
	defer r.release(&call)
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	if err := r.records.RecordCalls(ctx, []rolebroker.Call{call}); err != nil {
		e := *errUnrecordedToken
		e.Cause = err
		return &e
	}
	return nil
}

// end notes the outcome of a call that began.
func (r *recorder) end(one *record, with func(*rolebroker.Call)) {
	r.mu.Lock()
	with(&one.call)
	one.call.EndedAt = r.now().UTC()
	r.mu.Unlock()
	r.queue(one)
}

// refuse records a call that AWS does not get: the first of a kind, and those that repeat it once a minute.
func (r *recorder) refuse(call rolebroker.Call) {
	if r.records == nil {
		return
	}
	kind := refusedKind{call.Integration, call.Role, call.Service, call.Operation, call.Code}
	if r.repeats.Add(call.Agent, kind, call, r.now()) {
		r.add(call)
	}
}

// add queues the record of a refused call. If there is no room it is lost, and counted.
func (r *recorder) add(call rolebroker.Call) {
	if r.reserve(&call) != nil {
		r.metrics.lost.Inc()
		return
	}
	r.queue(&record{call: call})
}

// reserve makes room for a record. Codes: unavailable.
func (r *recorder) reserve(call *rolebroker.Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := sizeOf(call)
	if r.size+size > maxUnrecorded || !r.failing.IsZero() && r.now().Sub(r.failing) > patience {
		return errUnrecorded
	}
	r.size += size
	return nil
}

func (r *recorder) release(call *rolebroker.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size -= sizeOf(call)
}

// sizeOf is about what a record costs in memory. It is the same before and after the outcome.
func sizeOf(call *rolebroker.Call) int {
	size := 1 << 10
	for _, resource := range call.Resources {
		size += len(resource)
	}
	return size
}

func (r *recorder) queue(one *record) {
	if r.records == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !one.queued {
		one.queued = true
		r.pending = append(r.pending, one)
	}
}

// flush records what waits; with all, also the refusals that were only counted.
func (r *recorder) flush(ctx context.Context, all bool) error {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	if r.records == nil {
		return nil
	}
	for _, repeat := range r.repeats.Due(r.now(), all) {
		call := repeat.What
		call.Times = repeat.Times
		r.add(call)
	}
	for {
		batch, calls := r.take()
		if len(batch) == 0 {
			return nil
		}
		err := r.records.RecordCalls(ctx, calls)
		r.settle(batch, calls, err)
		if err != nil {
			return err
		}
	}
}

// take takes the next records, as they are now.
func (r *recorder) take() (batch []*record, calls []rolebroker.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(len(r.pending), recordBatch)
	batch = r.pending[:n:n]
	r.pending = r.pending[n:]
	for _, one := range batch {
		one.queued = false
		calls = append(calls, one.call)
	}
	return batch, calls
}

// settle forgets what was recorded with its outcome. If nothing was recorded, it waits again.
func (r *recorder) settle(batch []*record, calls []rolebroker.Call, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.failing = time.Time{}
	case r.failing.IsZero():
		r.failing = r.now()
	}
	for i, one := range batch {
		switch over := calls[i].Outcome() != rolebroker.OutcomeUnknown; {
		case err == nil && over:
			r.size -= sizeOf(&calls[i])
		case err != nil && !one.queued:
			one.queued = true
			r.pending = append(r.pending, one)
		}
	}
}
