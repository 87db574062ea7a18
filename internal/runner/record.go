package runner

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// record is what the server knows and remembers, as the lender's Records.
type record struct {
	link  *link
	spool *spool
	grace time.Duration // how long what was authorised goes on without the server
	now   func() time.Time
	log   *slog.Logger

	forget func(rolebroker.Change)   // told of changes; set once, before anything is asked
	heard  atomic.Pointer[time.Time] // when the stream of events last said something; nil: never
	up     atomic.Bool               // the stream is open

	delivering chan struct{} // has an element while one sends what was spooled

	mu         sync.Mutex
	authorised map[authorisation]time.Time // when the server last said so
}

const (
	// keepAuthorised is longer than a session and a grace together: what is older
	// is no renewal.
	keepAuthorised = 48 * time.Hour
	maxAuthorised  = 20_000
)

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

// Watching says whether what is remembered may be used: changes are heard of, or
// the server is away, and they were until a moment ago that is within the grace.
// While it answers, but tells nothing of changes, it is asked each time.
func (r *record) Watching() bool {
	if r.up.Load() && r.silence() < 3*api.Heartbeat {
		return true
	}
	return r.link.has(isAway) && r.isInGrace()
}

// isInGrace says whether what was authorised may go on without the server.
func (r *record) isInGrace() bool { return r.silence() < r.grace }

// silence is how long nothing was heard of changes. It is the longer of what two
// clocks say: one may be set back, and the other stops while the machine sleeps.
func (r *record) silence() time.Duration {
	heard := r.heard.Load()
	if heard == nil {
		return math.MaxInt64
	}
	now := r.now()
	return max(now.Sub(*heard), now.Round(0).Sub(heard.Round(0)), 0)
}

// hear takes one event of the stream.
func (r *record) hear(e api.RunnerEvent) {
	if e.Hello != nil { // what changed before it was not heard of
		r.forget(rolebroker.Change{})
	}
	if e.Change != nil {
		r.forget(rolebroker.Change{Agent: rolebroker.AgentID(e.Change.Agent), Integration: rolebroker.IntegrationID(e.Change.Integration)})
	}
	now := r.now()
	r.heard.Store(&now)
	r.up.Store(true)
}

// lost says that the stream has ended.
func (r *record) lost() { r.up.Store(false) }

// away says why something cannot be answered while the server is away, or does
// not know this runner: that is no fault of the agent's.
func (r *record) away(err error) error {
	e := rolebroker.AsError(err)
	away := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err, Hint: rolebroker.Hintf("look at the server, and at the way from the cluster to it; the runner's log has the cause")}
	heard := r.heard.Load()
	switch {
	case isUnknown(err):
		away.Message, away.Hint = "the server refuses this runner: "+e.Message, e.Hint
	case !rolebroker.IsOutage(err) || r.up.Load() || heard != nil && !r.link.has(isAway):
		return err
	case heard == nil:
		away.Message = "the runner has not reached its server yet: " + e.Message
	case r.isInGrace():
		away.Message = fmt.Sprintf("the runner cannot reach its server since %s; until %s only what was authorised before goes on, and this was not",
			heard.UTC().Format(time.RFC3339), heard.Add(r.grace).UTC().Format(time.RFC3339))
	default:
		away.Message = fmt.Sprintf("the runner cannot reach its server since %s, and the grace of %s is over", heard.UTC().Format(time.RFC3339), rolebroker.ShortDuration(r.grace))
	}
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
	return convert.FromTokenRecord(t), nil
}

// Grants is what an agent may borrow from. Codes: not_found, unavailable.
func (r *record) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	g, err := ask(ctx, r.link, func(ctx context.Context, c *client.Client) (api.Grants, error) { return c.Grants(ctx, string(id)) })
	if err != nil {
		return nil, r.away(err)
	}
	grants, err := convert.FromGrants(g)
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
	session := convert.RunnerSession(s)
	err := tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.BeginSession(ctx, session) })
	switch key := authorisationOf(s); {
	case err == nil:
		r.authorise(key)
		return nil
	case !rolebroker.IsOutage(err):
		r.withdraw(key)
		return r.away(err)
	case !r.isAuthorised(key) || !r.isInGrace():
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
	now := r.now()
	if len(r.authorised) >= maxAuthorised {
		r.makeRoom(now)
	}
	r.authorised[key] = now
}

// makeRoom forgets what is too old, and if nothing is, some of the rest; r.mu is
// held.
func (r *record) makeRoom(now time.Time) {
	for key, at := range r.authorised {
		if now.Sub(at) >= keepAuthorised {
			delete(r.authorised, key)
		}
	}
	for key := range r.authorised {
		if len(r.authorised) <= maxAuthorised*9/10 {
			return
		}
		delete(r.authorised, key)
	}
}

func (r *record) withdraw(key authorisation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.authorised, key)
}

func (r *record) isAuthorised(key authorisation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.authorised[key]
	return ok && r.now().Sub(at) < keepAuthorised
}

// FinishSession tells the server what came of a session, now or later.
func (r *record) FinishSession(ctx context.Context, s *rolebroker.Session) error {
	outcome := convert.SessionOutcome(s)
	if !r.spool.has(string(s.ID)) { // else the server does not know of it yet
		err := tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.FinishSession(ctx, string(s.ID), outcome) })
		if !rolebroker.IsOutage(err) {
			return err
		}
	}
	return r.spool.add(entry{ID: string(s.ID), Finish: &outcome})
}

// deliver tells what the server was not told yet, in the order in which it
// happened, until it cannot be reached.
func (r *record) deliver(ctx context.Context) error {
	select { // of two at once one would drop what the other has not told
	case r.delivering <- struct{}{}:
		defer func() { <-r.delivering }()
	case <-ctx.Done():
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the server was not told what happened while it was away: %w", ctx.Err())
	}
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
		if rolebroker.IsOutage(err) {
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

// maxUses bounds what is told of use in one request, which is bounded, too.
const maxUses = 2000

// RecordFetches tells how often sessions were handed out. What cannot be told is
// kept by the caller; of a long list that may be told in part again.
func (r *record) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	for some := range slices.Chunk(fetches, maxUses) {
		use := api.Use{}
		for _, f := range some {
			use.Fetches = append(use.Fetches, api.Fetch{Session: string(f.Session), Count: f.Count, Last: f.Last})
		}
		if err := r.tellUse(ctx, use); err != nil {
			return err
		}
	}
	return nil
}

// RecordTokenUse tells when tokens were last used.
func (r *record) RecordTokenUse(ctx context.Context, usedAt map[rolebroker.TokenID]time.Time) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(usedAt)), maxUses) {
		use := api.Use{Tokens: map[string]time.Time{}}
		for _, id := range some {
			use.Tokens[string(id)] = usedAt[id]
		}
		if err := r.tellUse(ctx, use); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) tellUse(ctx context.Context, use api.Use) error {
	return tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.RecordUse(ctx, use) })
}
