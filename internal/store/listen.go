package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolebroker/rolebroker"
)

const (
	// heartbeat is the interval between probes. A probe that arrived is valid for
	// trustedFor from when it was sent, so it may take that long to arrive.
	heartbeat  = time.Second
	trustedFor = 2 * heartbeat
	// patience is how long a connection may be silent before it is replaced.
	patience     = 5 * heartbeat
	maxReconnect = time.Second
)

var errSilent = errors.New(
	"PostgreSQL answers, but its notifications do not arrive; a pooler in between has to be in session mode")

var errBeingReplaced = errors.New("the data is being replaced or copied by rolebroker restore or migrate-database")

var (
	startListening = postgresOnly("startListening", `LISTEN rolebroker`)
	notify         = postgresOnly("notify", `SELECT pg_notify('rolebroker', $1)`)
)

// notice is the payload of a notification: a Change for the other servers, or a
// probe that a server sends to itself.
type notice struct {
	Server      string                   `json:"server"`
	Agent       rolebroker.AgentID       `json:"agent,omitempty"`
	Integration rolebroker.IntegrationID `json:"integration,omitempty"`
	Role        rolebroker.RoleID        `json:"role,omitempty"`
	Ended       bool                     `json:"ended,omitempty"`
	Validate    rolebroker.RunnerID      `json:"validate,omitempty"`
	ProbeSent   time.Duration            `json:"asked,omitempty"` // since the listener's start; 0: this is a Change
}

// send has PostgreSQL notify all listeners.
func (n notice) send(ctx context.Context, q querier) error {
	payload, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return query(ctx, q, notify, func(scan) error { return nil }, string(payload))
}

// listener receives notifications of other servers' changes on a PostgreSQL
// connection of its own. PostgreSQL does not keep notifications for a server
// that is not connected, so after every gap the listener publishes the zero
// Change: everything may have changed.
//
// A connection that answers queries may still deliver no notifications: behind
// a pooler, another connection may be the one that listens. So the listener
// sends probes through the pool, the way that another server's changes come, and
// trusts the connection only while probes arrive.
type listener struct {
	config  *pgx.ConnConfig
	before  func(context.Context, *pgx.ConnConfig) error // called with a copy of config for each connection
	pool    querier                                      // sends probes
	server  string
	publish func(rolebroker.Change)
	log     *slog.Logger
	// how long to wait for a restore or a move to end
	lockWait time.Duration

	start time.Time
	// when the last probe that arrived was sent, in nanoseconds since start; 0: none on this connection
	proven  atomic.Int64
	arrives func() // called when a probe arrives
	stop    context.CancelFunc
	done    chan struct{}
}

// listen connects and starts a listener. When it returns, the first probe has
// arrived, or it has logged that none does.
func listen(ctx context.Context, config *pgx.ConnConfig, before func(context.Context, *pgx.ConnConfig) error,
	pool *sql.DB, server string, publish func(rolebroker.Change), log *slog.Logger,
	lockWait time.Duration) (*listener, error) {
	proven := make(chan struct{})
	l := &listener{config: config.Copy(), before: before, pool: pool, server: server, publish: publish, log: log,
		start: time.Now(), lockWait: lockWait, arrives: sync.OnceFunc(func() { close(proven) }), done: make(chan struct{})}
	l.config.OnNotification = l.receive
	conn, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.claim(ctx, conn); err != nil {
		hangUp(conn)
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.run(running, conn)
	select {
	case <-proven:
	case <-time.After(trustedFor):
		l.log.Warn("not receiving other servers' changes", "error", errSilent)
	case <-ctx.Done():
		l.close()
		return nil, ctx.Err()
	}
	return l, nil
}

func (l *listener) close() {
	l.stop()
	<-l.done
}

// watching says whether a recent probe arrived. Its age counts from when it was
// sent, because it proves only that nothing was missed until then.
func (l *listener) watching() bool {
	proven := l.proven.Load()
	return proven != 0 && l.recent(time.Duration(proven))
}

func (l *listener) recent(sent time.Duration) bool { return time.Since(l.start)-sent < trustedFor }

// run reads from the connection and replaces it when it breaks.
func (l *listener) run(ctx context.Context, conn *pgx.Conn) {
	defer close(l.done)
	for {
		err := l.follow(ctx, conn)
		level := slog.LevelDebug // listen has logged it, if no probe ever arrived
		if l.proven.Swap(0) != 0 {
			level = slog.LevelWarn
		}
		hangUp(conn)
		if ctx.Err() != nil {
			return
		}
		l.log.Log(ctx, level, "not receiving other servers' changes", "error", err)
		if conn = l.reconnect(ctx); conn == nil {
			return
		}
	}
}

// reconnect retries until it is connected. It returns nil when ctx is done.
func (l *listener) reconnect(ctx context.Context) *pgx.Conn {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, maxReconnect) {
		conn, err := l.connect(ctx)
		if err == nil {
			if err = l.claim(ctx, conn); err == nil {
				return conn
			}
			hangUp(conn)
		}
		l.log.Debug("connecting to receive other servers' changes", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// connect opens a connection that listens.
func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.ConnectTimeout)
	defer cancel()
	config := l.config.Copy()
	if err := l.before(ctx, config); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, startListening.text()); err != nil {
		hangUp(conn)
		return nil, err
	}
	return conn, nil
}

// claim keeps Restore and Move away from the database while the connection lasts.
func (l *listener) claim(ctx context.Context, conn *pgx.Conn) error {
	free, err := poll(ctx, l.lockWait, func() (free bool, err error) {
		ctx, cancel := context.WithTimeout(ctx, l.config.ConnectTimeout)
		defer cancel()
		err = conn.QueryRow(ctx, tryToServe.text(), int64(serversLockID)).Scan(&free)
		return free, err
	})
	if err == nil && !free {
		err = errBeingReplaced
	}
	return err
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	_ = conn.Close(ctx) // fails if it is broken already
}

// follow sends probes and receives notifications until the connection breaks or
// is silent for longer than patience.
func (l *listener) follow(ctx context.Context, conn *pgx.Conn) error {
	var probing sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer probing.Wait()
	defer stop()
	probing.Go(func() { l.probe(ctx) })
	for since := time.Since(l.start); ; since = max(since, time.Duration(l.proven.Load())) {
		wait, cancel := context.WithDeadline(ctx, l.start.Add(since+patience))
		err := conn.PgConn().WaitForNotification(wait)
		silent := ctx.Err() == nil && errors.Is(wait.Err(), context.DeadlineExceeded)
		cancel()
		if silent {
			return errSilent
		}
		if err != nil {
			return err
		}
	}
}

// probe sends a probe at every heartbeat.
func (l *listener) probe(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		if err := l.sendProbe(ctx); err != nil {
			l.log.Debug("sending a probe to see whether notifications arrive", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *listener) sendProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, trustedFor)
	defer cancel()
	return notice{Server: l.server, ProbeSent: time.Since(l.start)}.send(ctx, l.pool)
}

// receive handles one notification. If it cannot be parsed, everything may have
// changed.
func (l *listener) receive(_ *pgconn.PgConn, n *pgconn.Notification) {
	var received notice
	if err := json.Unmarshal([]byte(n.Payload), &received); err != nil {
		l.log.Warn("a notification that is not ours", "error", err)
	}
	switch ours := received.Server == l.server; {
	case ours && received.ProbeSent > 0:
		l.prove(received.ProbeSent)
	case !ours && received.ProbeSent == 0:
		l.publish(rolebroker.Change{Agent: received.Agent, Integration: received.Integration, Role: received.Role,
			Ended: received.Ended, Validate: received.Validate})
	}
}

// prove handles a probe of our own that arrived. One that took too long proves
// nothing. Before the first one, changes may have been missed.
func (l *listener) prove(sent time.Duration) {
	if !l.recent(sent) {
		return
	}
	if !l.watching() {
		l.publish(rolebroker.Change{})
		l.log.Info("receiving other servers' changes")
	}
	l.proven.Store(int64(sent))
	l.arrives()
}
