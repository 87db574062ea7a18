package awssim

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

// TestChunkSignatures verifies the example of the Amazon S3 API Reference, "Example
// Calculations for Chunked Uploads".
func TestChunkSignatures(t *testing.T) {
	t.Parallel()
	const (
		first  = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
		second = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
		last   = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
	)
	call := func() *s3Call {
		r, _ := http.NewRequest("PUT", "https://s3.amazonaws.com/examplebucket/chunkObject.txt", nil)
		r.Header.Set("X-Amz-Decoded-Content-Length", "66560")
		return &s3Call{call: &call{http: r, secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			signed: signedForm{payload: signedChunks},
			seed: &claim{day: "20130524", region: "us-east-1", service: "s3", terminator: sigTerminator,
				stamp:     "20130524T000000Z",
				signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}}}
	}
	body := "10000;chunk-signature=" + first + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + second + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + last + "\r\n\r\n"
	c := call()
	c.body = []byte(body)
	got, err := c.decode()
	if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("a"), 66560)) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for name, broken := range map[string]string{
		"a byte changed": strings.Replace(body, "aaaa\r\n400", "aaab\r\n400", 1),
		"a chunk left out": strings.Replace(body, "400;chunk-signature="+second+"\r\n"+
			strings.Repeat("a", 1024)+"\r\n", "", 1),
		"a signature left out": strings.Replace(body, ";chunk-signature="+second, "", 1),
		"the end left out":     strings.TrimSuffix(body, "0;chunk-signature="+last+"\r\n\r\n"),
		"a size too large":     strings.Replace(body, "400;", "401;", 1),
		"a size that wraps":    strings.Replace(body, "400;", "fffffffffffffffff;", 1),
	} {
		c := call()
		c.body = []byte(broken)
		if _, err := c.decode(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTrailers decodes the body of an SDK that sends a checksum after its content.
func TestTrailers(t *testing.T) {
	t.Parallel()
	r, _ := http.NewRequest("PUT", "https://reports.s3.eu-west-1.amazonaws.com/a", nil)
	r.Header.Set("X-Amz-Decoded-Content-Length", "5")
	c := &s3Call{call: &call{http: r, signed: signedForm{payload: unsignedTrailer}, seed: &claim{},
		body: []byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")}}
	if got, err := c.decode(); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	c.signed.payload, c.secret = signedWithTrailer, "secret"
	sign := func(lines ...string) string { return c.seed.signText(c.secret, lines[0], lines[1:]...) }
	one := sign("AWS4-HMAC-SHA256-PAYLOAD", "", hexSHA256(nil), hexSHA256([]byte("hello")))
	end := sign("AWS4-HMAC-SHA256-PAYLOAD", one, hexSHA256(nil), hexSHA256(nil))
	trailer := sign("AWS4-HMAC-SHA256-TRAILER", end, hexSHA256([]byte("x-amz-checksum-crc32:NhCmhg==\n")))
	body := "5;chunk-signature=" + one + "\r\nhello\r\n0;chunk-signature=" + end +
		"\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:" + trailer + "\r\n\r\n"
	c.body = []byte(body)
	if got, err := c.decode(); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	c.body = []byte(strings.Replace(body, "NhCmhg", "NhCmhh", 1))
	if _, err := c.decode(); err == nil {
		t.Error("a changed trailer was accepted")
	}
}
