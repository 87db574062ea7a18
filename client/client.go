// Package client is the Go client of rolebroker. It uses the management API with an
// API key, borrows roles with an agent token, and speaks for a runner with the
// runner's credential. The command line, the runner and the Terraform provider use it.
//
// Every error is a *[rolebroker.Error] with a code, a sentence and a hint, whether
// it is from the server, from a proxy, or because there was no answer. The client
// refuses to send its token over plain HTTP to another machine or after a redirect.
// It bounds what a server can make it read, keep and wait for. It caches nothing, and
// retries nothing except with a token that was rotated meanwhile.
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
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// Options configure New. URL is required.
type Options struct {
	// URL is the URL of the server, as in http://127.0.0.1:8484. It may have a path
	// if a proxy in front of the server adds one.
	URL string

	// Token is an API key, or an agent token for Credentials and Roles. The
	// zero value sends none.
	Token rolebroker.Secret

	// TokenFile is a file with the token, for a token that is rotated. The client reads
	// it for each request, and again after status 401; if the file then has another
	// token, the client repeats the request with it. While the file has no token, the
	// last one stays in use: Token, if none was read yet. Empty: Token alone.
	TokenFile string

	// AllowInsecure permits sending Token over plain HTTP to another machine, for a
	// network that encrypts by other means.
	AllowInsecure bool

	// HTTPClient provides transport, jar and timeout; redirects are never followed.
	// Without a transport it gets that of NewTransport, and without a timeout one of two
	// minutes.
	HTTPClient *http.Client

	// UserAgent names the program; empty means "rolebroker-go".
	UserAgent string

	// Now is the clock that tells what has expired; nil means time.Now.
	Now func() time.Time
}

// Client is a client of one server. Its methods can be called concurrently.
type Client struct {
	base      *url.URL
	token     func() rolebroker.Secret // to send now
	readable  bool                     // by anyone on the way to the server, and AllowInsecure is not set
	http      *http.Client
	userAgent string
	now       func() time.Time
}

// New makes a client. It does not connect. Codes: invalid (the options).
func New(o Options) (*Client, error) {
	base, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, userAgent: o.UserAgent, now: o.Now, http: &http.Client{},
		readable: base.Scheme == "http" && !o.AllowInsecure && !rolebroker.IsLoopback(base.Hostname())}
	if c.token, err = tokenSource(o); err != nil {
		return nil, err
	}
	if err := c.maySend(c.token()); err != nil {
		return nil, err
	}
	if o.HTTPClient != nil {
		copied := *o.HTTPClient
		c.http = &copied
	}
	if c.http.Transport == nil {
		c.http.Transport = transport()
	}
	c.http.Timeout = cmp.Or(c.http.Timeout, answerTimeout)
	c.userAgent = cmp.Or(c.userAgent, "rolebroker-go")
	if c.now == nil {
		c.now = time.Now
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// maySend returns nil if nobody on the way to the server can read the token, or if it may go there all the same.
func (c *Client) maySend(token rolebroker.Secret) error {
	if !c.readable || token.IsZero() || rolebroker.IsCredentialsHost(c.base.Hostname()) && isForRunner(token) {
		return nil
	}
	return c.exposed()
}

// isForRunner reports whether a token may go to the link-local addresses where AWS SDKs
// ask for credentials over plain HTTP, and where a runner on the node may listen: an
// agent token, and that of a Kubernetes service account.
func isForRunner(token rolebroker.Secret) bool {
	return strings.HasPrefix(token.Reveal(), "rbt_") || strings.HasPrefix(token.Reveal(), "ey")
}

// OfAgent reports whether the client has the token of an agent, or of a room of rolebroker exec, and no API key.
func (c *Client) OfAgent() bool {
	token := c.token()
	return isForRunner(token) || strings.HasPrefix(token.Reveal(), "rbx_")
}

// tokenSource returns the token to send, each time it is called.
func tokenSource(o Options) (func() rolebroker.Secret, error) {
	if o.TokenFile == "" {
		return func() rolebroker.Secret { return o.Token }, nil
	}
	file := tokenfile.Known(o.TokenFile, o.Token)
	if _, err := file.Token(); err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the token cannot be read: %s", err)
	}
	return func() rolebroker.Secret {
		token, _ := file.Token() // it has had one
		return token
	}, nil
}

// exposed is the refusal to send a token over plain HTTP.
func (c *Client) exposed() error {
	return rolebroker.Errorf(rolebroker.CodeInvalid, "the token would be readable by anyone on the way to %s", c.base).
		WithHint("use https:// in ROLEBROKER_URL, or reach the server through a tunnel to 127.0.0.1")
}

// URL is the URL of the server.
func (c *Client) URL() string { return c.base.String() }

// parseURL parses a server's URL. Its errors quote nothing that may be a secret.
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
