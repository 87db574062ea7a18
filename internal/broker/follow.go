package broker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// MaxFollowWait is how long one question about new audit events waits.
const MaxFollowWait = 30 * time.Second

const (
	followPage   = 500   // events that are read at once
	mostFollowed = 10000 // events that one question looks at
	maxFollowers = 100   // questions that wait at once
)

// followers counts the questions that wait.
type followers struct{ waiting atomic.Int64 }

// begin counts one more. Codes: throttled.
func (f *followers) begin() (end func(), err error) {
	end = func() { f.waiting.Add(-1) }
	if f.waiting.Add(1) > maxFollowers {
		end()
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "too many clients follow the audit trail").
			WithHint("follow it with fewer, or send it elsewhere with --audit-otlp-endpoint")
	}
	return end, nil
}

// FollowTrail returns events that the filter selects, in the order of the trail, from a sequence on, and the sequence to
// go on with. -1 is the end of the trail. While there is none it waits, at most so long. It returns early after many
// events that the filter does not select. Codes: denied, invalid (the trail is shorter), throttled.
func (b *Broker) FollowTrail(
	ctx context.Context, who rolebroker.Caller, from int64, filter rolebroker.AuditFilter, wait time.Duration,
) (found []rolebroker.AuditRecord, next int64, err error) {
	if err := b.May(ctx, who, rolebroker.ActionAuditList); err != nil {
		return nil, from, err
	}
	if err := checkAuditFilter(&filter); err != nil {
		return nil, from, err
	}
	state, err := b.store.AuditTrail(ctx)
	switch {
	case err != nil:
		return nil, from, err
	case from < 0:
		from = state.Size
	case from > state.Size:
		return nil, from, invalid("the question", "from_sequence", "the audit trail has no event before that: it is shorter")
	}
	end, err := b.followers.begin()
	if err != nil {
		return nil, from, err
	}
	defer end()
	waiting, stop := context.WithTimeout(ctx, min(wait, MaxFollowWait))
	defer stop()
	for next = from; next < from+mostFollowed; {
		grown := b.growth.next()
		page, err := b.store.PlacedEvents(context.WithoutCancel(ctx), next, followPage)
		if err != nil {
			return nil, from, err
		}
		for _, r := range page {
			if next = r.Sequence + 1; trail.Selects(filter, r.Record) {
				found = append(found, r)
			}
		}
		if len(found) > 0 || waiting.Err() != nil {
			break
		}
		if len(page) < followPage {
			select {
			case <-grown:
			case <-waiting.Done():
			}
		}
	}
	return found, next, nil
}
