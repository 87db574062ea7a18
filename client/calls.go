package client

import (
	"context"
	"io"
	"iter"
	"maps"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker/api"
)

const (
	callsPath   = "/api/v1/calls"
	myCallsPath = "/v1/calls" // for agents
)

// Call reads a call through the gateway.
func (c *Client) Call(ctx context.Context, id string) (api.Call, error) {
	return get[api.Call](ctx, c, at(callsPath).member("call", id))
}

// Calls lists a page of the calls through the gateway, the newest first. With an agent token they are that agent's.
func (c *Client) Calls(ctx context.Context, filter api.CallFilter, l List) (api.List[api.Call], error) {
	q := l.query()
	maps.Copy(q, callQuery(filter).values())
	return send[api.List[api.Call]](ctx, c, request{method: http.MethodGet, place: c.calls(), query: q})
}

// AllCalls lists the calls that the filter selects, the newest first. With an agent token they are that agent's.
func (c *Client) AllCalls(ctx context.Context, filter api.CallFilter) iter.Seq2[api.Call, error] {
	r := request{method: http.MethodGet, place: c.calls(), query: callQuery(filter).values()}
	return pages[api.Call](ctx, c, r, List{Limit: api.MaxLimit}, maxList)
}

// calls is where the caller lists calls.
func (c *Client) calls() place {
	if c.OfAgent() {
		return at(myCallsPath)
	}
	return at(callsPath)
}

func callQuery(filter api.CallFilter) query {
	q := query{"agent": filter.Agent, "role": filter.Role, "session": filter.Session, "request": filter.Request,
		"service": filter.Service, "operation": filter.Operation, "level": filter.Level, "decision": filter.Decision}
	q.addTimes(filter.Since, filter.Until)
	return q
}

// ExportCalls writes calls as lines of JSON, the oldest first: those that began from one time until before another. A zero
// since is the first call; a zero until is now.
func (c *Client) ExportCalls(ctx context.Context, since, until time.Time, to io.Writer) error {
	q := query{}
	q.addTimes(since, until)
	return c.export(ctx, request{method: http.MethodGet, place: at(callsPath).under("export"), query: q.values(),
		accept: api.CallExportType}, to)
}
