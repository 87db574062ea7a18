package gateway_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
)

// mismatch is the answer of S3 to a signature that is wrong.
func mismatch(r *http.Request) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	signed := "GET\n/\n\nx-amz-security-token:" + r.Header.Get("X-Amz-Security-Token") + "\n"
	return "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>" + id + "</AWSAccessKeyId><CanonicalRequest>" +
		signed + "</CanonicalRequest><CanonicalRequestBytes>" + fmt.Sprintf("% x", signed) + "</CanonicalRequestBytes></Error>"
}

// The real credentials never leave the server, also when AWS repeats what was signed.
func TestAnErrorOfAWSHasNoRealCredentials(t *testing.T) {
	for _, size := range []int{0, 50 << 10} {
		w := newWorld(t)
		aws := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.WriteHeader(http.StatusForbidden)
			io.WriteString(rw, mismatch(r)+strings.Repeat(" ", size))
		}))
		defer aws.Close()
		w.endpoint = func(endpoint.Service) string { return aws.URL }
		r := httptest.NewRequest("GET", "http://127.0.0.1:7777/reports/key", nil)
		w.sign(r, w.key(), "UNSIGNED-PAYLOAD", "s3", "eu-west-1")
		answer := w.answer(r)
		body, _ := io.ReadAll(answer.Body)
		for _, secret := range []string{"ASIAREAL", "real token", fmt.Sprintf("% x", "real token"),
			hex.EncodeToString([]byte("real token"))} {
			if strings.Contains(string(body), secret) {
				t.Errorf("the agent is answered with %s in %s", secret, body)
			}
		}
		own := w.key()
		if answer.StatusCode != 403 || !strings.Contains(string(body), "<AWSAccessKeyId>"+own.AccessKeyID+"</") ||
			!strings.Contains(string(body), "x-amz-security-token:"+own.SessionToken.Reveal()+"\n") {
			t.Errorf("the agent is answered with %d %s, without its own key", answer.StatusCode, body)
		}
	}
}

// A large error passes as it is, and whole.
func TestALargeErrorPasses(t *testing.T) {
	w := newWorld(t)
	want := strings.Repeat("a large page of HTML", 10_000)
	aws := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusBadGateway)
		io.WriteString(rw, want)
	}))
	defer aws.Close()
	w.endpoint = func(endpoint.Service) string { return aws.URL }
	answer := w.answer(w.request("POST", "/", "dynamodb", "eu-west-1", listTables))
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 502 || string(body) != want {
		t.Errorf("the agent is answered with %d and %d bytes, %v", answer.StatusCode, len(body), err)
	}
}

// counted is a body that counts what is read.
type counted struct {
	from io.Reader
	n    int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}

// An agent that was cut off cannot make the server read large bodies. What it asks in a small one is still recorded.
func TestTheBodyOfWhoMayNotIsNotRead(t *testing.T) {
	w := newWorld(t)
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "agent scout is disabled")
	large := strings.Repeat("x", 10<<20)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", large)
	body := &counted{from: strings.NewReader(large)}
	r.Body = io.NopCloser(body)
	w.refused(r, 403, "agent scout is disabled")
	if body.n > 200<<10 {
		t.Errorf("the gateway has read %d bytes", body.n)
	}
	r = w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	r.Body = io.NopCloser(strings.NewReader("[]"))
	w.refused(r, 403, "SignatureDoesNotMatch")
}
