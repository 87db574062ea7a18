package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// place is the escaped path of a collection or of a thing in it. err is why there is
// no such path; every request for the place then fails with it.
type place struct {
	path string
	err  error
}

// at is the place with a constant path.
func at(path string) place { return place{path: path} }

// member is one thing in a collection. An empty name would make it the
// collection itself.
func (p place) member(kind, nameOrID string) place {
	if nameOrID == "" && p.err == nil {
		p.err = rolebroker.Errorf(rolebroker.CodeInvalid, "the name or ID of the %s is empty", kind)
	}
	return place{p.path + "/" + segment(nameOrID), p.err}
}

// under is what belongs to a thing.
func (p place) under(what string) place { return place{p.path + "/" + what, p.err} }

// request is what the client sends.
type request struct {
	method  string
	place   place
	query   url.Values
	ifMatch string    // ETag of the thing to change; empty: any
	body    any       // becomes JSON; nil: none
	accept  string    // media type; empty: JSON
	most    int       // bytes of the answer; 0: maxAnswer
	list    *progress // of the list that the answer is a page of; nil: none

	patience time.Duration // how much longer than usual the answer may take
}

// get reads what is at a place.
func get[T any](ctx context.Context, c *Client, p place) (T, error) {
	return send[T](ctx, c, request{method: http.MethodGet, place: p})
}

// post makes something, or has something done.
func post[T any](ctx context.Context, c *Client, p place, body any) (T, error) {
	return send[T](ctx, c, request{method: http.MethodPost, place: p, body: body})
}

// put replaces what is at a place.
func put[T any](ctx context.Context, c *Client, p place, body any, ifMatch string) (T, error) {
	return send[T](ctx, c, request{method: http.MethodPut, place: p, body: body, ifMatch: ifMatch})
}

// remove deletes what is at a place.
func (c *Client) remove(ctx context.Context, p place, ifMatch string) error {
	return c.do(ctx, request{method: http.MethodDelete, place: p, ifMatch: ifMatch}, nil)
}

// send sends a request and decodes the answer.
func send[T any](ctx context.Context, c *Client, r request) (answer T, err error) {
	err = c.do(ctx, r, &answer)
	return answer, err
}

// do sends a request and decodes the answer into answer, unless that is nil.
func (c *Client) do(ctx context.Context, r request, answer any) error {
	by := *c.http
	by.Timeout += r.patience
	resp, err := c.ask(ctx, &by, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refusal(resp)
	}
	if answer == nil {
		return nil
	}
	return c.decode(resp, r, answer)
}

// ask sends a request. If the server does not accept the token, and another token is
// in its place by now, ask sends the request again. The caller closes the body.
func (c *Client) ask(ctx context.Context, by *http.Client, r request) (*http.Response, error) {
	token := c.token()
	resp, err := c.askWith(ctx, by, r, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	rotated := c.token()
	if rotated == token {
		return resp, nil
	}
	resp.Body.Close()
	return c.askWith(ctx, by, r, rotated)
}

func (c *Client) askWith(ctx context.Context, by *http.Client, r request, token rolebroker.Secret) (
	*http.Response, error) {
	req, err := c.newRequest(ctx, r, token)
	if err != nil {
		return nil, err
	}
	resp, err := by.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	return resp, nil
}

func (c *Client) newRequest(ctx context.Context, r request, token rolebroker.Secret) (*http.Request, error) {
	if r.place.err != nil {
		return nil, r.place.err
	}
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
	if id := rolebroker.RequestIDOf(ctx); id != "" { // what a runner or a room asks is one request with what it was asked
		req.Header.Set(api.RequestIDHeader, string(id))
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	if token.IsZero() {
		return req, nil
	}
	if err := c.maySend(token); err != nil { // the token file may have another kind of token by now
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	return req, nil
}

// address is the URL of a request. It is put together as text, because functions
// that join paths also clean them, and a reference may contain "..".
func (c *Client) address(r request) string {
	address := c.base.Scheme + "://" + c.base.Host + strings.TrimSuffix(c.base.EscapedPath(), "/") + r.place.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	return address
}

// segment escapes a name, an ID or a role reference as one segment of a path.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

func (c *Client) decode(resp *http.Response, r request, answer any) error {
	most := cmp.Or(r.most, maxAnswer)
	if r.list != nil {
		most = min(most, r.list.left)
	}
	body, err := c.read(resp, most)
	switch {
	case r.list == nil:
	case err == nil:
		r.list.left -= len(body)
	case most == r.list.left && errors.Is(err, errTooLarge):
		return noEnd()
	}
	if err != nil {
		return err
	}
	if !isJSON(resp) {
		return c.foreign(resp)
	}
	return c.parse(body, answer)
}

// parse decodes JSON. Its error does not quote the JSON, which may have a secret.
func (c *Client) parse(text []byte, into any) error {
	if isDense(text) || json.Unmarshal(text, into) != nil {
		return c.unexpected()
	}
	return nil
}

// unexpected explains JSON that this version does not expect as the answer.
func (c *Client) unexpected() error {
	return rolebroker.Errorf(rolebroker.CodeInternal,
		"rolebroker at %s answered something that this version does not understand", c.base).
		WithHint("use the same version on both sides: rolebroker version; a proxy on the way to the server may have " +
			"answered instead of it")
}
