package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker/api"
)

const (
	apiKeysPath  = "/api/v1/api-keys"
	sessionsPath = "/api/v1/sessions"
)

// Platform reads who the deployment is in AWS, and what it can do.
func (c *Client) Platform(ctx context.Context) (api.Platform, error) {
	return get[api.Platform](ctx, c, at("/api/v1/platform"))
}

// Sessions lists a page of sessions, the newest first.
func (c *Client) Sessions(ctx context.Context, filter api.SessionFilter, l List) (api.List[api.Session], error) {
	q := l.query()
	maps.Copy(q, sessionQuery(filter).values())
	return send[api.List[api.Session]](ctx, c, request{method: http.MethodGet, place: at(sessionsPath), query: q})
}

func sessionQuery(filter api.SessionFilter) query {
	q := query{"agent": filter.Agent, "integration": filter.Integration, "role": filter.Role,
		"token": filter.Token, "request": filter.Request, "account": filter.Account}
	if filter.Live {
		q["live"] = "true"
	}
	q.addTimes(filter.Since, filter.Until)
	if !filter.At.IsZero() {
		q["at"] = filter.At.UTC().Format(time.RFC3339Nano)
	}
	return q
}

// addTimes adds the bounds of a time, unless they are zero.
func (q query) addTimes(since, until time.Time) {
	for name, at := range map[string]time.Time{"since": since, "until": until} {
		if !at.IsZero() {
			q[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
}

// Session reads a session by its ID, with what explains it.
func (c *Client) Session(ctx context.Context, id string) (api.SessionDetails, error) {
	return get[api.SessionDetails](ctx, c, at(sessionsPath).member("session", id))
}

// AllSessions lists the sessions that the filter selects, the newest first.
func (c *Client) AllSessions(ctx context.Context, filter api.SessionFilter) iter.Seq2[api.Session, error] {
	r := request{method: http.MethodGet, place: at(sessionsPath), query: sessionQuery(filter).values()}
	return pages[api.Session](ctx, c, r, List{Limit: api.MaxLimit}, maxList)
}

// auditQuery has everything of a filter but the times.
func auditQuery(filter api.AuditFilter) query {
	return query{"actor": filter.Actor, "action": filter.Action, "subject": filter.Subject, "outcome": filter.Outcome,
		"token": filter.Token, "address": filter.Address, "request_id": filter.Request}
}

// AllAuditEvents lists the audit events that the filter selects, the newest first.
func (c *Client) AllAuditEvents(ctx context.Context, filter api.AuditFilter) iter.Seq2[api.AuditEvent, error] {
	q := auditQuery(filter)
	q.addTimes(filter.Since, filter.Until)
	r := request{method: http.MethodGet, place: at("/api/v1/audit-events"), query: q.values()}
	return pages[api.AuditEvent](ctx, c, r, List{Limit: api.MaxLimit}, maxList)
}

// EndSession ends a session: nobody is given its credentials again. The answer has
// the policy that ends them in AWS too. Codes: conflict
// (its credentials have expired, or it never had any).
func (c *Client) EndSession(ctx context.Context, id string, r api.EndSessionRequest) (api.EndedSession, error) {
	var body any // earlier servers take none
	if r != (api.EndSessionRequest{}) {
		body = r
	}
	return post[api.EndedSession](ctx, c, at(sessionsPath).member("session", id).under("end"), body)
}

// EndedSession reads a session that was ended, with what is still open now. It
// changes nothing. Codes: conflict (nobody ended it).
func (c *Client) EndedSession(ctx context.Context, id string) (api.EndedSession, error) {
	return get[api.EndedSession](ctx, c, at(sessionsPath).member("session", id).under("cut-off"))
}

// EndSessions ends all sessions of an agent, for a role, or of an agent for a role.
func (c *Client) EndSessions(ctx context.Context, which api.EndSessionsRequest) (api.EndedSessions, error) {
	return post[api.EndedSessions](ctx, c, at(sessionsPath).under("end"), which)
}

// APIKeys lists a page of the keys to the management API, by ID.
func (c *Client) APIKeys(ctx context.Context, l List) (api.List[api.APIKey], error) {
	return list[api.APIKey](ctx, c, at(apiKeysPath), l)
}

// AllAPIKeys lists the keys to the management API, by ID.
func (c *Client) AllAPIKeys(ctx context.Context) iter.Seq2[api.APIKey, error] {
	return all[api.APIKey](ctx, c, at(apiKeysPath), List{})
}

// CreateAPIKey makes a key; the answer is the only one that has it.
func (c *Client) CreateAPIKey(ctx context.Context, k api.APIKeyRequest) (api.NewAPIKey, error) {
	return post[api.NewAPIKey](ctx, c, at(apiKeysPath), k)
}

// DeleteAPIKey removes a key. The last admin key that never expires stays
// (CodeConflict).
func (c *Client) DeleteAPIKey(ctx context.Context, id string) error {
	return c.remove(ctx, at(apiKeysPath).member("API key", id), "")
}
