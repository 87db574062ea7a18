package server

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// calls shows agents their calls. It is the containercreds.Calls of a server.
type calls struct{ broker *broker.Broker }

// MyCalls lists a page of the caller's calls, the newest first.
func (c calls) MyCalls(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.CallFilter, limit int, after rolebroker.CallID,
) (api.List[api.Call], error) {
	page := rolebroker.Page{Limit: limit + 1, After: string(after)}
	found, err := c.broker.MyCalls(ctx, who, filter, page)
	if err != nil {
		return api.List[api.Call]{}, err
	}
	answer := api.List[api.Call]{}
	if len(found) > limit {
		found = found[:limit]
		answer.NextCursor = string(found[limit-1].ID)
	}
	answer.Items = convert.All(found, trail.Call)
	return answer, nil
}
