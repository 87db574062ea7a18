package runner

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// record is what the server knows and remembers, as the broker's Records.
type record struct {
	link  *link
	spool *spool
	grace time.Duration // how long what was authorised goes on without the server
	now   func() time.Time
	log   *slog.Logger

	forget func(rolebroker.Change) // told of changes; set once, before anything is asked
	heard  atomic.Int64            // Unix milliseconds: when the stream of events last said something; 0: never
	up     atomic.Bool             // the stream is open

	mu         sync.Mutex
	authorised map[authorisation]struct{}
}

// authorisation is what the server allowed once: the same session again is the
// renewal of it.
type authorisation struct {
	agent       rolebroker.AgentID
	integration rolebroker.IntegrationID
	role        rolebroker.RoleID
	arn         rolebroker.RoleARN
	sessionName string
}

func authorisationOf(s *rolebroker.Session) authorisation {
	return authorisation{s.Agent, s.Integration, s.Role, s.ARN, s.SessionName}
}

// Subscribe is called by the lender, before anything is asked.
func (r *record) Subscribe(tell func(rolebroker.Change)) { r.forget = tell }

// alsoTell has another one told of changes, before anything is asked.
func (r *record) alsoTell(other func(rolebroker.Change)) {
	first := r.forget
	r.forget = func(c rolebroker.Change) { first(c); other(c) }
}

// Watching says whether what is remembered may be used: changes are heard of,
// or were until a moment ago that is within the grace.
func (r *record) Watching() bool {
	heard := r.heard.Load()
	silence := time.Duration(r.now().UnixMilli()-heard) * time.Millisecond
	return heard != 0 && (silence < r.grace || r.up.Load() && silence < 3*api.Heartbeat)
}

// hear takes one event of the stream.
func (r *record) hear(e api.RunnerEvent) {
	if e.Hello != nil { // what changed before it was not heard of
		r.forget(rolebroker.Change{})
		r.up.Store(true)
	}
	if e.Change != nil {
		r.forget(rolebroker.Change{Agent: rolebroker.AgentID(e.Change.Agent), Integration: rolebroker.IntegrationID(e.Change.Integration)})
	}
	r.heard.Store(r.now().UnixMilli())
}

// lost says that the stream has ended.
func (r *record) lost() { r.up.Store(false) }

// isOutage says whether the server could not answer, as opposed to refusing.
func isOutage(err error) bool {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeUnavailable, rolebroker.CodeInternal, rolebroker.CodeThrottled:
		return true
	}
	return false
}

// away says why something cannot be answered while the server is away.
func (r *record) away(err error) error {
	if !isOutage(err) {
		return err
	}
	heard := r.heard.Load()
	e := rolebroker.AsError(err)
	away := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err}
	switch since := time.UnixMilli(heard).UTC(); {
	case heard == 0:
		away.Message = "the runner has not reached its server yet: " + e.Message
	case r.Watching():
		away.Message = fmt.Sprintf("the runner cannot reach its server since %s; until %s only what was authorised before goes on, and this was not",
			since.Format(time.RFC3339), since.Add(r.grace).Format(time.RFC3339))
	default:
		away.Message = fmt.Sprintf("the runner cannot reach its server since %s, and the grace of %s is over", since.Format(time.RFC3339), rolebroker.ShortDuration(r.grace))
	}
	away.Hint = "look at the server, and at the way from the cluster to it; the runner's log has the cause"
	return away
}

// Token finds what is known of an agent's token. Codes: not_found, unavailable.
func (r *record) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	t, err := ask(ctx, r.link, func(ctx context.Context, c *client.Client) (api.TokenRecord, error) {
		return c.TokenRecord(ctx, string(id))
	})
	if err != nil {
		return nil, r.away(err)
	}
	return tokenOf(t), nil
}

// Grants is what an agent may borrow from. Codes: not_found, unavailable.
func (r *record) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	g, err := ask(ctx, r.link, func(ctx context.Context, c *client.Client) (api.Grants, error) { return c.Grants(ctx, string(id)) })
	if err != nil {
		return nil, r.away(err)
	}
	grants, err := grantsOf(g)
	if err != nil {
		return nil, err
	}
	grants.Runner, _ = r.link.me()
	return grants, nil
}

// RecordSession has the server authorise and record a session. While it is away
// the renewal of one that it authorised is written down here, on disk, to be
// told later.
func (r *record) RecordSession(ctx context.Context, s *rolebroker.Session) error {
	session := showSession(s)
	err := tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.BeginSession(ctx, session) })
	switch key := authorisationOf(s); {
	case err == nil:
		r.authorise(key)
		return nil
	case !isOutage(err):
		r.withdraw(key)
		return err
	case !r.isAuthorised(key) || !r.Watching():
		return r.away(err)
	}
	session.Late = true
	if err := r.spool.add(entry{Begin: &session}); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the session cannot be written down, so it is not begun: %w", err)
	}
	r.log.Warn("the server is away; a session that it authorised is renewed, and told later", "session", s.ID, "agent", s.AgentName, "role", s.IntegrationName+"/"+s.RoleName)
	return nil
}

func (r *record) authorise(key authorisation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.authorised[key] = struct{}{}
}

func (r *record) withdraw(key authorisation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.authorised, key)
}

func (r *record) isAuthorised(key authorisation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.authorised[key]
	return ok
}

// FinishSession tells the server what came of a session, now or later.
func (r *record) FinishSession(ctx context.Context, s *rolebroker.Session) error {
	outcome := api.SessionOutcome{State: string(s.State), ExpiresAt: s.ExpiresAt, AccessKeyID: s.AccessKeyID, RequestID: s.RequestID, Failure: s.Failure}
	if !r.spool.has(string(s.ID)) { // else the server does not know of it yet
		err := tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.FinishSession(ctx, string(s.ID), outcome) })
		if !isOutage(err) {
			return err
		}
	}
	return r.spool.add(entry{ID: string(s.ID), Finish: &outcome})
}

// deliver tells what the server was not told yet, in the order in which it
// happened, until it cannot be reached.
func (r *record) deliver(ctx context.Context) error {
	for {
		e, ok := r.spool.first()
		if !ok {
			return nil
		}
		err := tell(ctx, r.link, func(ctx context.Context, c *client.Client) error {
			if e.Begin != nil {
				return c.BeginSession(ctx, *e.Begin)
			}
			return c.FinishSession(ctx, e.ID, *e.Finish)
		})
		if isOutage(err) {
			return err
		}
		if err != nil { // it will not be taken later either
			r.log.Error("the server does not take what happened while it was away", "session", sessionOf(e), "reason", err)
		}
		if err := r.spool.told(); err != nil {
			return err
		}
	}
}

func sessionOf(e entry) string {
	if e.Begin != nil {
		return e.Begin.ID
	}
	return e.ID
}

// RecordFetches tells how often sessions were handed out. What cannot be told is
// kept by the caller.
func (r *record) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	if len(fetches) == 0 {
		return nil
	}
	use := api.Use{}
	for _, f := range fetches {
		use.Fetches = append(use.Fetches, api.Fetch{Session: string(f.Session), Count: f.Count, Last: f.Last})
	}
	return tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.RecordUse(ctx, use) })
}

// RecordTokenUse tells when tokens were last used.
func (r *record) RecordTokenUse(ctx context.Context, usedAt map[rolebroker.TokenID]time.Time) error {
	if len(usedAt) == 0 {
		return nil
	}
	use := api.Use{Tokens: map[string]time.Time{}}
	for id, at := range usedAt {
		use.Tokens[string(id)] = at
	}
	return tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.RecordUse(ctx, use) })
}
