package gateway

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// describe begins the record of the call: who asks what. It returns why that is unclear; nil: it is clear.
func (c *call) describe() error {
	key := &c.key
	c.about = rolebroker.Call{ID: rolebroker.NewCallID(c.began), Agent: key.Agent, Token: key.Token,
		Address: auth.IP(c.r.RemoteAddr), Integration: key.Integration, Role: key.Role, Task: key.Task,
		Region: rolebroker.Region(c.signature.Region), Times: 1}
	if grants, err := c.gateway.Lender.Grants(c.r.Context(), key.Agent); err == nil {
		name(&c.about, grants)
	}
	unclear := c.classify(c.about.ARN)
	c.about.Service = cmp.Or(c.asks.Service, c.service.Name)
	c.about.Operation, c.about.Actions, c.about.Level = c.asks.Operation, c.asks.Actions, levels[c.asks.Level]
	if c.asks.PassesRole {
		c.about.Actions = append(slices.Clip(c.asks.Actions), "iam:PassRole")
	}
	if !c.gateway.RedactResources {
		c.about.Resources = rolebroker.BoundResources(c.asks.Resources)
	}
	if unclear != nil {
		c.about.Level = rolebroker.CallPermissions
	}
	return unclear
}

// name adds to the record of a call what the agent and the role are called.
func name(about *rolebroker.Call, grants *rolebroker.Grants) {
	about.AgentName = grants.Agent.Name
	if in, role := grants.Role(about.Integration, about.Role); in != nil {
		about.IntegrationName, about.RoleName, about.ARN = in.Name, role.Name, role.ARN
	}
}

// levels are the levels of a record.
var levels = map[action.Level]rolebroker.CallLevel{action.List: rolebroker.CallList, action.Read: rolebroker.CallRead,
	action.Tagging: rolebroker.CallTagging, action.Write: rolebroker.CallWrite,
	action.Permissions: rolebroker.CallPermissions}

// refused records that the call is refused, and returns err.
func (c *call) refused(err error) error { return c.gateway.refused(c.about, err) }

// refused records that a call is refused, and returns err.
func (g *Gateway) refused(about rolebroker.Call, err error) error {
	about.Decision, about.Code = rolebroker.CallRefused, rolebroker.CodeDenied
	about.Reason = short(explain(err).text)
	if _, ours := errors.AsType[*refusal](err); !ours {
		about.Code = rolebroker.CodeOf(err)
	}
	g.metrics.calls.Inc(cmp.Or(about.Service, "unknown"), string(rolebroker.CallRefused))
	g.recorder.refuse(about)
	return err
}

// maxReasonText bounds the reason in a record, in bytes.
const maxReasonText = 1000

func short(text string) string {
	if len(text) <= maxReasonText {
		return text
	}
	return strings.ToValidUTF8(text[:maxReasonText], "") + "…"
}

// record records that the call goes to AWS. Codes: unavailable; those of Records.
func (c *call) record(loan *rolebroker.Loan) (*record, error) {
	c.about.Decision = rolebroker.CallAllowed
	c.about.Session = loan.Session
	c.about.AccessRequest = cmp.Or(c.about.AccessRequest, loan.AccessRequest)
	recorded, err := c.gateway.recorder.begin(c.r.Context(), c.about)
	if err == nil {
		c.gateway.metrics.calls.Inc(c.about.Service, string(rolebroker.CallAllowed))
	}
	return recorded, err
}

// finished records what became of the call.
func (c *call) finished(recorded *record) {
	c.gateway.recorder.end(recorded, func(to *rolebroker.Call) {
		to.Status, to.RequestID = c.sent.status, c.sent.requestID
		to.BytesIn, to.BytesOut = c.sent.in.Load(), c.sent.out.Load()
		if why := cmp.Or(c.sent.failure, c.ended()); why != nil {
			to.Reason = short(explain(why).text)
		}
	})
}

// sent is what happened to a request that was sent to AWS.
type sent struct {
	status    int // 0: there was no answer
	requestID string
	in, out   atomic.Int64 // bytes of the bodies
	failure   error
}

// roundTrip sends a signed request of a call, and notes what comes of it.
func (s *sent) roundTrip(c *call, out *http.Request) (*http.Response, error) {
	if c.body == nil && out.Body != nil && out.Body != http.NoBody {
		out.Body = counting{out.Body, &s.in}
	}
	before := time.Now()
	c.gateway.metrics.added.Observe((c.gateway.Now().Sub(c.began) - c.waited).Seconds())
	answer, err := c.gateway.Transport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	c.gateway.metrics.upstream.Observe(time.Since(before).Seconds())
	// net/http sends a body together with the header if it sees that the body is in memory. Without an answer nobody
	// knows what AWS got of it.
	if c.body != nil {
		s.in.Store(int64(len(c.body)))
	}
	s.status, s.requestID = answer.StatusCode, requestID(answer.Header)
	answer.Body = counting{answer.Body, &s.out}
	return answer, nil
}

// maxRequestID bounds the request ID that a service says.
const maxRequestID = 128

// requestID returns the ID that CloudTrail has of a request.
//
// Source: AWS General Reference, "Request IDs"; S3 says x-amz-request-id.
func requestID(h http.Header) string {
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amzn-Request-Id", "X-Amz-Requestid"} {
		if id := strings.TrimSpace(h.Get(name)); id != "" {
			return id[:min(len(id), maxRequestID)]
		}
	}
	return ""
}

// counting counts the bytes that are read.
type counting struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}
