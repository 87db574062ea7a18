package web_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// neighbour is a web server of an agent, on another port of the same machine. It records the cookies that it is sent,
// and sets one for as wide a domain as it can.
type neighbour struct {
	port string
	mu   sync.Mutex
	sent map[string][]string // the cookies that came, by host
}

func newNeighbour(t *testing.T) *neighbour {
	t.Helper()
	n := &neighbour{sent: map[string][]string{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := net.SplitHostPort(r.Host)
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.sent[name] == nil {
			n.sent[name] = []string{}
		}
		for _, cookie := range r.Cookies() {
			n.sent[name] = append(n.sent[name], cookie.Name+"="+cookie.Value)
		}
		if r.URL.Path == "/toss" {
			w.Header().Add("Set-Cookie", "rolebroker=tossed; Domain=localhost; Path=/")
			w.Header().Add("Set-Cookie", "rolebroker=tossed; Path=/")
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><link rel=icon href=data:,><h1>Neighbour</h1>")
	}))
	t.Cleanup(s.Close)
	_, n.port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return n
}

// at returns the cookies that came to the neighbour under a name, and fails the test if nothing came.
func (n *neighbour) at(t *testing.T, name string) []string {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sent[name] == nil {
		t.Fatalf("nobody asked the neighbour as %s", name)
	}
	return n.sent[name]
}

// Browsers send a cookie to all ports of a host. What an agent serves on another port of this machine gets no cookie
// of an administrator, however they signed in.
func TestOtherPortsOfThisMachineGetNoCookie(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(tb.URL, "http://"))
	for name, signIn := range map[string]func(p *person){
		"by a link":      func(p *person) { p.signsIn() },
		"at 127.0.0.1":   func(p *person) { p.signsInByKey("http://127.0.0.1:" + port) },
		"at localhost":   func(p *person) { p.signsInByKey("http://localhost:" + port) },
		"at another one": func(p *person) { p.signsInByKey("http://rolebroker.localhost:" + port) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, n := somebody(t, tb), newNeighbour(t)
			signIn(p)
			for _, host := range []string{"127.0.0.1", "localhost", "rolebroker.localhost"} {
				p.opens("http://" + host + ":" + n.port + "/")
				p.sees("Neighbour")
				if got := n.at(t, host); len(got) != 0 {
					t.Errorf("the neighbour at %s got %q", host, got)
				}
			}
			p.opens("/integrations")
			p.sees("production")
			if at, err := url.Parse(p.origin); err != nil || strings.Contains(tb.Log(), at.Hostname()) {
				t.Errorf("the server's log, at debug level, has the name %s, %v", at.Hostname(), err)
			}
		})
	}
}

// A neighbour cannot set a cookie for the name of the web app: a name directly below localhost has no parent that
// cookies can be set for. If it knew the name, it would get the cookie; nothing else protects it.
func TestTheNameIsWhatProtectsTheCookie(t *testing.T) {
	t.Parallel()
	p, n := admin(t, testbed.New(t, nil)), newNeighbour(t)
	for _, host := range []string{"localhost", "evil.localhost"} {
		p.opens("http://" + host + ":" + n.port + "/toss")
		p.opens("http://" + host + ":" + n.port + "/")
		if got := n.at(t, host); !slices.Contains(got, "rolebroker=tossed") {
			t.Errorf("the neighbour at %s got %q", host, got)
		}
	}
	at, err := url.Parse(p.origin)
	if err != nil {
		t.Fatal(err)
	}
	p.opens("http://" + at.Hostname() + ":" + n.port + "/")
	p.sees("Neighbour")
	if got := n.at(t, at.Hostname()); len(got) != 1 || !strings.HasPrefix(got[0], "rolebroker=rbs_") {
		t.Errorf("the neighbour that knows the name got %q", got)
	}
}
