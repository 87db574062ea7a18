package gateway

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
	"github.com/rolebroker/rolebroker/internal/renewal"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// refusal is an answer of the gateway itself, with a code that AWS has.
type refusal struct {
	status     int
	code, text string
}

func (r *refusal) Error() string { return r.text }

// unreachable is the refusal of a call that did not reach AWS, whose body was not what was signed, or that was ended.
func unreachable(err error) error {
	if _, ok := errors.AsType[*sigv4.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*rolebroker.Error](err); ok {
		return err
	}
	return &rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: "the service cannot be reached from the gateway",
		Cause: err}
}

// explain returns the refusal of an error.
func explain(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if wrong, ok := errors.AsType[*sigv4.Error](err); ok {
		return &refusal{wrong.Status, wrong.Code, wrong.Message}
	}
	e := rolebroker.AsError(err)
	text := e.Message
	if hint := e.Hint.String(); hint != "" {
		text += "; hint: " + hint
	}
	r := &refusal{problem.Status(err), "AccessDenied", text}
	switch e.Code {
	case rolebroker.CodeExpired, rolebroker.CodeUnauthenticated:
		r.status, r.code = http.StatusForbidden, "ExpiredToken"
	case rolebroker.CodeThrottled:
		r.status, r.code = http.StatusServiceUnavailable, "ThrottlingException" // S3's clients know no 429
	case rolebroker.CodeUnavailable:
		r.status, r.code = http.StatusServiceUnavailable, "ServiceUnavailable"
	case rolebroker.CodeInternal:
		r.status, r.code, r.text = http.StatusInternalServerError, "InternalFailure", "something went wrong in the gateway; "+
			"its log has the cause"
	default:
		r.status = http.StatusForbidden
	}
	return r
}

// Unreachable answers a request that did not reach the gateway, in the format of its service.
func Unreachable(w http.ResponseWriter, r *http.Request, err error) {
	c := &call{gateway: New(Options{}), w: w, r: r}
	c.signature, _ = sigv4.Read(r) // without one the format is that of most services
	if c.signature != nil {
		c.path = r.URL.EscapedPath()
		_ = c.chooseService()
	}
	c.refuse(err)
}

// tellEnded says in the answer that another key may be good, if that is so.
func (c *call) tellEnded(err error) {
	if rolebroker.CodeOf(err) == rolebroker.CodeExpired {
		c.w.Header().Set(renewal.Ended, "true")
	}
}

// refuse answers in the format of the service, so that its SDKs print what the gateway says.
func (c *call) refuse(err error) {
	r := explain(err)
	if r.status >= http.StatusInternalServerError {
		c.gateway.Log.Warn("a request was not answered by AWS", "service", c.service.Name, "reason", err,
			"cause", rolebroker.AsError(err).Cause)
	}
	text := "rolebroker: " + strings.Join(strings.Fields(r.text), " ")
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close") // the body may not have been read
	kind, body := c.format(r.code, text)
	if kind == jsonBody {
		h.Set("X-Amzn-Errortype", exception(r.code))
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(r.status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // the client may be gone
	}
}

const (
	jsonBody = "application/json"
	xmlBody  = "text/xml"
	cborBody = "application/cbor"
)

// format renders a refusal as the service would.
//
// Source: AWS's protocol documentation in the Smithy specification, "Operation error serialization".
func (c *call) format(code, text string) (kind string, body []byte) {
	if c.signature != nil && isS3(c.signature.Service) && c.service.Name != "s3control" {
		return xmlBody, document("<Error><Code>"+code+"</Code><Message>", text, "</Message></Error>")
	}
	switch content := c.r.Header.Get("Content-Type"); {
	case c.r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		return cborBody, cbor(exception(code), text)
	case c.r.Header.Get("X-Amz-Target") != "":
		return jsonBody, exceptionJSON(code, text)
	case c.service.Protocol == "ec2":
		return xmlBody, document("<Response><Errors><Error><Code>"+code+"</Code><Message>", text,
			"</Message></Error></Errors></Response>")
	case c.service.Protocol == "query", c.service.Protocol == "rest-xml",
		strings.HasPrefix(content, "application/x-www-form-urlencoded"):
		return xmlBody, document("<ErrorResponse><Error><Type>Sender</Type><Code>"+code+"</Code><Message>", text,
			"</Message></Error></ErrorResponse>")
	}
	return jsonBody, exceptionJSON(code, text)
}

// exception is the name of a code in the protocols with JSON.
func exception(code string) string {
	if strings.HasSuffix(code, "Exception") {
		return code
	}
	return code + "Exception"
}

func exceptionJSON(code, text string) []byte {
	body, err := json.Marshal(map[string]string{"__type": exception(code), "message": text, "Message": text})
	if err != nil {
		panic("encoding plain strings: " + err.Error())
	}
	return body
}

func document(before, text, after string) []byte {
	var b strings.Builder
	b.WriteString(xml.Header + before)
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	b.WriteString(after)
	return []byte(b.String())
}

// cbor encodes a map of two texts.
//
// Source: RFC 8949, sections 3.1 and 3.
func cbor(code, text string) []byte {
	b := []byte{0xa2}
	for _, s := range []string{"__type", code, "message", text} {
		b = append(b, 0x79, byte(len(s)>>8), byte(len(s))) // a text with a length of two bytes
		b = append(b, s...)
	}
	return b
}
