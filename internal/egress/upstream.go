package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/rolebroker/rolebroker"
)

// Upstream returns the proxies that an environment names for URLs; nil if it names none. It fails for a proxy that does
// not speak HTTP.
//
// Source: golang.org/x/net/http/httpproxy, and curl(1) for ALL_PROXY.
func Upstream(getenv func(string) string) (func(*url.URL) (*url.URL, error), error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	named := httpproxy.Config{
		HTTPSProxy: first("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
		HTTPProxy:  first("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"),
		NoProxy:    first("NO_PROXY", "no_proxy"),
	}
	if named.HTTPSProxy == "" && named.HTTPProxy == "" {
		return nil, nil
	}
	for scheme, proxy := range map[string]string{"https": named.HTTPSProxy, "http": named.HTTPProxy} {
		if err := checkProxy(scheme, proxy); err != nil {
			return nil, err
		}
	}
	return named.ProxyFunc(), nil
}

// checkProxy refuses a proxy that httpproxy would take as none, and one that does not speak HTTP. The error does not
// have all of it, because it may have a password.
func checkProxy(scheme, proxy string) error {
	if proxy == "" {
		return nil
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	at, err := url.Parse(proxy)
	if err != nil || at.Hostname() == "" {
		return fmt.Errorf("the proxy that the environment names for %s is not a URL", scheme)
	}
	if at.Scheme != "http" && at.Scheme != "https" {
		return fmt.Errorf("the proxy that the environment names for %s speaks %s, and not HTTP", scheme,
			rolebroker.Quote(at.Scheme))
	}
	return nil
}

// upstream returns the proxy by which a host is reached; nil: none.
func (e *Egress) upstream(scheme, host string) (*url.URL, error) {
	if includes(e.Private, host) {
		return nil, nil
	}
	return e.Upstream(&url.URL{Scheme: scheme, Host: host})
}

// maxProxyAnswer bounds the answer of a proxy to CONNECT.
const maxProxyAnswer = 64 << 10

// dialThrough connects to port 443 of a host through a proxy.
//
// Source: RFC 9110, 9.3.6.
func (e *Egress) dialThrough(ctx context.Context, proxy *url.URL, host string) (_ net.Conn, err error) {
	c, err := e.dialProxy(ctx, proxy)
	if err != nil {
		return nil, fmt.Errorf("the proxy %s cannot be reached: %w", proxy.Host, err)
	}
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	ask := &http.Request{Method: http.MethodConnect, Host: host + ":443", Header: http.Header{},
		URL: &url.URL{Opaque: host + ":443"}}
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		ask.Header.Set("Proxy-Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := ask.Write(c); err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", proxy.Host, err)
	}
	said := bufio.NewReaderSize(&bounded{c, maxProxyAnswer}, 4<<10)
	answer, err := http.ReadResponse(said, ask)
	if err != nil {
		return nil, fmt.Errorf("the proxy %s gives no answer: %w", proxy.Host, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the proxy %s answers %d to CONNECT", proxy.Host, answer.StatusCode)
	}
	rest, _ := said.Peek(said.Buffered())
	return &replayed{Conn: c, first: bytes.Clone(rest)}, nil
}

func (e *Egress) dialProxy(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	switch {
	case port != "":
	case proxy.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	c, err := e.Dial(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil || proxy.Scheme != "https" {
		return c, err
	}
	secure := tls.Client(c, &tls.Config{ServerName: proxy.Hostname(), NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// bounded is a connection of which so many bytes can be read.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is too long")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
