package broker

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

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
