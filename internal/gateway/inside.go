package gateway

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// Copies from another region have a request inside: the PresignedUrl in the form of EC2's CopySnapshot or RDS's
// CopyDBSnapshot is the same operation for the region of the source, which AWS asks there. SDKs make it with the
// agent's key. It is a call of its own: it is verified, authorised and recorded as one, and signed again with the same
// credentials.
//
// Source: the parameters of ec2, rds, docdb and neptune in botocore's models.

const presignedURL = "PresignedUrl"

// presignedFields are the values of the form's fields that have a request, as they are in the body.
func presignedFields(kind string, body []byte) (values []string) {
	if !strings.HasPrefix(strings.ToLower(kind), "application/x-www-form-urlencoded") {
		return nil
	}
	for field := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(field, "=")
		name, err := url.QueryUnescape(name)
		if err == nil && value != "" && strings.EqualFold(strings.TrimSpace(name), presignedURL) {
			values = append(values, value)
		}
	}
	return values
}

// inside is the request inside of a call.
type inside struct {
	*call
	value string // of the form's field, as it is in the body
}

// findInside finds the request inside, and decides whether the agent may ask it; nil: there is none.
func (c *call) findInside() (*inside, error) {
	values := presignedFields(c.r.Header.Get("Content-Type"), c.body)
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) > 1:
		return nil, notInside("there are several")
	}
	text, err := url.QueryUnescape(values[0])
	if err != nil {
		return nil, notInside("it is not encoded as a part of a form")
	}
	r, err := http.NewRequestWithContext(c.r.Context(), http.MethodGet, text, http.NoBody)
	if err != nil || r.URL.Host == "" || r.URL.User != nil || r.URL.Fragment != "" {
		return nil, notInside("it is not a URL of AWS")
	}
	r.RemoteAddr = c.r.RemoteAddr
	in := &inside{&call{gateway: c.gateway, w: c.w, r: r, began: c.began}, values[0]}
	if err := in.check(c); err != nil {
		return nil, notInside(explain(err).text)
	}
	unclear := in.describe()
	if err := cmp.Or(in.isSame(c), in.mayAsk(unclear)); err != nil {
		return nil, notInside(explain(in.refused(err)).text)
	}
	return in, nil
}

// check verifies that the agent made the request, with the key of the call that it is inside of.
func (in *inside) check(c *call) error {
	if err := in.identify(); err != nil {
		return err
	}
	if in.signature.KeyID != c.signature.KeyID || in.signature.Token != c.signature.Token {
		return errUnknownKey
	}
	in.key = c.key // it may be a newer one
	return cmp.Or(in.locate(), in.verify())
}

// isSame refuses every request but the same operation of the same service.
func (in *inside) isSame(c *call) error {
	if in.service.Name != c.service.Name || in.asks.Operation != c.asks.Operation || strings.Trim(in.path, "/") != "" ||
		in.region.Partition() != c.region.Partition() {
		asks := in.service.Name + ":" + in.asks.Operation
		return unsupported("it asks " + rolebroker.Quote(asks) + ", and is inside of " + c.service.Name + ":" +
			c.asks.Operation)
	}
	for name := range in.r.URL.Query() {
		if strings.EqualFold(strings.TrimSpace(name), presignedURL) {
			return unsupported("it has another request inside")
		}
	}
	return nil
}

func notInside(why string) error {
	return unsupported("the gateway does not sign the request in " + presignedURL + ": " + why +
		"; hint: let the SDK make it, from SourceRegion")
}

// approveWith finds the approvals of a call, and of the one inside of it if there is one.
func (c *call) approveWith(in *inside) (waited bool, err error) {
	if in != nil {
		if waited, err = in.approve(); err != nil {
			return waited, in.refused(err)
		}
	}
	also, err := c.approve()
	if in != nil {
		c.waited += in.waited
	}
	return waited || also, err
}

// lendAgain decides anew after a wait for people: meanwhile the agent may have lost the role, some of its access, or the
// leave for what the call returns.
func (c *call) lendAgain(in *inside) (*rolebroker.Loan, error) {
	loan, err := c.gateway.Lender.Lend(c.r.Context(), c.caller(), c.request())
	if err != nil {
		return nil, err
	}
	if in != nil {
		if err := in.mayAsk(nil); err != nil {
			return nil, notInside(explain(in.refused(err)).text)
		}
	}
	return loan, c.mayAsk(nil)
}

// send records the request, and puts it into the call that it is inside of. ended is for when that call has ended: AWS
// gives no answer of its own to what is inside.
func (in *inside) send(c *call, loan *rolebroker.Loan) (ended func(), err error) {
	recorded, err := in.record(loan)
	if err != nil {
		return nil, err
	}
	ended = func() { in.finished(recorded) }
	if in.sent.failure = in.sign(c, loan.Credentials); in.sent.failure != nil {
		ended()
		return nil, in.sent.failure
	}
	in.sent.failure = &refusal{text: "it was sent inside of call " + string(c.about.ID)}
	return ended, nil
}

// maxInsideExpires bounds how long the request inside can be used, in seconds: as long as SDKs say.
const maxInsideExpires = 3600

// sign puts the request, signed with the role's credentials, into the body of the call that it is inside of.
func (in *inside) sign(c *call, by rolebroker.Credentials) error {
	expires, err := strconv.Atoi(in.r.URL.Query().Get("X-Amz-Expires"))
	if err != nil || expires < 1 || expires > maxInsideExpires {
		expires = maxInsideExpires
	}
	to := in.upstream
	to.Path += "/"
	to.RawQuery = without(in.r.URL.RawQuery, signatureParameters) + "&X-Amz-Expires=" + strconv.Itoa(expires)
	r, err := http.NewRequestWithContext(c.r.Context(), http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		return err
	}
	with := aws.Credentials{AccessKeyID: by.AccessKeyID, SecretAccessKey: by.SecretAccessKey.Reveal(),
		SessionToken: by.SessionToken.Reveal()}
	signed, _, err := signer.PresignHTTP(c.r.Context(), with, r, sigv4.Hash(nil), in.signature.Service,
		string(in.region), c.gateway.Now())
	if err != nil {
		return err
	}
	fields := strings.Split(string(c.body), "&")
	at := slices.IndexFunc(fields, func(f string) bool {
		_, value, _ := strings.Cut(f, "=")
		return value == in.value && len(presignedFields(c.r.Header.Get("Content-Type"), []byte(f))) == 1
	})
	name, _, _ := strings.Cut(fields[at], "=")
	fields[at] = name + "=" + url.QueryEscape(signed)
	c.body = []byte(strings.Join(fields, "&"))
	c.form.Payload = sigv4.Hash(c.body)
	if c.r.Header.Get("X-Amz-Content-Sha256") != "" {
		c.r.Header.Set("X-Amz-Content-Sha256", c.form.Payload)
	}
	return nil
}
