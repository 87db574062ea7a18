package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Sessions lists sessions, the newest first. Codes: denied.
func (b *Broker) Sessions(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page,
) ([]rolebroker.Session, error) {
	if err := b.May(ctx, who, rolebroker.ActionSessionList); err != nil {
		return nil, err
	}
	return b.store.Sessions(ctx, filter, page)
}

// sessionsPerDeletion bounds one deletion, so that it does not block the database for long.
const sessionsPerDeletion = 1000

// ForgetSessions deletes the records of sessions that ended before a time, and returns how many.
func (b *Broker) ForgetSessions(ctx context.Context, endedBefore time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteSessions(ctx, endedBefore, sessionsPerDeletion)
		total += n
		if err != nil || n < sessionsPerDeletion {
			return total, err
		}
	}
}
