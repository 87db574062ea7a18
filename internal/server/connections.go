package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How long a connection may take, in sweeps. The timeouts of http.Server do
// the same with four deadlines for each request, which cost the credentials
// endpoint some 5 % of its requests per second; noting a change of state costs
// two atomic stores.
const (
	sweepEvery  = 5 * time.Second
	activeLimit = 12 // a minute, from the first byte of a request to its answer, and for each part of that
	idleLimit   = 24 // two minutes between requests
)

// connections are the open connections of a listener. Whoever sends a request
// too slowly, does not read the answer, or says nothing at all is cut off.
type connections struct {
	net.Listener
	sweeps atomic.Int64

	mu   sync.Mutex
	open map[*connection]bool
}

func newConnections(l net.Listener) *connections {
	return &connections{Listener: l, open: map[*connection]bool{}}
}

// connection is one of them, and since which sweep it is in its state.
type connection struct {
	net.Conn
	of    *connections
	since atomic.Int64
	idle  atomic.Bool
}

// Accept is that of the listener. A new connection counts as active.
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

// Write is that of the connection. Whoever takes what is sent is not too slow,
// however long the whole of it takes.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if now := c.of.sweeps.Load(); err == nil && c.since.Load() != now {
		c.since.Store(now)
	}
	return n, err
}

// Close closes the connection and forgets it.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// noteState is for http.Server.ConnState.
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

// sweep closes what took too long.
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
		_ = c.Close() // it is cut off either way
	}
}
