package sts

import (
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Bounds of an answer of STS, in bytes. One with credentials has about 2,000.
const (
	maxAnswer = 1 << 20
	maxHeader = 64 << 10
)

// strict returns an HTTP client that bounds answers, and follows no redirect: the SDK's
// own would send the web-identity token to another host. STS never redirects.
func strict(c aws.HTTPClient) aws.HTTPClient {
	built, ok := c.(*awshttp.BuildableClient)
	if !ok {
		return c
	}
	transport := built.GetTransport()
	transport.MaxResponseHeaderBytes = maxHeader
	return &http.Client{
		Transport:     bounded{transport},
		Timeout:       built.GetTimeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded is a transport whose answers end with an error after maxAnswer bytes.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &body{ReadCloser: resp.Body, left: maxAnswer}
	}
	return resp, err
}

// body is the body of an answer.
type body struct {
	io.ReadCloser
	left int64 // bytes that may still come
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("the answer is larger than STS answers")
	}
	return n, err
}
