package egress

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/expect"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// Proxy is an HTTP proxy for the command's programs: hosts of AWS end here, and others are tunnelled as they are, or
// asked over plain HTTP. identify reports whether a request's Proxy-Authorization is the command's; nobody else is
// served. Serve it with guard.ConnContext, and close that server before the Egress.
//
// Only names are taken, and only the ports 443 for CONNECT and 80 for plain HTTP.
func (e *Egress) Proxy(identify func(authorization string) bool) http.Handler {
	plain := e.plainProxy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.begin() {
			return
		}
		defer e.busy.Done()
		switch {
		case !identify(r.Header.Get("Proxy-Authorization")):
			w.Header().Set("Proxy-Authenticate", `Basic realm="rolebroker exec"`)
			http.Error(w, "rolebroker: this proxy serves the command of one rolebroker exec only",
				http.StatusProxyAuthRequired)
		case r.Method == http.MethodConnect:
			guard.Patient(r.Context())
			e.connect(w, r)
		default:
			guard.Patient(r.Context())
			e.forwardPlain(w, r, plain)
		}
	})
}

// refusal is why a request to the proxy is not served.
type refusal struct{ host, why string } // host is empty if it is no name

func (r *refusal) Error() string { return r.why }

// asked returns the host that a request to the proxy is for.
func asked(authority, port string) (host string, _ *refusal) {
	h, p, err := net.SplitHostPort(authority)
	if err != nil {
		h, p = authority, port
	}
	name, ok := outsideName(h)
	switch {
	case !ok:
		return "", &refusal{"", "this proxy takes names of hosts with their domain, and neither addresses nor names " +
			"of this network; NO_PROXY lists what to reach without it"}
	case p != port:
		return "", &refusal{name, fmt.Sprintf("this proxy takes port %s, not %s; NO_PROXY lists what to reach "+
			"without it", port, rolebroker.Quote(p))}
	}
	return name, nil
}

// connect answers CONNECT.
func (e *Egress) connect(w http.ResponseWriter, r *http.Request) {
	host, wrong := asked(r.URL.Host, "443")
	switch {
	case r.URL.Path != "" || r.ContentLength != 0:
		wrong = &refusal{"", "CONNECT has an authority, and neither a path nor a body"}
	case wrong == nil && !endpoint.InAWS(host) && !e.allows(host):
		wrong = &refusal{host, "the host is not allowed"}
	}
	var to net.Conn
	if wrong == nil && !endpoint.InAWS(host) {
		var err error
		if to, err = e.dial(host); err != nil {
			wrong = &refusal{host, err.Error()}
		}
	}
	c, err := e.hijack(w)
	if err != nil {
		if to != nil {
			to.Close()
		}
		return
	}
	defer e.forget(c)
	if wrong != nil {
		c.SetDeadline(time.Now().Add(time.Second))
		c.Write(e.refusedConnect(wrong))
		return
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		if to != nil {
			to.Close()
		}
		return
	}
	if to != nil {
		defer to.Close()
		join(c, to)
		return
	}
	e.interceptAWS(c, host)
}

// hijack takes over the connection of a request. The caller forgets it.
func (e *Egress) hijack(w http.ResponseWriter) (net.Conn, error) {
	raw, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Time{})
	early, _ := buffered.Reader.Peek(buffered.Reader.Buffered()) // of the tunnel
	c := &replayed{Conn: raw, first: bytes.Clone(early)}
	if e.isFull(c) {
		raw.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// interceptAWS ends the TLS of a tunnel to a host of AWS. What the client says in TLS has to be that host.
func (e *Egress) interceptAWS(c net.Conn, host string) {
	c.SetDeadline(time.Now().Add(helloTimeout))
	hello, read, err := readHello(c)
	if err != nil {
		e.refuse(c, host, "what goes to AWS does not begin with TLS")
		return
	}
	c.SetDeadline(time.Time{})
	said := strings.ToLower(strings.TrimSuffix(hello.host, "."))
	c = &replayed{Conn: c, first: read}
	if said != "" && said != host {
		e.refuse(c, host, "it names another host in TLS")
		return
	}
	e.serveAWS(c, host)
}

// refusedConnect is an answer whose reason is in the status line too, which is all that most clients show.
func (e *Egress) refusedConnect(why *refusal) []byte {
	text := e.explain(why)
	return fmt.Appendf(nil, "HTTP/1.1 403 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s\n", text, len(text)+1, text)
}

// explain writes why to the log, and returns it as one line of ASCII.
func (e *Egress) explain(why *refusal) string {
	text := "rolebroker: " + why.why
	if hint := e.tell(why.host, why.why); hint != "" {
		text += "; " + hint
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

// forwardPlain answers a request for a host over plain HTTP.
func (e *Egress) forwardPlain(w http.ResponseWriter, r *http.Request, outside http.Handler) {
	host, wrong := asked(r.URL.Host, "80")
	switch {
	case r.URL.Host == "":
		http.Error(w, "rolebroker: this is an HTTP proxy, and has no pages", http.StatusBadRequest)
		return
	case r.URL.Scheme != "http":
		wrong = &refusal{host, "this proxy takes plain HTTP, and CONNECT for everything else"}
	case wrong == nil && !endpoint.InAWS(host) && !e.allows(host):
		wrong = &refusal{host, "the host is not allowed"}
	}
	if wrong != nil {
		w.Header().Set("Connection", "close") // the body was not read
		http.Error(w, e.explain(wrong), http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(e.running, cancel)()
	r = r.WithContext(ctx)
	r.Header.Del("Proxy-Authorization")
	r.Header.Del("Proxy-Connection")
	if !endpoint.InAWS(host) {
		outside.ServeHTTP(w, r)
		return
	}
	// The gateway gets it as a server would: the path as it was signed, and the host of the URL.
	r.RequestURI = originForm(r.RequestURI)
	r.URL.Scheme, r.URL.Host = "", ""
	e.AWS.Handler.ServeHTTP(w, r)
}

// begin reports whether something may begin that Close waits for. It calls busy.Done in the end.
func (e *Egress) begin() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.busy.Add(1)
	}
	return !e.closed
}

// originForm is the path and the query of a URL, as they are.
//
// Source: RFC 9112, 3.2.1 and 3.2.2.
func originForm(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0:
		return "/"
	case rest[at] == '?':
		return "/" + rest[at:]
	}
	return rest[at:]
}

// plainProxy asks hosts outside over plain HTTP.
func (e *Egress) plainProxy() http.Handler {
	direct := &http.Transport{DisableCompression: true, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return e.dialDirectly(ctx, host, 80)
		}}
	proxied := &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: e.Dial,
		Proxy: func(r *http.Request) (*url.URL, error) { return e.upstream("http", r.URL.Hostname()) }}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      guard.ErrorLog(e.Log),
		Rewrite: func(p *httputil.ProxyRequest) {
			name, _ := outsideName(p.In.URL.Hostname())
			p.Out.URL.Host, p.Out.Host = name, "" // the host of the URL, whatever the header says
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				p.Out.Header[name] = p.In.Header[name] // the program's own
			}
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if via, err := e.upstream("http", r.URL.Hostname()); err != nil || via != nil {
				return proxied.RoundTrip(r)
			}
			return direct.RoundTrip(r)
		}),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, e.explain(&refusal{r.URL.Hostname(), err.Error()}), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { proxy.ServeHTTP(w, expect.PassOn(r)) })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
