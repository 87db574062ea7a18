package guard

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// host is a connection of a client with this address.
type host struct {
	net.Conn
	address string
	closed  bool
}

func (h *host) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.ParseIP(h.address), Port: 4711}
}

func (h *host) Close() error {
	h.closed = true
	return nil
}

// public is a listener at an address that is not loopback. It accepts nothing.
type public struct{ err error }

func (public) Addr() net.Addr              { return &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 443} }
func (public) Close() error                { return nil }
func (p public) Accept() (net.Conn, error) { return nil, p.err }

// arrive has a client connect. Its connection is a second older than the next one.
func arrive(t *testing.T, g *Listener, address string) (*host, *connection) {
	t.Helper()
	h := &host{address: address}
	c := g.admit(h)
	time.Sleep(time.Second)
	g.sweeps.Add(1)
	return h, c
}

func TestAFullListenerClosesWhatDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		metrics := new(prometheus.Registry)
		g := newListener(public{}, Options{Most: 4, Shared: true, Metrics: metrics,
			Log: slog.New(slog.NewTextHandler(&log, nil))})
		stream, c := arrive(t, g, "192.0.2.2")
		NoteState(c, http.StateActive)
		kept, c := arrive(t, g, "192.0.2.2")
		NoteState(c, http.StateIdle)
		silent, _ := arrive(t, g, "192.0.2.2")
		younger, _ := arrive(t, g, "192.0.2.2")
		for i, closes := range []*host{silent, younger} {
			_, c := arrive(t, g, "192.0.2.3")
			NoteState(c, http.StateActive)
			if !closes.closed || kept.closed || stream.closed {
				t.Fatalf("connection %d closed another one than the oldest silent one", i)
			}
		}
		if _, c := arrive(t, g, "192.0.2.3"); !kept.closed || stream.closed {
			t.Error("without a silent connection, the idle one is not closed")
		} else {
			NoteState(c, http.StateActive)
		}
		if refused, c := arrive(t, g, "192.0.2.4"); c != nil || !refused.closed || g.count() != 4 {
			t.Error("a connection is closed whose request is being answered")
		}
		g.sweeps.Add(stuckLimit)
		if late, c := arrive(t, g, "192.0.2.4"); c == nil || late.closed || !stream.closed {
			t.Error("a connection whose request makes no progress is not closed")
		}
		for _, want := range []string{`closed_total{reason="full"} 4`, `closed_total{reason="refused"} 1`,
			"rolebroker_connections 4"} {
			if !strings.Contains(metrics.Text(), want) {
				t.Errorf("the metrics lack %s:\n%s", want, metrics.Text())
			}
		}
		if !strings.Contains(log.String(), "level=WARN msg=\"too many connections: refused") {
			t.Errorf("the log: %s", log.String())
		}
	})
}

func TestEachPhaseHasItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		sweeps int
		states []http.ConnState
	}{
		"silent": {newLimit, nil},
		"slow":   {activeLimit, []http.ConnState{http.StateActive}},
		"idle":   {idleLimit, []http.ConnState{http.StateActive, http.StateIdle}},
	} {
		metrics := new(prometheus.Registry)
		g := newListener(public{}, Options{Most: 1, Metrics: metrics})
		h := &host{address: "192.0.2.2"}
		connection := g.admit(h)
		for _, state := range c.states {
			g.sweep()
			NoteState(connection, state)
		}
		for range c.sweeps {
			g.sweep()
		}
		if h.closed {
			t.Errorf("a %s connection is closed too early", name)
		}
		if g.sweep(); !h.closed || g.count() != 0 ||
			!strings.Contains(metrics.Text(), `closed_total{reason="`+name+`"} 1`) {
			t.Errorf("a %s connection is not closed, or not counted:\n%s", name, metrics.Text())
		}
	}
}

func TestOneAddressCannotHaveAllConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newListener(public{}, Options{Most: 8})
		var honest []*host
		for range 4 {
			h, c := arrive(t, g, "192.0.2.2")
			NoteState(c, http.StateIdle)
			honest = append(honest, h)
		}
		for range 100 {
			arrive(t, g, "192.0.2.3")
		}
		if n := len(g.from["192.0.2.3"]); n != 4 {
			t.Errorf("one address has %d of 8 connections", n)
		}
		for _, h := range honest {
			if h.closed {
				t.Error("a connection of another address was closed")
			}
		}
	})
}

func TestOneIPv6NetworkCountsAsOneAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1": "192.0.2.7", "192.0.2.7": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::ffff:1%eth0]:2": "2001:db8::/64",
		"[2001:db8:0:1::1]:1": "2001:db8:0:1::/64", "@": "unknown", "": "unknown",
	} {
		if got := Network(address); got != want {
			t.Errorf("%q is %s, want %s", address, got, want)
		}
	}
}

// A stranger that connects as fast as it can does not have those closed that connect at the same time.
func TestANewConnectionHasTimeToSendItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newListener(public{}, Options{Most: 3, Shared: true})
		begun := time.Now()
		for range 3 {
			g.admit(&host{address: "192.0.2.2"})
		}
		if time.Since(begun) != 0 {
			t.Error("the listener waits though it is not full")
		}
		g.admit(&host{address: "192.0.2.2"})
		if time.Since(begun) != leastLife {
			t.Errorf("a connection was closed after %s", time.Since(begun))
		}
	})
}

func TestAFailureToAcceptIsLoggedAndFreesADescriptor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		none := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		g := newListener(public{none}, Options{Most: 10, Log: slog.New(slog.NewTextHandler(&log, nil))})
		silent, _ := arrive(t, g, "192.0.2.2")
		for range 100 {
			if _, err := g.Accept(); !errors.Is(err, syscall.EMFILE) {
				t.Fatal(err)
			}
		}
		if !silent.closed {
			t.Error("the silent connection still has its descriptor")
		}
		if n := strings.Count(log.String(), "level=ERROR msg=\"a connection could not be accepted\""); n != sampleLines {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
		time.Sleep(samplePeriod)
		synctest.Wait()
		if !strings.Contains(log.String(), `level=ERROR msg="left out lines of the log" count=80 `+
			`like="a connection could not be accepted"`) {
			t.Errorf("the log does not say how many lines it left out:\n%s", log.String())
		}
	})
}

func TestTheCapacityLeavesDescriptorsToTheRest(t *testing.T) {
	for files, want := range map[uint64]int{
		1: 1, 16: 8, 64: 32, 128: 64, 256: 192, 1024: 768, 4096: 3072, 1 << 20: 10_000,
	} {
		if got := capacity(files); got != want {
			t.Errorf("of %d files, %d are connections, want %d", files, got, want)
		}
	}
	if n := Capacity(); n < 1 || n > mostConnections {
		t.Errorf("this process may have %d connections", n)
	}
}
