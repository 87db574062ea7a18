// Package client is the Go client of rolebroker: of the management API with an
// API key, and of what an agent may ask for with an agent token. The command
// line, the runner and the Terraform provider are made of it.
//
// Whatever goes wrong comes back as a *[rolebroker.Error] with its code, a
// sentence and a hint, whether the server said so, a proxy did, or nobody
// answered. The client refuses to send its token over plain HTTP to another
// machine or after a redirect, and to read answers without end; it retries
// nothing and remembers nothing.
//
//	c, err := client.New(client.Options{URL: "http://127.0.0.1:8484", Token: rolebroker.NewSecret(key)})
//	if err != nil {
//		return err
//	}
//	for integration, err := range c.AllIntegrations(ctx, "") {
//		if err != nil {
//			return err
//		}
//		fmt.Println(integration.Name)
//	}
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Options say whom to ask and as whom.
type Options struct {
	// URL is where the server is, as in http://127.0.0.1:8484. It may have a
	// path when something in front of the server adds one.
	URL string

	// Token is an API key, or an agent token for Credentials and Roles. The
	// zero value sends none.
	Token rolebroker.Secret

	// AllowInsecure permits sending Token over plain HTTP to an address that is
	// not this machine's: for a network that encrypts by other means.
	AllowInsecure bool

	// HTTPClient is used for its transport, jar and timeout; redirects are never
	// followed. nil means one with the default transport and a timeout of two
	// minutes.
	HTTPClient *http.Client

	// UserAgent names the program; empty means "rolebroker-go".
	UserAgent string
}

// Client asks one server. It may be used by many goroutines at once.
type Client struct {
	base      *url.URL
	token     rolebroker.Secret
	readable  bool // by anyone on the way to the server, and that is not meant
	http      *http.Client
	userAgent string
}

// New makes a client. It reaches out to nobody; its errors are about the
// options, with CodeInvalid.
func New(o Options) (*Client, error) {
	base, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, token: o.Token, userAgent: o.UserAgent, http: &http.Client{Timeout: 2 * time.Minute},
		readable: base.Scheme == "http" && !o.AllowInsecure && !rolebroker.IsLoopback(base.Hostname())}
	if c.readable && !o.Token.IsZero() {
		return nil, c.tooOpen()
	}
	if o.HTTPClient != nil {
		copied := *o.HTTPClient
		c.http = &copied
	}
	if c.userAgent == "" {
		c.userAgent = "rolebroker-go"
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// tooOpen refuses to send a token.
func (c *Client) tooOpen() error {
	return rolebroker.Errorf(rolebroker.CodeInvalid, "the token would be readable by anyone on the way to %s", c.base).
		WithHint("use https:// in ROLEBROKER_URL, or reach the server through a tunnel to 127.0.0.1")
}

// URL is where the server is.
func (c *Client) URL() string { return c.base.String() }

// parseURL says what is wrong with a server's URL, as its user wrote it.
func parseURL(raw string) (*url.URL, error) {
	const like = "a server's URL looks like http://127.0.0.1:8484 or https://rolebroker.example.com"
	invalid := func(format string, args ...any) error {
		return rolebroker.Errorf(rolebroker.CodeInvalid, format, args...).WithHint("set ROLEBROKER_URL; " + like)
	}
	if raw == "" {
		return nil, invalid("the server's URL is empty")
	}
	u, err := url.Parse(raw)
	switch {
	case !strings.Contains(raw, "://"):
		return nil, invalid("the server's URL has no scheme; it must start with http:// or https://")
	case err != nil: // it may quote a password
		return nil, invalid("the server's URL cannot be parsed")
	case u.User != nil:
		return nil, invalid("the server's URL has a user or password in it; the token goes into ROLEBROKER_TOKEN")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, invalid("the server's URL %q has the scheme %q; http and https are known", raw, u.Scheme)
	case u.Hostname() == "":
		return nil, invalid("the server's URL %q has no host", raw)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, invalid("the server's URL %q has a query or a fragment", raw)
	}
	return u, nil
}

// request is one thing to ask. The path is escaped already.
type request struct {
	method  string
	path    string
	query   url.Values
	ifMatch string // of the thing to be changed; empty: whatever it is
	body    any    // becomes JSON; nil: none
	accept  string // media type; empty: JSON
}

// do asks, and decodes the answer into answer unless that is nil.
func (c *Client) do(ctx context.Context, r request, answer any) error {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refusal(resp)
	}
	if answer == nil {
		return nil
	}
	return c.decode(ctx, resp, answer)
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the request cannot be written as JSON: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.address(r), body)
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal, "the request cannot be made: %w", err)
	}
	req.Header.Set("Accept", cmp.Or(r.accept, "application/json"))
	req.Header.Set("User-Agent", c.userAgent)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return req, nil
}

// address is the URL of a request. It is put together as text, because
// whatever joins paths also cleans them, and ".." in a reference is meant.
func (c *Client) address(r request) string {
	address := c.base.Scheme + "://" + c.base.Host + strings.TrimSuffix(c.base.EscapedPath(), "/") + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	return address
}

// segment escapes a name, an ID or a role reference so that it is exactly one
// segment of a path, whatever is in it.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

// maxAnswer bounds what is read of an answer, in bytes: a page of 500
// integrations with a few hundred roles each.
const maxAnswer = 64 << 20

func (c *Client) decode(ctx context.Context, resp *http.Response, answer any) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if len(body) > maxAnswer {
		return rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered more than %d MiB", c.base, maxAnswer>>20).
			WithHint("ask for less at once, with a lower limit")
	}
	if !isJSON(resp) {
		return c.stranger(resp)
	}
	if err := json.Unmarshal(body, answer); err != nil { // err may quote a secret: it is not shown
		return c.strange()
	}
	return nil
}

// strange is for JSON that rolebroker does not answer here.
func (c *Client) strange() error {
	return rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered something that this version does not understand", c.base).
		WithHint("use the same version on both sides: rolebroker version; a proxy on the way to the server may have answered instead of it")
}
