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

// record is the server's record, as the lender's Records.
type record struct {
	link   *link
	spool  *spool
	grace  time.Duration        // how long authorised sessions go on without the server
	now    func() time.Time     // the wall clock
	uptime func() time.Duration // the monotonic clock, from any start
	log    *slog.Logger

	onValidate func()                  // the server asks the runner to try roles; set once
	onChange   func(rolebroker.Change) // set once, before any other method is called
	lastEvent  atomic.Pointer[moment]  // of the stream of events; nil: none yet
	streaming  atomic.Bool             // the stream of events is open

	delivering chan struct{} // has an element while deliver runs

	mu         sync.Mutex
	authorised map[authorisation]time.Time // when the server last authorised it
	refusals   []api.AgentRefusal          // of agents, that wait to be sent
}

// moment is a time by two clocks.
type moment struct {
	wall   time.Time
	uptime time.Duration
}

const (
	// keepAuthorised is longer than a session and a grace together: a session
	// that was authorised longer ago is not renewed.
	keepAuthorised = 48 * time.Hour
	maxAuthorised  = 20_000
)

// authorisation is what the server authorises. The next session with the same
// authorisation is the renewal of the one before.
type authorisation struct {
	agent       rolebroker.AgentID
	integration rolebroker.IntegrationID
	role        rolebroker.RoleID
	arn         rolebroker.RoleARN
	sessionName string
	request     rolebroker.AccessRequestID // the approval; empty: it needs none
	access      rolebroker.Access
	policyHash  string
}

func authorisationOf(s *rolebroker.Session) authorisation {
	return authorisation{s.Agent, s.Integration, s.Role, s.ARN, s.SessionName, s.AccessRequest, s.Access, s.PolicyHash}
}

func newRecord(l *link, s *spool, opts Options) *record {
	start := time.Now()
	return &record{link: l, spool: s, grace: opts.Grace, now: opts.Now, log: opts.Log,
		uptime:     func() time.Duration { return time.Since(start) },
		onValidate: func() {},
		delivering: make(chan struct{}, 1), authorised: map[authorisation]time.Time{}}
}

// Subscribe sets the function that record calls with every change.
func (r *record) Subscribe(onChange func(rolebroker.Change)) { r.onChange = onChange }

// Watching reports whether remembered answers may be used. They may while the
// stream of events is open, and for the grace after its last event while the
// server cannot be reached. While the server answers but the stream is broken,
// they may not: the runner asks the server each time.
func (r *record) Watching() bool {
	if r.streaming.Load() && r.silence() < 3*api.Heartbeat {
		return true
	}
	return r.link.is(unreachable) && r.isInGrace()
}

// isInGrace reports whether authorised sessions may go on without the server.
func (r *record) isInGrace() bool { return r.silence() < r.grace }

// silence is the time since the last event. Of two clocks it takes the longer
// time: the wall clock may be set back, and the monotonic clock stops while the
// machine sleeps.
func (r *record) silence() time.Duration {
	last := r.lastEvent.Load()
	if last == nil {
		return math.MaxInt64
	}
	return max(r.now().Round(0).Sub(last.wall), r.uptime()-last.uptime, 0)
}

// receive takes one event of the stream.
func (r *record) receive(e api.RunnerEvent) {
	if e.Hello != nil { // the changes before it were missed
		r.onChange(rolebroker.Change{})
	}
	if e.Validate {
		r.onValidate()
	}
	if e.Change != nil {
		r.onChange(convert.FromChange(*e.Change))
	}
	r.lastEvent.Store(&moment{wall: r.now().Round(0), uptime: r.uptime()})
	r.streaming.Store(true)
}

// streamEnded notes that the stream of events has ended.
func (r *record) streamEnded() { r.streaming.Store(false) }

// explain words for an agent why the server gave no answer, or refused the
// runner. An answer about the agent itself stays as it is.
func (r *record) explain(err error) error {
	e := rolebroker.AsError(err)
	explained := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err, Hint: rolebroker.Hintf(
		"check the server and the network between the cluster and it; the runner's log has the cause")}
	last := r.lastEvent.Load()
	switch {
	case rejectsRunner(err):
		explained.Message, explained.Hint = "the server refuses this runner: "+e.Message, e.Hint
	case !rolebroker.IsOutage(err) || r.streaming.Load() || last != nil && !r.link.is(unreachable):
		return err
	case last == nil:
		explained.Message = "the runner has not reached its server yet: " + e.Message
	case r.isInGrace():
		explained.Message = fmt.Sprintf("the runner cannot reach its server since %s; until %s only what was "+
			"authorised before, and did not change since, goes on",
			last.wall.UTC().Format(time.RFC3339), last.wall.Add(r.grace).UTC().Format(time.RFC3339))
	default:
		explained.Message = fmt.Sprintf("the runner cannot reach its server since %s, and the grace of %s is over",
			last.wall.UTC().Format(time.RFC3339), rolebroker.ShortDuration(r.grace))
	}
	return explained
}

// Token finds an agent's token. Codes: not_found, unavailable.
func (r *record) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	t, err := ask(ctx, r.link, func(ctx context.Context, c *client.Client) (api.TokenRecord, error) {
		return c.TokenRecord(ctx, string(id))
	})
	if err != nil {
		return nil, r.explain(err)
	}
	return convert.FromTokenRecord(t), nil
}

// Grants reads what an agent may borrow. Codes: not_found, unavailable.
func (r *record) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	g, err := ask(ctx, r.link, func(ctx context.Context, c *client.Client) (api.Grants, error) {
		return c.Grants(ctx, string(id))
	})
	if err != nil {
		return nil, r.explain(err)
	}
	grants, err := convert.FromGrants(g)
	if err != nil {
		return nil, err
	}
	grants.Runner, _ = r.link.identity()
	return grants, nil
}

// RecordSession has the server authorise and record a session. While the server
// cannot be reached, it spools the renewal of a session that the server
// authorised before. The server makes the event. Codes: unavailable; those of the server.
func (r *record) RecordSession(ctx context.Context, s *rolebroker.Session, _ rolebroker.AuditEvent) error {
	session := convert.RunnerSession(s)
	err := send(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.BeginSession(ctx, session) })
	switch key := authorisationOf(s); {
	case err == nil:
		r.authorise(key)
		return nil
	case !rolebroker.IsOutage(err):
		r.withdraw(key)
		return r.explain(err)
	case !r.isAuthorised(key) || !r.isInGrace():
		return r.explain(err)
	}
	session.Late = true
	if err := r.spool.add(entry{Begin: &session}); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable,
			"the session cannot be written down, so it is not begun: %w", err)
	}
	r.log.Warn("the server cannot be reached; an authorised session is renewed, and the server gets its record later",
		"session", s.ID, "agent", s.AgentName, "role", s.IntegrationName+"/"+s.RoleName)
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

// makeRoom forgets the authorisations that are too old, and if too few are, some
// of the others; r.mu is held.
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

// withdrawEnded forgets what the server authorised and a change ended.
func (r *record) withdrawEnded(change rolebroker.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.authorised {
		if change.Ends(key.agent, key.integration, key.role) {
			delete(r.authorised, key)
		}
	}
}

func (r *record) isAuthorised(key authorisation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.authorised[key]
	return ok && r.now().Sub(at) < keepAuthorised
}

// FinishSession sends the outcome of a session, or spools it.
func (r *record) FinishSession(ctx context.Context, s *rolebroker.Session, _ rolebroker.AuditEvent) error {
	outcome := convert.SessionOutcome(s)
	if !r.spool.has(string(s.ID)) { // else the server does not know the session yet
		err := send(ctx, r.link, func(ctx context.Context, c *client.Client) error {
			return c.FinishSession(ctx, string(s.ID), outcome)
		})
		if !rolebroker.IsOutage(err) {
			return err
		}
	}
	return r.spool.add(entry{ID: string(s.ID), Finish: &outcome})
}

// deliver sends the spooled entries, in their order, until the server cannot be
// reached.
func (r *record) deliver(ctx context.Context) error {
	select { // if two delivered at once, one would drop what the other has not sent
	case r.delivering <- struct{}{}:
		defer func() { <-r.delivering }()
	case <-ctx.Done():
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "spooled sessions were not sent: %w", ctx.Err())
	}
	for {
		e, ok := r.spool.first()
		if !ok {
			return nil
		}
		err := send(ctx, r.link, func(ctx context.Context, c *client.Client) error {
			if e.Begin != nil {
				return c.BeginSession(ctx, *e.Begin)
			}
			return c.FinishSession(ctx, e.ID, *e.Finish)
		})
		if rolebroker.IsOutage(err) {
			return err
		}
		if err != nil { // a later attempt would be refused too
			r.log.Error("the server refuses the record of a session", "session", e.session(), "reason", err)
		}
		if err := r.spool.dropFirst(); err != nil {
			return err
		}
	}
}

// maxUse bounds the entries of one report of use; the server bounds the size of
// a request.
const maxUse = 2000

// RecordFetches sends how often sessions were handed out. If it fails, the
// caller keeps the counts and sends all of them again, also those that arrived.
func (r *record) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	for some := range slices.Chunk(fetches, maxUse) {
		use := api.Usage{}
		for _, f := range some {
			use.Fetches = append(use.Fetches, api.Fetch{Session: string(f.Session), Count: f.Count, Last: f.Last})
		}
		if err := r.sendUse(ctx, use); err != nil {
			return err
		}
	}
	return nil
}

// RecordTokenUse sends when tokens were last used.
func (r *record) RecordTokenUse(ctx context.Context, usedAt map[rolebroker.TokenID]time.Time) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(usedAt)), maxUse) {
		use := api.Usage{Tokens: map[string]time.Time{}}
		for _, id := range some {
			use.Tokens[string(id)] = usedAt[id]
		}
		if err := r.sendUse(ctx, use); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) sendUse(ctx context.Context, use api.Usage) error {
	return send(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.RecordUse(ctx, use) })
}
