package sigv4

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
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
	signature := &Signature{day: "20130524", Region: "us-east-1", Service: "s3", terminator: terminator,
		stamp: "20130524T000000Z", value: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"}
	read := func(body string) ([]byte, error) {
		return io.ReadAll(iotest.OneByteReader(signature.Body(strings.NewReader(body), Form{Payload: SignedChunks},
			"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "66560")))
	}
	body := "10000;chunk-signature=" + first + "\r\n" + strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=" + second + "\r\n" + strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=" + last + "\r\n\r\n"
	got, err := read(body)
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
		if _, err := read(broken); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTrailers decodes the body of an SDK that sends a checksum after its content.
func TestTrailers(t *testing.T) {
	t.Parallel()
	signature := &Signature{}
	read := func(kind, body string) (string, []string, error) {
		b := signature.Body(strings.NewReader(body), Form{Payload: kind}, "secret", "5")
		content, err := io.ReadAll(b)
		return string(content), b.Trailer, err
	}
	checksum := []string{"x-amz-checksum-crc32:NhCmhg=="}
	got, trailer, err := read(UnsignedTrailer, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
	if err != nil || got != "hello" || !slices.Equal(trailer, checksum) {
		t.Errorf("%q, %q, %v", got, trailer, err)
	}
	sign := func(lines ...string) string { return signature.signText("secret", lines[0], lines[1:]...) }
	one := sign("AWS4-HMAC-SHA256-PAYLOAD", "", Hash(nil), Hash([]byte("hello")))
	end := sign("AWS4-HMAC-SHA256-PAYLOAD", one, Hash(nil), Hash(nil))
	seal := sign("AWS4-HMAC-SHA256-TRAILER", end, Hash([]byte("x-amz-checksum-crc32:NhCmhg==\n")))
	body := "5;chunk-signature=" + one + "\r\nhello\r\n0;chunk-signature=" + end +
		"\r\nx-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:" + seal + "\r\n\r\n"
	if got, trailer, err := read(SignedTrailer, body); err != nil || got != "hello" || !slices.Equal(trailer, checksum) {
		t.Errorf("%q, %q, %v", got, trailer, err)
	}
	if _, _, err := read(SignedTrailer, strings.Replace(body, "NhCmhg", "NhCmhh", 1)); err == nil {
		t.Error("a changed trailer was accepted")
	}
}
