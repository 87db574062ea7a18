package gateway

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// call is one request of an agent.
type call struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request

	signature *sigv4.Signature
	key       rolebroker.GatewayKey
	secret    string // of the key

	service  endpoint.Service
	upstream url.URL           // without a query; Path is before the path of the request
	region   rolebroker.Region // to sign for
	path     string            // of the request, escaped, without a base path of ours
	host     string            // of AWS, that the request names; empty: it was sent to an address of ours
	named    bool              // the base path names the service

	asks action.Call
	form sigv4.Form
	body []byte // of a request that is not S3's
}

// identify finds the key that signed the request. Until verify has returned nil, nothing shows that the agent did it.
func (c *call) identify() (err error) {
	if c.signature, err = sigv4.Read(c.r); err != nil {
		return err
	}
	if err := c.checkShape(); err != nil {
		return err
	}
	now := c.gateway.Now()
	if err := c.signature.CheckTime(now); err != nil {
		return err
	}
	if err := c.signature.CheckScope(c.signature.Service); err != nil {
		return err
	}
	c.key, c.secret, err = c.gateway.Keys.Open(c.signature.KeyID, c.signature.Token, now)
	return err
}

// checkShape refuses what would not reach AWS as it was signed and classified: headers that are dropped on the way, a
// connection that becomes another protocol, and a second signature.
func (c *call) checkShape() error {
	h := c.r.Header
	for _, value := range h.Values("Connection") {
		for option := range strings.SplitSeq(value, ",") {
			if o := strings.ToLower(strings.TrimSpace(option)); o != "" && o != "keep-alive" && o != "close" {
				return &refusal{status: http.StatusBadRequest, code: "InvalidRequest",
					text: "the gateway passes no connection option " + rolebroker.Quote(o)}
			}
		}
	}
	if h.Get("Upgrade") != "" {
		return &refusal{status: http.StatusBadRequest, code: "InvalidRequest", text: "the gateway passes no other protocol"}
	}
	query := c.r.URL.Query()
	if !c.signature.Presigned && (query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")) ||
		len(h.Values("Authorization")) > 1 {
		return &refusal{status: http.StatusBadRequest, code: "InvalidRequest", text: "the request has two signatures"}
	}
	return nil
}

// caller is who signed.
func (c *call) caller() rolebroker.Caller {
	return rolebroker.Caller{Agent: c.key.Agent, Token: c.key.Token}
}

// request is for the role of the key.
func (c *call) request() rolebroker.Request {
	return rolebroker.Request{Role: c.key.Reference(), Task: c.key.Task, Access: c.key.Access, Signing: true}
}

// locate finds the service and where it is. The service and the region are those of the signature; a host of AWS has to
// be in that region.
func (c *call) locate() error {
	c.path = c.r.URL.EscapedPath()
	c.region = rolebroker.Region(c.signature.Region)
	host := strings.ToLower(c.r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if partition := c.region.Partition(); partition != "" && endpoint.IsAWS(host, partition) {
		return c.locateHost(host)
	}
	if err := c.chooseService(); err != nil {
		return err
	}
	at, err := c.service.In(c.region)
	if err != nil {
		return &refusal{status: http.StatusForbidden, code: "SignatureDoesNotMatch", text: err.Error()}
	}
	c.upstream, c.region = url.URL{Scheme: "https", Host: at.Host, Path: at.Path}, at.Region
	return c.override()
}

// basePath begins the path of a request that names its service.
const basePath = "/-/"

// chooseService finds the service by the base path, or else by the name that the request is signed with.
func (c *call) chooseService() error {
	signing := c.signature.Service
	if rest, ok := strings.CutPrefix(c.path, basePath); ok {
		name, _, _ := strings.Cut(rest, "/")
		s, known := endpoint.Named(name)
		if !known || s.Signing != signing {
			return &refusal{status: http.StatusForbidden, code: "SignatureDoesNotMatch",
				text: "the request is for service " + rolebroker.Quote(name) + " and signed for " + rolebroker.Quote(signing)}
		}
		c.service, c.path, c.named = s, strings.TrimPrefix(c.path, basePath+name), true
		return nil
	}
	all := endpoint.Signing(signing)
	for _, s := range all {
		if len(all) == 1 || s.Name == signing {
			c.service = s
			return nil
		}
	}
	if len(all) > 0 {
		c.service = all[0]
		return nil
	}
	return &refusal{status: http.StatusForbidden, code: "AccessDenied",
		text: "the gateway does not know a service that signs as " + rolebroker.Quote(signing)}
}

// locateHost takes the host of the request, which is in a domain of AWS. It has to be one of the service's in the region
// of the signature.
func (c *call) locateHost(host string) error {
	for _, s := range endpoint.Signing(c.signature.Service) {
		if s.Owns(host, c.region) {
			c.service = s
			at, err := s.In(c.region)
			if err != nil {
				return err
			}
			c.upstream, c.host, c.region = url.URL{Scheme: "https", Host: host}, host, at.Region
			return c.override()
		}
	}
	return &refusal{status: http.StatusForbidden, code: "AccessDenied", text: "the gateway signs for no host " +
		rolebroker.Quote(host) + " of the service " + rolebroker.Quote(c.signature.Service) + " in " + string(c.region)}
}

// override sends the request where the operator wants the service's requests.
func (c *call) override() error {
	chosen := c.gateway.Endpoint(c.service)
	if chosen == "" {
		return nil
	}
	at, err := url.Parse(chosen)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return &rolebroker.Error{Code: rolebroker.CodeInternal, Message: "the endpoint of " + c.service.Name +
			" that is set for the gateway is not a URL", Cause: err}
	}
	c.upstream = url.URL{Scheme: at.Scheme, Host: at.Host, Path: strings.TrimSuffix(at.Path, "/")}
	return nil
}

// maxBody bounds the body of a request to any service but S3, which has to be known before it is signed.
const maxBody = 64 << 20

// verify compares the signature. It reads the body, unless the signature covers a hash that the request declares.
func (c *call) verify() (err error) {
	if isS3(c.signature.Service) {
		if c.form, err = sigv4.S3(c.r); err != nil {
			return err
		}
		return c.signature.Verify(c.r, c.form, c.secret)
	}
	c.body, err = io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			text: "the gateway signs bodies of at most 64 MiB, except for S3"}
	case err != nil:
		return &refusal{status: http.StatusBadRequest, code: "IncompleteBody", text: "the body ended too early"}
	}
	c.form = sigv4.Plain(c.r, sigv4.Hash(c.body))
	return c.signature.Verify(c.r, c.form, c.secret)
}

// isS3 reports whether a service signs as S3 does: the path escaped once, and the body by its declared hash.
func isS3(signing string) bool {
	return signing == "s3" || signing == "s3express" || signing == "s3-object-lambda" || signing == "s3-outposts"
}
