package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/guard"
)

// proxied is an Egress as a proxy, with a host outside that answers for all names.
type proxied struct {
	t         *testing.T
	address   string
	log       *lines
	authority *Authority
	outside   *httptest.Server // over TLS
	plain     *httptest.Server
	mu        sync.Mutex
	dialed    []string
	close     func()
}

const credential = "Basic cm9sZWJyb2tlcjpzZWNyZXQ=" // rolebroker:secret

// newProxied has a proxy that resolves names by a map; in it "outside" leads to the host outside.
func newProxied(t *testing.T, resolve map[string]string, o Options) *proxied {
	t.Helper()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "outside %s %s %s %q", r.Host, r.RequestURI, body, r.Header["Proxy-Authorization"])
	})
	p := &proxied{t: t, log: &lines{}, outside: httptest.NewUnstartedServer(echo), plain: httptest.NewServer(echo)}
	t.Cleanup(p.outside.Close)
	t.Cleanup(p.plain.Close)
	var err error
	if p.authority, err = NewAuthority(time.Now()); err != nil {
		t.Fatal(err)
	}
	p.outside.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return p.authority.Certificate(h.ServerName)
	}}
	p.outside.StartTLS()
	o.Authority, o.Log = p.authority, slog.New(slog.NewTextHandler(p.log, nil))
	o.AWS = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "gateway %s %s %s %q", r.Host, r.RequestURI, body, r.Header["Proxy-Authorization"])
	})}
	o.Resolve = func(_ context.Context, host string) (found []netip.Addr, _ error) {
		for s := range strings.FieldsSeq(resolve[host]) {
			found = append(found, netip.MustParseAddr(s))
		}
		if found == nil {
			return nil, errors.New("no such host")
		}
		return found, nil
	}
	if o.Dial == nil {
		o.Dial = func(_ context.Context, network, address string) (net.Conn, error) {
			p.mu.Lock()
			p.dialed = append(p.dialed, address)
			p.mu.Unlock()
			if strings.HasSuffix(address, ":80") {
				return net.Dial(network, p.plain.Listener.Addr().String())
			}
			return net.Dial(network, p.outside.Listener.Addr().String())
		}
	}
	e := New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	server := &http.Server{Handler: e.Proxy(func(a string) bool { return a == credential }),
		ConnContext: guard.ConnContext, ConnState: guard.NoteState}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve(guard.Listen(l, guard.Options{}))
	}()
	p.close = sync.OnceFunc(func() {
		server.Close()
		<-served
		e.Close()
	})
	t.Cleanup(p.close)
	return p
}

// client uses the proxy.
func (p *proxied) client(user *url.Userinfo) *http.Client {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.authority.PEM)
	at := &url.URL{Scheme: "http", Host: p.address, User: user}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

func (p *proxied) get(url string) (string, error) {
	answer, err := p.client(url2user).Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

var url2user = url.UserPassword("rolebroker", "secret")

// says sends bytes to the proxy, and returns what it answers until it closes the connection or has sent so many bytes.
func (p *proxied) says(text string) string {
	p.t.Helper()
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, text)
	if strings.HasPrefix(text, "CONNECT") {
		c.(*net.TCPConn).CloseWrite()
	}
	said, _ := io.ReadAll(c)
	return string(said)
}

func (p *proxied) reached() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.dialed...)
}

var someHosts = map[string]string{"example.com": "192.168.0.1 140.82.121.4", "inside.example": "10.0.0.7",
	"meta.example": "169.254.169.254", "loop.example": "127.0.0.1", "secret.example": "10.0.0.8",
	"127.1": "127.0.0.1", "127.0x1": "140.82.121.4", "0x7f.1": "127.0.0.1",
	"localhost": "127.0.0.1", "2130706433": "127.0.0.1"}

func TestWhereTheProxyLeads(t *testing.T) {
	p := newProxied(t, someHosts, Options{Any: true, Private: []Pattern{"inside.example", "meta.example"}})
	for _, c := range []struct{ url, want, says string }{
		{"https://sts.eu-west-1.amazonaws.com/", "gateway sts.eu-west-1.amazonaws.com /", ""},
		{"https://B.s3.amazonaws.com/a%2Fb?x=1", "gateway B.s3.amazonaws.com /a%2Fb?x=1", ""},
		{"https://sts.eu-west-1.amazonaws.com:443/", "gateway sts.eu-west-1.amazonaws.com:443 /", ""},
		{"http://sts.amazonaws.com/a%2Fb/?x=1&y=%20", "gateway sts.amazonaws.com /a%2Fb/?x=1&y=%20", ""},
		{"http://sts.eu-west-1.amazonaws.com:80/", "gateway sts.eu-west-1.amazonaws.com:80 /", ""},
		{"http://STS.amazonaws.com?Action=x", "gateway STS.amazonaws.com /?Action=x", ""},
		{"https://example.com/", "outside example.com /", ""},
		{"http://example.com/a%2Fb?x", "outside example.com /a%2Fb?x", ""},
		{"http://EXAMPLE.com./", "outside example.com /", ""},
		{"https://inside.example/", "outside inside.example /", ""},
		{"http://inside.example/", "outside inside.example /", ""},
		{"https://gone.example/", "403", "the host is not found"},
		{"https://secret.example/", "403", "--allow-private-host secret.example permits it"},
		{"http://secret.example/", "502", "--allow-private-host secret.example permits it"},
		{"https://meta.example/", "403", "its address 169.254.169.254 is one that no command may reach"},
		{"http://meta.example/", "502", "its address 169.254.169.254 is one that no command may reach"},
		{"https://loop.example/", "403", "its address 127.0.0.1 is private"},
		{"https://127.0.0.1/", "403", "names of hosts"},
		{"https://127.1/", "403", "names of hosts"},
		{"https://0x7f.1/", "403", "names of hosts"},
		{"https://2130706433/", "403", "names of hosts"},
		{"https://127.0x1/", "403", "names of hosts"},
		{"https://localhost/", "403", "names of hosts"},
		{"https://[::1]/", "403", "names of hosts"},
		{"https://[::ffff:169.254.169.254]/", "403", "names of hosts"},
		{"http://169.254.169.254/latest/meta-data/", "403", "names of hosts"},
		{"http://10.0.0.7/", "403", "names of hosts"},
		{"https://140.82.121.4/", "403", "names of hosts"},
		{"https://example.com:8443/", "403", "port 443, not"},
		{"http://example.com:8080/", "403", "port 80, not"},
		{"http://example.com:443/", "403", "port 80, not"},
		{"https://sts.amazonaws.com:8443/", "403", "port 443, not"},
		{"https://db.x.eu-west-1.rds.amazonaws.com:5432/", "403", "port 443, not"},
	} {
		t.Run(c.url, func(t *testing.T) {
			answer, err := p.client(url2user).Get(c.url)
			got, said := "403", ""
			if err != nil { // it has the reason of the answer to CONNECT
				said = err.Error()
			} else {
				text, _ := io.ReadAll(answer.Body)
				answer.Body.Close()
				said = string(text)
				if got, _, _ = strings.Cut(said, "  "); answer.StatusCode != http.StatusOK {
					got = fmt.Sprint(answer.StatusCode)
				} else if !strings.HasSuffix(said, "[]") {
					t.Errorf("the credential of the proxy went on: %s", said)
				}
			}
			if got != c.want || !strings.Contains(said, c.says) ||
				c.says != "" && !strings.Contains(said, "rolebroker: ") {
				t.Errorf("it gets %q: %s", got, said)
			}
		})
	}
	if log := p.log.String(); !strings.Contains(log, "the host is not found") {
		t.Errorf("the log has\n%s", log)
	}
	for _, address := range p.reached() {
		if host, _, _ := net.SplitHostPort(address); host != "140.82.121.4" && host != "10.0.0.7" {
			t.Errorf("it connected to %s", address)
		}
	}
}

// With a list, hosts that are not on it are refused, and the error says how to permit them.
func TestAListForTheProxy(t *testing.T) {
	p := newProxied(t, someHosts, Options{Allowed: []Pattern{"*.example", "inside.example"}})
	for _, scheme := range []string{"https", "http"} {
		_, err := p.get(scheme + "://example.com/")
		text, plainErr := p.get("http://example.com/")
		if scheme == "https" && (err == nil || !strings.Contains(err.Error(), "--allow-host example.com permits it")) {
			t.Errorf("%s: %v", scheme, err)
		}
		if plainErr != nil || !strings.Contains(text, "--allow-host example.com permits it") {
			t.Errorf("%s: %q, %v", scheme, text, plainErr)
		}
	}
	if got := p.reached(); len(got) > 0 {
		t.Errorf("it connected to %q", got)
	}
}

// Nobody else uses the proxy, whatever for.
func TestOnlyTheCommandUsesTheProxy(t *testing.T) {
	p := newProxied(t, someHosts, Options{Any: true})
	for _, user := range []*url.Userinfo{nil, url.UserPassword("rolebroker", "guess"), url.User("rolebroker"),
		url.UserPassword("", "secret")} {
		for _, to := range []string{"https://sts.amazonaws.com/", "http://sts.amazonaws.com/", "https://example.com/",
			"http://example.com/"} {
			answer, err := p.client(user).Get(to)
			if err == nil && answer.StatusCode != http.StatusProxyAuthRequired ||
				err != nil && !strings.Contains(err.Error(), "Proxy Authentication Required") {
				t.Errorf("%s gets %s: %v, %v", user, to, answer, err)
			}
		}
	}
	// Credentials for another door do not open this one, and one that was accepted is not for the next request.
	for _, header := range []string{"Authorization: " + credential, "Proxy-Authorization: Bearer secret",
		"Proxy-Authorization: Basic", "X-Proxy-Authorization: " + credential} {
		said := p.says("CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: x\r\n" + header + "\r\n\r\n")
		if !strings.HasPrefix(said, "HTTP/1.1 407 ") || !strings.Contains(said, "Proxy-Authenticate: Basic") {
			t.Errorf("with %s it says %q", header, said)
		}
	}
	said := p.says("GET http://sts.amazonaws.com/1 HTTP/1.1\r\nHost: sts.amazonaws.com\r\nProxy-Authorization: " +
		credential + "\r\n\r\nGET http://sts.amazonaws.com/2 HTTP/1.1\r\nHost: sts.amazonaws.com\r\n" +
		"Connection: close\r\n\r\n")
	if !strings.Contains(said, "gateway sts.amazonaws.com /1") || strings.Contains(said, "/2") ||
		!strings.Contains(said, " 407 ") {
		t.Errorf("it says %q", said)
	}
	if got := p.reached(); len(got) > 0 {
		t.Errorf("it connected to %q", got)
	}
}

// What could be understood in two ways is refused, or goes where the request line says.
func TestAmbiguousRequestsToTheProxy(t *testing.T) {
	p := newProxied(t, someHosts, Options{Any: true})
	auth := "Connection: close\r\nProxy-Authorization: " + credential + "\r\n"
	for what, c := range map[string]struct{ send, want, not string }{
		"another Host": {"GET http://example.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n" + auth +
			"\r\n", "outside example.com /", "gateway"},
		"another Host, of AWS": {"GET http://sts.amazonaws.com/ HTTP/1.1\r\nHost: example.com\r\n" +
			auth + "\r\n", "gateway sts.amazonaws.com /", "outside"},
		"two Hosts": {"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nHost: sts.amazonaws.com\r\n" + auth +
			"\r\n", "HTTP/1.1 400 ", "outside"},
		"CONNECT with another Host": {"CONNECT meta.example:443 HTTP/1.1\r\nHost: example.com:443\r\n" + auth + "\r\n",
			"HTTP/1.1 403 rolebroker: its address 169.254.169.254", " 200 "},
		"CONNECT with a body": {"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + auth +
			"\r\nbody", "HTTP/1.1 403 ", " 200 "},
		"CONNECT with chunks": {"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
			auth + "\r\n0\r\n\r\n", "HTTP/1.1 403 ", " 200 "},
		"CONNECT with a path": {"CONNECT /example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n" + auth + "\r\n",
			"HTTP/1.1 403 ", " 200 "},
		"CONNECT without a port": {"CONNECT example.com HTTP/1.1\r\nHost: example.com\r\n" + auth + "\r\n",
			"", " 200 OK"},
		"CONNECT with a user": {"CONNECT sts.amazonaws.com@meta.example:443 HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n",
			"HTTP/1.1 40", " 200 "},
		"https without CONNECT": {"GET https://example.com/ HTTP/1.1\r\nHost: example.com\r\n" + auth + "\r\n",
			"HTTP/1.1 403 ", "outside"},
		"ftp": {"GET ftp://example.com/ HTTP/1.1\r\nHost: example.com\r\n" + auth + "\r\n", "HTTP/1.1 403 ", "outside"},
		"a page of the proxy": {"GET /latest/meta-data HTTP/1.1\r\nHost: sts.amazonaws.com\r\n" + auth + "\r\n",
			"HTTP/1.1 400 ", "gateway"},
		"two lengths": {"POST http://example.com/ HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n" +
			auth + "\r\nbody5", "HTTP/1.1 400 ", "outside"},
		"a length and chunks": {"POST http://example.com/1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 60\r\n" +
			"Transfer-Encoding: chunked\r\n" + auth + "\r\n4\r\nbody\r\n0\r\n\r\n" +
			"GET http://example.com/2 HTTP/1.1\r\nHost: example.com\r\n" + auth + "\r\n",
			"outside example.com /1 body", "/2"},
		"a folded header": {"GET http://example.com/ HTTP/1.1\r\nHost: x\r\nX: a\r\n Proxy-Authorization: x\r\n" +
			auth + "\r\n", "", "gateway"},
		"a hop-by-hop credential": {"GET http://sts.amazonaws.com/ HTTP/1.1\r\nHost: sts.amazonaws.com\r\n" +
			"Connection: Proxy-Authorization\r\n" + auth + "\r\n", "gateway sts.amazonaws.com /  []", "Basic"},
	} {
		t.Run(what, func(t *testing.T) {
			if said := p.says(c.send); !strings.Contains(said, c.want) || strings.Contains(said, c.not) {
				t.Errorf("it says %q", said)
			}
		})
	}
	for _, address := range p.reached() {
		if !strings.HasPrefix(address, "140.82.121.4:") {
			t.Errorf("it connected to %s", address)
		}
	}
}

// A tunnel to a host of AWS has TLS for that host, and nothing else goes through it.
func TestATunnelToAWSIsForItsHost(t *testing.T) {
	p := newProxied(t, someHosts, Options{Any: true})
	open := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprintf(c, "CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\n",
			credential)
		said := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
		if _, err := io.ReadFull(c, said); err != nil || !strings.HasPrefix(string(said), "HTTP/1.1 200 ") {
			t.Fatalf("it says %q, %v", said, err)
		}
		return c
	}
	err := tls.Client(open(), &tls.Config{ServerName: "example.com", InsecureSkipVerify: true}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("another name in TLS: %v", err)
	}
	plain := open()
	io.WriteString(plain, "GET / HTTP/1.1\r\nHost: sts.amazonaws.com\r\n\r\n")
	if said, _ := io.ReadAll(plain); strings.Contains(string(said), "gateway") {
		t.Errorf("without TLS it says %q", said)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.authority.PEM)
	if err := tls.Client(open(), &tls.Config{ServerName: "sts.amazonaws.com", RootCAs: roots,
		NextProtos: []string{"h2", "http/1.1"}}).Handshake(); err != nil {
		t.Errorf("its own name: %v", err)
	}
	unnamed := tls.Client(open(), &tls.Config{InsecureSkipVerify: true})
	if err := unnamed.Handshake(); err != nil ||
		unnamed.ConnectionState().PeerCertificates[0].VerifyHostname("sts.amazonaws.com") != nil {
		t.Errorf("no name: %v", err)
	}
	if got := p.reached(); len(got) > 0 {
		t.Errorf("it connected to %q", got)
	}
}

// A client may send the first bytes of the tunnel with CONNECT, before there is one.
func TestBytesBeforeTheTunnel(t *testing.T) {
	p := newProxied(t, map[string]string{"example.com": "140.82.121.4"}, Options{Any: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go io.Copy(there, there)
			return here, nil
		}})
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: %s\r\n\r\nearly", credential)
	said := bufio.NewReader(c)
	if line, err := said.ReadString('\n'); err != nil || line != "HTTP/1.1 200 Connection established\r\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	said.ReadString('\n')
	got := make([]byte, 5)
	if _, err := io.ReadFull(said, got); err != nil || string(got) != "early" {
		t.Errorf("through the tunnel comes %q, %v", got, err)
	}
}

// Where the environment names a proxy, tunnels and plain requests go through it, with its credential and not ours, but
// not to private hosts that were allowed, and to those of NO_PROXY.
func TestThroughAnotherProxy(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	corporate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, r.Header.Get("Proxy-Authorization")))
		mu.Unlock()
		if r.Method != http.MethodConnect {
			io.WriteString(w, "by the corporate proxy")
			return
		}
		if r.Host != "example.com:443" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nthrough")
		io.Copy(io.Discard, c)
	}))
	defer corporate.Close()
	at := strings.Replace(corporate.URL, "http://", "http://me:pass@", 1)
	env := map[string]string{"HTTPS_PROXY": at, "http_proxy": at, "NO_PROXY": "direct.example"}
	upstream, err := Upstream(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	p := newProxied(t, map[string]string{"direct.example": "10.0.0.9", "inside.example": "10.0.0.7"}, Options{Any: true,
		Private: []Pattern{"inside.example"}, Upstream: upstream,
		Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "10.") {
				return nil, errors.New("directly to " + address)
			}
			return net.Dial(network, address)
		}})
	connect := func(host string) string {
		return p.says("CONNECT " + host + ":443 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: " + credential + "\r\n\r\n")
	}
	if said := connect("example.com"); said != "HTTP/1.1 200 Connection established\r\n\r\nthrough" {
		t.Errorf("it says %q", said)
	}
	if said := connect("other.example"); !strings.HasPrefix(said, "HTTP/1.1 403 rolebroker: the proxy 127.0.0.1:") ||
		!strings.Contains(said, "answers 403 to CONNECT") || strings.Contains(said+p.log.String(), "pass") {
		t.Errorf("it says %q, and the log has\n%s", said, p.log)
	}
	if said := connect("direct.example"); !strings.Contains(said, "its address 10.0.0.9 is private") {
		t.Errorf("a host of NO_PROXY: %q", said)
	}
	if said := connect("inside.example"); !strings.Contains(said, "directly to 10.0.0.7:443") {
		t.Errorf("a private host that is allowed: %q", said)
	}
	if text, err := p.get("http://example.com/x"); err != nil || text != "by the corporate proxy" {
		t.Errorf("plain HTTP: %q, %v", text, err)
	}
	if text, err := p.get("https://sts.amazonaws.com/"); err != nil || !strings.HasPrefix(text, "gateway sts") {
		t.Errorf("AWS: %q, %v", text, err)
	}
	const theirs = "Basic bWU6cGFzcw=="
	want := []string{"CONNECT example.com:443 " + theirs, "CONNECT other.example:443 " + theirs,
		"GET http://example.com/x " + theirs}
	if got := strings.Join(asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the corporate proxy is asked\n%s", got)
	}
}

func TestProxiesThatCannotBeUsed(t *testing.T) {
	for value, want := range map[string]string{"socks5://127.0.0.1:1": `speaks "socks5"`,
		"http://user:secret@%zz": "is not a URL"} {
		for _, name := range []string{"HTTPS_PROXY", "http_proxy", "ALL_PROXY"} {
			_, err := Upstream(func(n string) string { return map[string]string{name: value}[n] })
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	if up, err := Upstream(func(string) string { return "" }); up != nil || err != nil {
		t.Errorf("without one: %v", err)
	}
}

// Nothing of a proxy runs after its end, whatever was under way.
func TestTheProxyEndsWhole(t *testing.T) {
	dialing := make(chan struct{})
	var slow error
	names := map[string]string{"example.com": "140.82.121.4", "slow.example": "140.82.121.5"}
	p := newProxied(t, names, Options{Any: true,
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "140.82.121.5") {
				close(dialing)
				<-ctx.Done()
				slow = ctx.Err()
				return nil, slow
			}
			here, there := net.Pipe()
			go io.Copy(there, there)
			return here, nil
		}})
	open := func(request string, want string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, request)
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, make([]byte, len(want))); err != nil {
			t.Fatal(err)
		}
		return c
	}
	auth := " HTTP/1.1\r\nHost: x\r\nProxy-Authorization: " + credential + "\r\n\r\n"
	const established = "HTTP/1.1 200 Connection established\r\n\r\n"
	open("CONNECT example.com:443"+auth, established)
	open("CONNECT sts.amazonaws.com:443"+auth, established) // waits for the TLS of the client
	aws := tls.Client(open("CONNECT sts.amazonaws.com:443"+auth, established), &tls.Config{InsecureSkipVerify: true})
	if err := aws.Handshake(); err != nil {
		t.Fatal(err)
	}
	open("CONNECT slow.example:443"+auth, "")
	open("GET http://example.com/"+auth, "") // the host never answers
	<-dialing
	p.close()
	if !errors.Is(slow, context.Canceled) {
		t.Errorf("what was dialing ended with %v", slow)
	}
	for began := time.Now(); ; time.Sleep(time.Millisecond) { // what has said that it is done returns soon
		left := running()
		if len(left) == 0 {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("this runs on:\n%s", bytes.Join(left, []byte("\n\n")))
		}
	}
}

// running are the stacks of goroutines of this package that serve connections.
func running() (left [][]byte) {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	for trace := range bytes.SplitSeq(all, []byte("\n\n")) {
		if bytes.Contains(trace, []byte("internal/egress.(*Egress)")) ||
			bytes.Contains(trace, []byte("internal/egress.join")) {
			left = append(left, trace)
		}
	}
	return left
}
