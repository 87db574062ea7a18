package egress

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// Options configure New. AWS and Authority are required.
type Options struct {
	// AWS serves the requests to hosts of AWS. It is an *http.Server without an address.
	AWS       *http.Server
	Authority *Authority

	Allowed []Pattern // hosts that are tunnelled
	Any     bool      // all hosts outside of AWS are, whatever Allowed says
	Private []Pattern // those of them that may have a private address; they are never reached through Upstream

	// Upstream returns the proxy by which a URL is reached; nil: none. The proxy resolves the name of the host, so that
	// no address is checked here.
	Upstream func(*url.URL) (*url.URL, error)

	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)         // nil: the system's resolver
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil: a net.Dialer's
	Log     *slog.Logger                                                         // nil: none
}

// Egress serves one command. Make one with New, and Close it.
type Egress struct {
	Options
	refused *slog.Logger // sampled: a command can be refused as often as it likes
	aws     *queue

	running context.Context // until Close
	end     context.CancelFunc
	busy    sync.WaitGroup // what Close waits for

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// New returns what serves a command.
func New(o Options) *Egress {
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Upstream == nil {
		o.Upstream = func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	e := &Egress{Options: o, refused: guard.Sampled(o.Log), aws: newQueue(), open: map[net.Conn]bool{}}
	e.running, e.end = context.WithCancel(context.Background())
	e.busy.Go(func() { o.AWS.Serve(e.aws) })
	return e
}

// Close ends all connections, and waits for what serves them. Close the listeners first.
func (e *Egress) Close() {
	e.mu.Lock()
	e.closed = true
	for c := range e.open {
		c.Close()
	}
	e.mu.Unlock()
	e.end()
	e.AWS.Close()
	e.aws.Close() // also if it was not served yet
	e.busy.Wait()
}

// serve handles the connections of a listener until it is closed.
func (e *Egress) serve(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if e.isFull(c) {
			c.Close()
			continue
		}
		go func() {
			defer e.forget(c)
			handle(c)
		}()
	}
}

// maxConnections bounds the connections of a command, which cost this process memory and open files.
const maxConnections = 2000

// isFull reports whether there is no room for a connection. If there is, the caller forgets it in the end.
func (e *Egress) isFull(c net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || len(e.open) >= maxConnections {
		return true
	}
	e.open[c] = true
	e.busy.Add(1)
	return false
}

func (e *Egress) forget(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, c)
	c.Close()
	e.busy.Done()
}

// The bounds of a connection's beginning.
const (
	helloTimeout = 10 * time.Second
	dialTimeout  = 15 * time.Second
)

// ServeTLS handles the connections of a listener: each is for AWS, or tunnelled, or refused.
func (e *Egress) ServeTLS(l net.Listener) { e.serve(l, e.handleTLS) }

func (e *Egress) handleTLS(c net.Conn) {
	c.SetDeadline(time.Now().Add(helloTimeout))
	hello, read, err := readHello(c)
	if err != nil {
		e.refuse(c, "", "it does not begin with TLS")
		return
	}
	c.SetDeadline(time.Time{})
	// The client can say any text there, also one that a resolver takes for an address: ::ffff:192.0.2.1%.example.com.
	host, ok := outsideName(hello.host)
	c = &replayed{Conn: c, first: read}
	switch {
	case !ok:
		e.refuse(c, "", "it names no host (SNI)")
	case hello.encrypted:
		e.refuse(c, host, "it hides which host it wants (ECH)")
	case endpoint.InAWS(host):
		e.serveAWS(c, host)
	case e.allows(host):
		e.tunnel(c, host)
	default:
		e.refuse(c, host, "the host is not allowed")
	}
}

// allows reports whether the command may reach a host outside of AWS.
func (e *Egress) allows(host string) bool { return e.Any || includes(e.Allowed, host) }

// tell writes to the log that a connection was refused, and how to permit it. It returns that hint; empty: none.
func (e *Egress) tell(host, why string) (hint string) {
	attrs := []any{"reason", why}
	if host != "" {
		attrs = append(attrs, "host", host)
	}
	if host != "" && !e.allows(host) {
		if _, err := ParsePattern(host); err == nil {
			hint = "--allow-host " + host + " permits it"
			attrs = append(attrs, "hint", hint)
		}
	}
	e.refused.Warn("refused a connection of the command", attrs...)
	return hint
}

// refuse ends a connection as TLS does.
func (e *Egress) refuse(c net.Conn, host, why string) {
	e.tell(host, why)
	c.SetDeadline(time.Now().Add(time.Second))
	c.Write(accessDenied)
	if guard.CloseWrite(unwrap(c)) == nil {
		io.Copy(io.Discard, io.LimitReader(c, 64<<10)) // what it sent must not turn the alert into a reset
	}
}

func unwrap(c net.Conn) net.Conn {
	for r, ok := c.(*replayed); ok; r, ok = c.(*replayed) {
		c = r.Conn
	}
	return c
}

// accessDenied is a fatal alert.
//
// Source: RFC 8446, 6.
var accessDenied = []byte{21, 3, 3, 0, 2, 2, 49}

// serveAWS ends TLS here, and serves the connection's requests. HTTP/2 is not offered.
func (e *Egress) serveAWS(c net.Conn, host string) {
	done := make(chan struct{})
	secure := tls.Server(&noticed{Conn: c, closed: done}, &tls.Config{NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return e.Authority.Certificate(host) }})
	if !e.aws.push(secure) {
		return
	}
	select {
	case <-done:
	case <-e.aws.closed: // it may not have been accepted
	}
}

// tunnel passes the connection on to a host, at an address that was resolved here and may be reached.
func (e *Egress) tunnel(c net.Conn, host string) {
	to, err := e.dial(host)
	if err != nil {
		e.refuse(c, host, err.Error())
		return
	}
	defer to.Close()
	join(c, to)
}

// dial connects to port 443 of a host outside, through a proxy if there is one for it.
func (e *Egress) dial(host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(e.running, dialTimeout)
	defer cancel()
	proxy, err := e.upstream("https", host)
	switch {
	case err != nil:
		return nil, err
	case proxy != nil:
		return e.dialThrough(ctx, proxy, host)
	}
	return e.dialDirectly(ctx, host, 443)
}

// dialDirectly connects to a port of a host. An address that may not be reached is as if it were not there.
func (e *Egress) dialDirectly(ctx context.Context, host string, port uint16) (net.Conn, error) {
	addresses, err := e.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("the host is not found: %w", err)
	}
	privateToo := includes(e.Private, host)
	err = fmt.Errorf("it has no address")
	for _, ip := range addresses {
		ip = ip.Unmap()
		switch {
		case !mayReach(ip, true):
			err = fmt.Errorf("its address %s is one that no command may reach: clouds have their metadata at such", ip)
			continue
		case !mayReach(ip, privateToo):
			err = fmt.Errorf("its address %s is private; --allow-private-host %s permits it", ip, host)
			continue
		}
		var to net.Conn
		if to, err = e.Dial(ctx, "tcp", netip.AddrPortFrom(ip, port).String()); err == nil {
			return to, nil
		}
	}
	return nil, err
}

// join copies both ways until both have ended, or one has failed.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	oneWay := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if err != nil || guard.CloseWrite(unwrap(to)) != nil {
			to.Close()
			from.Close()
		}
	}
	both.Go(func() { oneWay(a, b) })
	both.Go(func() { oneWay(b, a) })
	both.Wait()
}

// ServePlain answers requests without TLS: none leaves.
func (e *Egress) ServePlain(l net.Listener) {
	e.serve(l, func(c net.Conn) {
		s := &http.Server{ReadTimeout: helloTimeout, WriteTimeout: helloTimeout, ErrorLog: guard.ErrorLog(e.Log),
			Handler: http.HandlerFunc(e.refusePlain)}
		s.SetKeepAlivesEnabled(false)
		done := make(chan struct{})
		q := newQueue()
		q.push(&noticed{Conn: c, closed: done})
		go s.Serve(q)
		<-done
		s.Close()
	})
}

func (e *Egress) refusePlain(w http.ResponseWriter, r *http.Request) {
	e.refused.Warn("refused a connection of the command", "reason", "it is HTTP without TLS",
		"host", rolebroker.Quote(r.Host))
	http.Error(w, "rolebroker: nothing leaves a contained command without TLS", http.StatusForbidden)
}
