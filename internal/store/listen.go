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
	// heartbeat is how often it is asked whether notifications arrive. Each
	// answer is good for twice as long, so that it may take that long.
	heartbeat  = time.Second
	trustedFor = 2 * heartbeat
	// patience is how long a connection may be silent before another is made.
	patience     = 5 * heartbeat
	maxReconnect = time.Second
)

var errSilent = errors.New("PostgreSQL is there, but its notifications do not arrive; a pooler in between has to be in session mode")

var (
	startListening = postgresOnly("startListening", `LISTEN rolebroker`)
	notify         = postgresOnly("notify", `SELECT pg_notify('rolebroker', $1)`)
)

// notice is what servers tell each other about a Change, or what a server asks
// itself.
type notice struct {
	Server      string                   `json:"server"`
	Agent       rolebroker.AgentID       `json:"agent,omitempty"`
	Integration rolebroker.IntegrationID `json:"integration,omitempty"`
	Asked       time.Duration            `json:"asked,omitempty"` // since the listener's start; 0: this is a Change
}

// send has PostgreSQL notify all who listen.
func (n notice) send(ctx context.Context, q querier) error {
	payload, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return query(ctx, q, notify, func(scan) error { return nil }, string(payload))
}

// listener hears of other servers' changes on a PostgreSQL connection of its
// own. PostgreSQL keeps no notification for who is not there, so after every
// gap it tells that everything may have changed.
//
// That the connection answers does not prove that notifications arrive: behind
// a pooler it is not always the one that listens. So the listener asks through
// the pool, which is the way of another server's change, and counts only what
// it hears.
type listener struct {
	config *pgx.ConnConfig
	pool   querier // where questions are asked
	server string
	tell   func(rolebroker.Change)
	log    *slog.Logger

	start  time.Time
	proven atomic.Int64 // when the last question heard was asked, in nanoseconds since start; 0: not connected, or none
	hears  func()       // the first proof
	stop   context.CancelFunc
	done   chan struct{}
}

// listen connects and listens until it is closed. When it returns, the first
// proof has arrived, or it has been said in the log that none does.
func listen(ctx context.Context, config *pgx.ConnConfig, pool *sql.DB, server string, tell func(rolebroker.Change), log *slog.Logger) (*listener, error) {
	proven := make(chan struct{})
	l := &listener{config: config.Copy(), pool: pool, server: server, tell: tell, log: log,
		start: time.Now(), hears: sync.OnceFunc(func() { close(proven) }), done: make(chan struct{})}
	l.config.OnNotification = l.heard
	conn, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.run(running, conn)
	select {
	case <-proven:
	case <-time.After(trustedFor):
		l.log.Warn("not hearing of other servers' changes", "error", errSilent)
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

// watching says whether a question was heard recently. The time counts from
// when it was asked: what it proves is that nothing was missed until then.
func (l *listener) watching() bool {
	proven := l.proven.Load()
	return proven != 0 && l.recent(time.Duration(proven))
}

func (l *listener) recent(asked time.Duration) bool { return time.Since(l.start)-asked < trustedFor }

// run follows the connection, and the next one when it breaks.
func (l *listener) run(ctx context.Context, conn *pgx.Conn) {
	defer close(l.done)
	for {
		err := l.follow(ctx, conn)
		level := slog.LevelDebug // said before, if nothing was ever heard
		if l.proven.Swap(0) != 0 {
			level = slog.LevelWarn
		}
		hangUp(conn)
		if ctx.Err() != nil {
			return
		}
		l.log.Log(ctx, level, "not hearing of other servers' changes", "error", err)
		if conn = l.reconnect(ctx); conn == nil {
			return
		}
	}
}

// reconnect tries until it is connected; nil when ctx is done.
func (l *listener) reconnect(ctx context.Context) *pgx.Conn {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, maxReconnect) {
		conn, err := l.connect(ctx)
		if err == nil {
			return conn
		}
		l.log.Debug("connecting to hear of other servers' changes", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// connect gives a connection that is listening.
func (l *listener) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.ConnectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, startListening.text()); err != nil {
		hangUp(conn)
		return nil, err
	}
	return conn, nil
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	_ = conn.Close(ctx) // it may be broken already
}

// follow asks and listens until the connection breaks or is silent for too long.
func (l *listener) follow(ctx context.Context, conn *pgx.Conn) error {
	var asking sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer asking.Wait()
	defer stop()
	asking.Go(func() { l.ask(ctx) })
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

// ask asks through the pool, again and again, whether this server hears.
func (l *listener) ask(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		if err := l.askOnce(ctx); err != nil {
			l.log.Debug("asking whether notifications arrive", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *listener) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, trustedFor)
	defer cancel()
	return notice{Server: l.server, Asked: time.Since(l.start)}.send(ctx, l.pool)
}

// heard is called with each notification as it is read from the connection.
// One that cannot be understood concerns everything.
func (l *listener) heard(_ *pgconn.PgConn, n *pgconn.Notification) {
	var of notice
	if err := json.Unmarshal([]byte(n.Payload), &of); err != nil {
		l.log.Warn("a notification that is not ours", "error", err)
	}
	switch ours := of.Server == l.server; {
	case ours && of.Asked > 0:
		l.prove(of.Asked)
	case !ours && of.Asked == 0:
		l.tell(rolebroker.Change{Agent: of.Agent, Integration: of.Integration})
	}
}

// prove takes the arrival of a question for an answer, unless it came too late
// to be one. What happened before the first one may have been missed.
func (l *listener) prove(asked time.Duration) {
	if !l.recent(asked) {
		return
	}
	if !l.watching() {
		l.tell(rolebroker.Change{})
		l.log.Info("hearing of other servers' changes")
	}
	l.proven.Store(int64(asked))
	l.hears()
}
