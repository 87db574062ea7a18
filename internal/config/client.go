package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// Client holds the settings of a client of the server, which are read from the
// environment only.
type Client struct {
	// URL is the address of the server, from ROLEBROKER_URL; the default is
	// http://127.0.0.1:8484. It has a path only if a proxy serves rolebroker
	// below that path.
	URL string

	// Token is an agent token, for exec, credentials and roles, or an API key,
	// for everything else. It is read from ROLEBROKER_TOKEN, or from the file that
	// ROLEBROKER_TOKEN_FILE names, without the newline at its end. Without both it is
	// that of the person who signed in with rolebroker login at this URL; without a
	// URL, at any.
	Token rolebroker.Secret

	// TokenFile is the file that Token was read from; empty: none. A client reads it
	// again, since the token may be rotated.
	TokenFile string

	// AllowInsecure permits sending Token over plain HTTP to another machine,
	// from ROLEBROKER_ALLOW_INSECURE=true. It is for networks that encrypt by
	// other means, such as a service mesh.
	AllowInsecure bool
}

const (
	defaultURL   = "http://127.0.0.1:8484"
	urlEnv       = "ROLEBROKER_URL"
	tokenEnv     = "ROLEBROKER_TOKEN"
	tokenFileEnv = "ROLEBROKER_TOKEN_FILE"
	insecureEnv  = "ROLEBROKER_ALLOW_INSECURE"
)

// LoadClient reads and checks the settings of a client. Its error has a field for
// each problem.
func LoadClient(outside Outside) (Client, error) { return loadClient(outside, true) }

// LoadAgentClient is LoadClient for an agent, which never uses a person's sign-in.
func LoadAgentClient(outside Outside) (Client, error) { return loadClient(outside, false) }

func loadClient(outside Outside, asPerson bool) (Client, error) {
	c := Client{URL: outside.Getenv(urlEnv)}
	if c.URL == "" {
		c.URL = defaultURL
	}
	var p problems
	if problem := urlProblem(c.URL); problem != "" {
		p.add(urlEnv, "%s", problem)
	}
	known := len(p)
	if !asPerson || !c.useSignIn(outside, &p) {
		c.loadToken(outside, &p)
	}
	badToken := len(p) > known
	c.loadInsecure(outside, &p)
	if err := p.err(); err != nil {
		if badToken {
			err = rolebroker.AsError(err).WithHint("rolebroker --help says which token is for what")
		}
		return Client{}, err
	}
	return c, nil
}

// useSignIn uses the sign-in that rolebroker login saved, if there is one at that server and the environment has no
// token.
func (c *Client) useSignIn(outside Outside, p *problems) bool {
	if outside.Getenv(tokenEnv) != "" || outside.Getenv(tokenFileEnv) != "" {
		return false
	}
	saved, err := LoadSignIn(outside)
	if err != nil {
		p.add(SignInFile(outside.Getenv), "%s", err)
		return true
	}
	if saved.Token.IsZero() || outside.Getenv(urlEnv) != "" && !saved.IsAt(c.URL) {
		return false
	}
	c.URL, c.Token = saved.URL, saved.Token
	return true
}

func (c *Client) loadInsecure(outside Outside, p *problems) {
	if value := outside.Getenv(insecureEnv); value != "" {
		var err error
		if c.AllowInsecure, err = strconv.ParseBool(value); err != nil {
			p.add(insecureEnv, "%q is neither true nor false", value)
		}
	}
}

// isExposed reports whether others can read what is sent to a URL.
func isExposed(address string) bool {
	u, err := url.Parse(address)
	return err != nil || u.Scheme == "http" && !rolebroker.IsLoopback(u.Hostname())
}

func (c *Client) loadToken(outside Outside, p *problems) {
	token, path := outside.Getenv(tokenEnv), outside.Getenv(tokenFileEnv)
	source := tokenEnv
	switch {
	case token != "" && path != "":
		p.add(tokenEnv, "is set and so is %s; unset one of them", tokenFileEnv)
		return
	case path != "":
		source = tokenFileEnv
		data, err := outside.ReadFile(path)
		if err != nil {
			p.add(tokenFileEnv, "%s", err)
			return
		}
		token, c.TokenFile = strings.TrimSpace(string(data)), path
	}
	var err error
	switch c.Token, err = tokenfile.Parse(token); {
	case errors.Is(err, tokenfile.ErrEmpty) && path != "":
		p.add(source, "%s is empty; write an agent token or an API key into it", path)
	case errors.Is(err, tokenfile.ErrEmpty):
		p.add(source, "is empty; set it to an agent token, for exec, credentials and roles, or to an API key")
	case err != nil:
		p.add(source, "%s", err)
	}
}

// urlProblem says what is wrong with the server's URL; "" if nothing is. It does
// not repeat the URL, which may have a password by mistake.
func urlProblem(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not the URL of a server; write it as in " + defaultURL
	case u.User != nil:
		return "has a user name in it; the server takes a token, in " + tokenEnv
	case u.RawQuery != "" || u.Fragment != "":
		return "has more than the address of a server; write it as in " + defaultURL
	}
	return ""
}
