package gateway

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/renewal"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// call is one request of an agent.
type call struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request

	signature *sigv4.Signature
	key       rolebroker.GatewayKey // decides what the agent may do
	secret    string                // of the key that the request is signed with

	service  endpoint.Service
	upstream url.URL           // without a query; Path is before the path of the request
	region   rolebroker.Region // to sign for
	path     string            // of the request, escaped, without a base path of ours
	host     string            // of AWS, that the request names; empty: it was sent to an address of ours
	named    bool              // the base path names the service

	began  time.Time
	asks   action.Call
	about  rolebroker.Call // its record
	waited time.Duration   // for a person
	sent   sent
	form   sigv4.Form
	body   []byte // of a request that is not S3's
	kept   int64  // how much of it is counted

	answering atomic.Bool // AWS has begun to answer
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
	c.key, c.secret, err = c.gateway.Keys.Open(c.r.Context(), c.signature.KeyID, c.signature.Token, now)
	if err != nil {
		return err
	}
	return c.renew(now)
}

// renew takes the newer key that the room of an exec has added, as the one that decides what the agent may do. The one
// that the request is signed with still proves who made it.
func (c *call) renew(now time.Time) error {
	newer, ok := renewal.Read(c.r)
	if !ok {
		return nil
	}
	key, secret, err := c.gateway.Keys.Open(c.r.Context(), newer.ID, newer.Token, now)
	if err != nil {
		return err
	}
	if !newer.Proves(c.r, secret) {
		return errUnknownKey
	}
	c.key = key
	return nil
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
	switch payload := h.Get("X-Amz-Content-Sha256"); {
	case payload == sigv4.EventStream:
		return unsupported("the gateway does not sign streams of events to AWS, as those of Transcribe and of Bedrock in both " +
			"directions; send the input as a whole, or have an administrator lend the keys of a role for it")
	case strings.HasPrefix(payload, "STREAMING-") && !known(payload):
		return unsupported("the gateway does not know bodies that are signed as " + rolebroker.Quote(payload))
	}
	query := c.r.URL.Query()
	if !c.signature.Presigned && (query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")) ||
		len(h.Values("Authorization")) > 1 {
		return &refusal{status: http.StatusBadRequest, code: "InvalidRequest", text: "the request has two signatures"}
	}
	return nil
}

// known reports whether chunks that are signed so can be verified.
func known(payload string) bool { return sigv4.Form{Payload: payload}.IsChunked() }

// unsupported refuses what could be allowed, and cannot be done.
func unsupported(text string) *refusal {
	return &refusal{status: http.StatusForbidden, code: "AccessDenied", text: text}
}

// caller is who signed.
func (c *call) caller() rolebroker.Caller {
	return rolebroker.Caller{Agent: c.key.Agent, Token: c.key.Token, Address: auth.IP(c.r.RemoteAddr),
		Request: rolebroker.RequestIDOf(c.r.Context())}
}

// request is for the role of the key.
func (c *call) request() rolebroker.Request {
	return rolebroker.Request{Role: c.key.Reference(), Task: c.key.Task, Access: c.key.Access, Signing: true,
		KeyGeneration: c.key.Generation}
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
	if signing == "s3express" {
		return unsupported("the gateway does not sign for directory buckets of S3 Express: their sessions are credentials; " +
			"hint: use a bucket of another type, or have an administrator lend the keys of a role for it")
	}
	return &refusal{status: http.StatusForbidden, code: "AccessDenied",
		text: "the gateway does not know a service that signs as " + rolebroker.Quote(signing)}
}

// locateHost takes the host of the request, which is in a domain of AWS. It has to be one of the service's in the region
// of the signature.
func (c *call) locateHost(host string) error {
	all := endpoint.Signing(c.signature.Service)
	slices.SortStableFunc(all, func(a, b endpoint.Service) int { // RDS, Neptune and DocumentDB have one host
		return cmp.Compare(rank(a), rank(b))
	})
	for _, s := range all {
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

// rank is 0 for a service that signs with its own name, and 1 for one that signs with that of another.
func rank(s endpoint.Service) int {
	if s.Name == s.Signing {
		return 0
	}
	return 1
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
	return c.moveBucket()
}

// moveBucket puts the bucket of the host into the path: the operator's host does not say it, and the request would be
// about another bucket there.
func (c *call) moveBucket() error {
	if c.host == "" || c.service.Name != "s3" {
		return nil
	}
	bucket, ok := c.service.Bucket(c.host, rolebroker.Region(c.signature.Region))
	if !ok {
		return &refusal{status: http.StatusForbidden, code: "AccessDenied", text: "the endpoint that is set for S3 takes no " +
			"requests for " + rolebroker.Quote(c.host)}
	}
	if c.host = ""; bucket != "" {
		c.path = "/" + bucket + c.path
	}
	return nil
}

// verify compares the signature. It reads the body, unless the signature covers a hash that the request declares.
func (c *call) verify() (err error) {
	if isS3(c.signature.Service) {
		if c.form, err = sigv4.S3(c.r); err != nil {
			return err
		}
		return c.signature.Verify(c.r, c.form, c.secret)
	}
	if err := c.readBody(); err != nil {
		return err
	}
	c.form = sigv4.Plain(c.r, sigv4.Hash(c.body))
	return c.signature.Verify(c.r, c.form, c.secret)
}

// isS3 reports whether a service signs as S3 does: the path escaped once, and the body by its declared hash.
func isS3(signing string) bool {
	return signing == "s3" || signing == "s3express" || signing == "s3-object-lambda" || signing == "s3-outposts"
}
