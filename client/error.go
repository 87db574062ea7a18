package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// maxRetryAfter is the longest wait, in seconds, that a hint repeats from an answer.
const maxRetryAfter = 3600

// maxQuoted bounds what an error repeats of an answer that rolebroker did not write.
const maxQuoted = 100

// refusal is the error in an answer whose status is not 2xx.
func (c *Client) refusal(resp *http.Response) error {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return c.redirected(resp)
	}
	body, err := c.read(resp, maxProblem)
	if err != nil || !isJSON(resp) || isDense(body) {
		return c.foreign(resp)
	}
	e := problem.Read(resp.StatusCode, body)
	if e == nil {
		return c.foreign(resp)
	}
	if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && 0 < after && after <= maxRetryAfter &&
		len(e.Hint) == 0 {
		e.Hint = rolebroker.Hintf("try again in %d seconds", after)
	}
	return e
}

// redirected is the refusal to follow a redirect with the token.
func (c *Client) redirected(resp *http.Response) error {
	e := rolebroker.Errorf(rolebroker.CodeUnavailable,
		"%s answered %s; redirects are not followed, since the token would follow", c.base,
		rolebroker.Clip(resp.Status, maxQuoted))
	if to, err := resp.Location(); err == nil {
		return e.WithHint("if %s://%s is the server, set ROLEBROKER_URL to it", to.Scheme, to.Host)
	}
	return e.WithHint("set ROLEBROKER_URL to the server's own URL")
}

// foreign explains an answer that rolebroker did not write.
func (c *Client) foreign(resp *http.Response) error {
	kind := resp.Header.Get("Content-Type")
	if kind == "" {
		kind = "an answer without a type"
	}
	return rolebroker.Errorf(codeOfStatus(resp.StatusCode),
		"%s answered %s with %s, which is not how rolebroker answers",
		c.base, rolebroker.Clip(resp.Status, maxQuoted), rolebroker.Clip(kind, maxQuoted)).
		WithHint("check ROLEBROKER_URL; a proxy on the way to the server may have answered instead of it")
}

// codeOfStatus is the code of an answer that rolebroker did not write. Status 404
// does not become not_found: a proxy does not know what exists in rolebroker.
func codeOfStatus(status int) rolebroker.Code {
	switch status {
	case http.StatusUnauthorized:
		return rolebroker.CodeUnauthenticated
	case http.StatusForbidden:
		return rolebroker.CodeDenied
	case http.StatusTooManyRequests:
		return rolebroker.CodeThrottled
	}
	return rolebroker.CodeUnavailable
}

// unreachable explains why there was no answer. The error of net/http is safe to
// show: it never has headers in it, where the token was.
func (c *Client) unreachable(ctx context.Context, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	e := &rolebroker.Error{Code: rolebroker.CodeUnavailable, Cause: err}
	switch timeout := net.Error(nil); {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Message = "asking rolebroker at " + c.base.String() + " was interrupted"
		return e
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		e.Message = "rolebroker at " + c.base.String() + " did not answer in time"
	default:
		e.Message = "cannot reach rolebroker at " + c.base.String() + ": " + err.Error()
	}
	e.Hint = rolebroker.TextHint(unreachableHint(err))
	return e
}

func unreachableHint(err error) string {
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &authority):
		return "if the server's certificate is signed by an authority of your own, name its file in SSL_CERT_FILE"
	case errors.As(err, &certificate):
		return "the server's certificate must be valid for the host in ROLEBROKER_URL"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain HTTP there: start ROLEBROKER_URL with http://"
	}
	return "is the server running? start one with rolebroker server, or set ROLEBROKER_URL to where it is"
}

// isJSON says whether the Content-Type of an answer is any kind of JSON.
func isJSON(resp *http.Response) bool {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
