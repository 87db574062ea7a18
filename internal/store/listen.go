package store

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rolebroker/rolebroker"
)

const (
	// heartbeat is how often the listening connection has to prove itself:
	// each proof is good for twice as long, so that it may take that long.
	heartbeat    = time.Second
	trustedFor   = 2 * heartbeat
	maxReconnect = time.Second
)

var (
	startListening = postgresOnly("startListening", `LISTEN rolebroker`)
	stillThere     = postgresOnly("stillThere", `SELECT 1`)
	notify         = postgresOnly("notify", `SELECT pg_notify('rolebroker', $1)`)
)

// notice is what servers tell each other about a Change.
type notice struct {
	Server      string                   `json:"server"`
	Agent       rolebroker.AgentID       `json:"agent,omitempty"`
	Integration rolebroker.IntegrationID `json:"integration,omitempty"`
}

// listener hears of other servers' changes on a PostgreSQL connection of its
// own. PostgreSQL keeps no notification for who is not there, so after every
// gap it tells that everything may have changed.
type listener struct {
	config *pgx.ConnConfig
	server string
	tell   func(rolebroker.Change)
	log    *slog.Logger

	start  time.Time
	proven atomic.Int64 // when the last answered question was asked, in nanoseconds since start; 0: not connected
	stop   context.CancelFunc
	done   chan struct{}
}

// listen connects and listens until it is closed.
func listen(ctx context.Context, config *pgx.ConnConfig, server string, tell func(rolebroker.Change), log *slog.Logger) (*listener, error) {
	l := &listener{config: config.Copy(), server: server, tell: tell, log: log,
		start: time.Now().Add(-time.Nanosecond), done: make(chan struct{})}
	l.config.OnNotification = l.heard
	conn, err := l.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.prove(ctx, conn); err != nil {
		hangUp(conn)
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.run(running, conn)
	return l, nil
}

func (l *listener) close() {
	l.stop()
	<-l.done
}

// watching says whether the connection has answered recently. The time counts
// from the question: what the answer proves is that nothing was missed until then.
func (l *listener) watching() bool {
	proven := l.proven.Load()
	return proven != 0 && time.Since(l.start)-time.Duration(proven) < trustedFor
}

// run follows the connection, and the next one when it breaks.
func (l *listener) run(ctx context.Context, conn *pgx.Conn) {
	defer close(l.done)
	defer l.proven.Store(0)
	for {
		err := l.follow(ctx, conn)
		l.proven.Store(0)
		hangUp(conn)
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("not hearing of other servers' changes", "error", err)
		if conn = l.reconnect(ctx); conn == nil {
			return
		}
		l.tell(rolebroker.Change{})
		l.log.Info("hearing of other servers' changes again")
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
	if _, err := conn.Exec(ctx, startListening.text); err != nil {
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

// follow listens on the connection until it breaks or does not answer in time.
func (l *listener) follow(ctx context.Context, conn *pgx.Conn) error {
	for {
		next := time.Now().Add(heartbeat)
		if err := l.prove(ctx, conn); err != nil {
			return err
		}
		if err := l.hear(ctx, conn, next); err != nil {
			return err
		}
	}
}

// prove has the server answer. Notifications that it sent before the answer
// have been told when prove returns.
func (l *listener) prove(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	asked := time.Since(l.start)
	if _, err := conn.Exec(ctx, stillThere.text); err != nil {
		return err
	}
	l.proven.Store(int64(asked))
	return nil
}

// hear tells what is notified until then.
func (l *listener) hear(ctx context.Context, conn *pgx.Conn, then time.Time) error {
	pause, cancel := context.WithDeadline(ctx, then)
	defer cancel()
	for {
		err := conn.PgConn().WaitForNotification(pause)
		if err != nil && ctx.Err() == nil && errors.Is(pause.Err(), context.DeadlineExceeded) && !conn.IsClosed() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// heard is called with each notification as it is read from the connection.
// One that cannot be understood concerns everything.
func (l *listener) heard(_ *pgconn.PgConn, n *pgconn.Notification) {
	var of notice
	if err := json.Unmarshal([]byte(n.Payload), &of); err != nil {
		l.log.Warn("a notification that is not ours", "error", err)
	}
	if of.Server != l.server {
		l.tell(rolebroker.Change{Agent: of.Agent, Integration: of.Integration})
	}
}
