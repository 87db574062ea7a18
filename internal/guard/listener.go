package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// The time limits of a connection, in sweeps of the listener. The timeouts of http.Server would set four deadlines for
// each request, which costs the credentials endpoint about 5 % of its requests per second; recording a change of state
// costs two atomic stores.
const (
	sweepEvery   = 2 * time.Second
	newLimit     = 5   // ten seconds for the TLS handshake and the header of the first request
	activeLimit  = 30  // one minute for a request and its answer, or until the next part of the answer is read
	idleLimit    = 60  // two minutes between requests
	patientLimit = 600 // twenty minutes, see Patient
	stuckLimit   = 10  // after 20 seconds without progress, an active connection may be closed for a new one
)

// Options configure Listen.
type Options struct {
	Log *slog.Logger // nil: no log

	// Most bounds the open connections of a listener beside the main one. An eighth of Capacity is a second bound. 0
	// means Capacity, for the main listener.
	Most int

	Metrics *prometheus.Registry // nil: none

	// Shared means that all clients may have one address, as behind a reverse proxy. One address may then have all
	// connections. On a loopback listener it may too; on any other, it may have half of them.
	Shared bool
}

// Listener is a listener whose connections are bounded in number and time. Make one with Listen; http.Server needs
// NoteState as its ConnState.
type Listener struct {
	net.Listener
	log              *slog.Logger
	most, perAddress int
	sweeps           atomic.Int64
	accepted         int64               // how many connections Accept has returned; Accept is not called concurrently
	closed           *prometheus.Counter // by reason
	stopped          chan struct{}
	stop             func()

	mu   sync.Mutex
	open set
	from map[string]set // by network
}

type set map[*connection]struct{}

// Listen guards a listener until it is closed.
func Listen(l net.Listener, o Options) *Listener {
	g := newListener(l, o)
	go g.watch()
	return g
}

func newListener(l net.Listener, o Options) *Listener {
	g := &Listener{Listener: l, log: Sampled(o.Log), most: min(o.Most, max(1, Capacity()/8)),
		stopped: make(chan struct{}),
		open:    set{}, from: map[string]set{}}
	if g.most <= 0 {
		g.most = Capacity()
	}
	o.Metrics.Gauge("rolebroker_connections", "Open connections.", func() float64 { return float64(g.count()) })
	g.closed = o.Metrics.Counter("rolebroker_connections_closed_total",
		"Connections that the server closed or refused, by reason: silent, slow, idle, full, refused.", "reason")
	g.perAddress = g.most
	if at, ok := l.Addr().(*net.TCPAddr); !o.Shared && !(ok && at.IP.IsLoopback()) {
		g.perAddress = max(1, g.most/2)
	}
	g.stop = sync.OnceFunc(func() { close(g.stopped) })
	return g
}

// watch sweeps until the listener is closed. Then http.Server ends the connections.
func (g *Listener) watch() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.sweep()
		case <-g.stopped:
			return
		}
	}
}

func (g *Listener) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

// Close stops to accept connections. Those that are open stay open.
func (g *Listener) Close() error {
	g.stop()
	return g.Listener.Close()
}

// The phases of a connection, in the order in which connections are closed for a new one.
const (
	fresh   = iota // it has not sent the header of its first request
	idle           // it is between requests
	active         // it has a request that is not answered
	patient        // it has such a request, see Patient
)

// connection is an open connection.
type connection struct {
	net.Conn
	of      *Listener
	network string
	number  int64 // in the order of acceptance
	begun   time.Time
	since   atomic.Int64 // the sweep at which its time began to count
	phase   atomic.Int32
}

// Accept returns the next connection that the bounds allow.
func (g *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := g.Listener.Accept()
		if err != nil {
			g.noteFailure(err)
			return nil, err
		}
		if c := g.admit(accepted); c != nil {
			return c, nil
		}
	}
}

// noteFailure logs that a connection could not be accepted. The usual reason is that the process has no descriptor
// left, so it closes a connection that is doing nothing.
func (g *Listener) noteFailure(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	g.log.Error("a connection could not be accepted", "reason", err, "open", g.count())
	g.mu.Lock()
	spare := g.spare(g.open)
	g.mu.Unlock()
	if spare != nil {
		_ = spare.Close() // no one is left to report an error to
	}
}

// admit registers a connection. If there are too many, it closes another one for it, or else refuses it and returns
// nil.
func (g *Listener) admit(accepted net.Conn) *connection {
	g.accepted++
	c := &connection{Conn: accepted, of: g, network: Network(accepted.RemoteAddr().String()), number: g.accepted,
		begun: time.Now()}
	c.since.Store(g.sweeps.Load())
	spare, wait, ok := g.register(c)
	for ; wait > 0; spare, wait, ok = g.register(c) {
		time.Sleep(wait)
	}
	switch {
	case !ok:
		g.closed.Inc("refused")
		g.log.Warn("too many connections: refused a new one, because all are in use", "address", c.network,
			"limit", g.most, "limit_per_address", g.perAddress)
		_ = accepted.Close()
		return nil
	case spare != nil:
		g.closed.Inc("full")
		g.log.Warn("too many connections: closed the oldest one that was doing nothing", "address", spare.network,
			"limit", g.most, "limit_per_address", g.perAddress)
		_ = spare.Close()
	}
	return c
}

// leastLife is how long a connection has at least to send its first request. So a stranger that opens connections as
// fast as it can does not have those of others closed before their requests arrive. They wait in the system's queue
// meanwhile.
const leastLife = 100 * time.Millisecond

// register adds a connection to the sets. spare is the connection to close for it, if any. wait is how long to wait
// until there is one.
func (g *Listener) register(c *connection) (spare *connection, wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	same := g.from[c.network]
	switch {
	case len(same) >= g.perAddress:
		spare = g.spare(same)
	case len(g.open) >= g.most:
		spare = g.spare(g.open)
	default:
		g.add(c)
		return nil, 0, true
	}
	if spare == nil {
		return nil, 0, false
	}
	if age := time.Since(spare.begun); spare.phase.Load() == fresh && age < leastLife {
		return nil, leastLife - age, false
	}
	g.remove(spare)
	g.add(c)
	return spare, 0, true
}

// add adds a connection to the sets; the caller holds mu.
func (g *Listener) add(c *connection) {
	g.open[c] = struct{}{}
	if g.from[c.network] == nil {
		g.from[c.network] = set{}
	}
	g.from[c.network][c] = struct{}{}
}

// remove removes a connection from the sets; the caller holds mu.
func (g *Listener) remove(c *connection) {
	delete(g.open, c)
	same := g.from[c.network]
	if delete(same, c); len(same) == 0 {
		delete(g.from, c.network)
	}
}

// maxCompared bounds how many connections spare compares. A map is iterated from a random place, so they are a sample.
const maxCompared = 64

// spare returns a connection that may be closed for a new one, nil if there is none: of some that wait for their first
// request the oldest, or else the one that is idle for longest, or else the one whose request is stuck for longest.
func (g *Listener) spare(of set) (found *connection) {
	now, compared := g.sweeps.Load(), 0
	for c := range of {
		if c.phase.Load() == active && now-c.since.Load() <= stuckLimit || c.phase.Load() == patient {
			continue
		}
		if found == nil || c.before(found) {
			found = c
		}
		if compared++; compared == maxCompared {
			break
		}
	}
	return found
}

// before reports whether c is closed rather than other.
func (c *connection) before(other *connection) bool {
	if a, b := c.phase.Load(), other.phase.Load(); a != b {
		return a < b
	}
	if a, b := c.since.Load(), other.since.Load(); a != b {
		return a < b
	}
	return c.number < other.number
}

// Write writes to the connection. The time of a client that reads begins anew, so a long answer may take long.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if now := c.of.sweeps.Load(); err == nil && c.since.Load() != now && c.phase.Load() != fresh {
		c.since.Store(now)
	}
	return n, err
}

// Close closes the connection.
func (c *connection) Close() error {
	c.of.mu.Lock()
	c.of.remove(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what is sent on a connection, which may be one of a Listener's. It fails if the connection cannot do
// that by itself.
func CloseWrite(conn net.Conn) error {
	if c, ok := conn.(*connection); ok {
		conn = c.Conn
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// connectionKey is the key of a connection in the context of its requests.
type connectionKey struct{}

// ConnContext keeps the connection in the context of its requests, for http.Server.ConnContext and Patient.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

// Patient gives a request as much time as a service of AWS may need, once its caller is known: twenty minutes until the
// next part of the request or of its answer. It lasts until the next request of the connection.
func Patient(ctx context.Context) {
	if c, ok := ctx.Value(connectionKey{}).(*connection); ok {
		c.phase.Store(patient)
		c.since.Store(c.of.sweeps.Load())
	}
}

// Read reads from the connection. A patient request that sends may take long.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.phase.Load() == patient {
		c.since.Store(c.of.sweeps.Load())
	}
	return n, err
}

// NoteState records what a connection is doing, for http.Server.ConnState.
func NoteState(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.phase.Store(active)
	case http.StateIdle:
		c.phase.Store(idle)
	default:
		return
	}
	c.since.Store(c.of.sweeps.Load())
}

// limits say how many sweeps a connection may spend in a phase, and the reason for which it is closed then.
var limits = [...]struct {
	sweeps int64
	reason string
}{fresh: {newLimit, "silent"}, active: {activeLimit, "slow"}, idle: {idleLimit, "idle"}, patient: {patientLimit, "slow"}}

// sweep closes the connections whose time is over.
func (g *Listener) sweep() {
	now := g.sweeps.Add(1)
	var late []*connection
	g.mu.Lock()
	for c := range g.open {
		if now-c.since.Load() > limits[c.phase.Load()].sweeps {
			late = append(late, c)
		}
	}
	g.mu.Unlock()
	silent := 0
	for _, c := range late {
		phase := c.phase.Load()
		g.closed.Inc(limits[phase].reason)
		if phase == fresh {
			silent++
		}
		_ = c.Close() // no one is left to report an error to
	}
	if silent > 0 {
		g.log.Info("closed connections that sent no request within ten seconds", "count", silent)
	}
}
