package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The time limits of a connection, in sweeps. The timeouts of http.Server would set
// four deadlines for each request, which costs the credentials endpoint about 5 % of
// its requests per second; recording a change of state costs two atomic stores.
const (
	sweepEvery  = 5 * time.Second
	activeLimit = 12 // one minute for a request and its answer, or until the next part of the answer is read
	idleLimit   = 24 // two minutes between requests
)

// connections are the open connections of a listener. It closes the connection of a
// client that sends a request too slowly, does not read the answer, or sends nothing.
type connections struct {
	net.Listener
	sweeps atomic.Int64

	mu   sync.Mutex
	open map[*connection]bool
}

func newConnections(l net.Listener) *connections {
	return &connections{Listener: l, open: map[*connection]bool{}}
}

// connection is an open connection.
type connection struct {
	net.Conn
	of    *connections
	since atomic.Int64 // the sweep at which its time began to count
	idle  atomic.Bool  // it is between requests
}

// Accept accepts a connection of the listener. A new connection is active.
func (cs *connections) Accept() (net.Conn, error) {
	accepted, err := cs.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: accepted, of: cs}
	c.since.Store(cs.sweeps.Load())
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[c] = true
	return c, nil
}

// Write writes to the connection. The time of a client that reads begins anew, so a
// long answer may take long.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if now := c.of.sweeps.Load(); err == nil && c.since.Load() != now {
		c.since.Store(now)
	}
	return n, err
}

// Close closes the connection.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// noteState records whether a connection is active or idle, for
// http.Server.ConnState.
func noteState(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*connection)
	if !ok || state != http.StateActive && state != http.StateIdle {
		return
	}
	c.idle.Store(state == http.StateIdle)
	c.since.Store(c.of.sweeps.Load())
}

// sweep closes the connections whose time is over.
func (cs *connections) sweep() {
	now := cs.sweeps.Add(1)
	var late []*connection
	cs.mu.Lock()
	for c := range cs.open {
		limit := int64(activeLimit)
		if c.idle.Load() {
			limit = idleLimit
		}
		if now-c.since.Load() > limit {
			late = append(late, c)
		}
	}
	cs.mu.Unlock()
	for _, c := range late {
		_ = c.Close() // there is nobody to report an error to
	}
}
