package sigv4

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
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

// inChunks encodes content in chunks of at most size bytes, with a checksum behind it unless the form is SignedChunks.
func inChunks(signature *Signature, kind, secret string, content []byte, size int) []byte {
	var wire bytes.Buffer
	previous := signature.value
	for last := false; !last; {
		chunk := content[:min(size, len(content))]
		content, last = content[len(chunk):], len(chunk) == 0
		fmt.Fprintf(&wire, "%x", len(chunk))
		if kind != UnsignedTrailer {
			previous = signature.signText(secret, "AWS4-HMAC-SHA256-PAYLOAD", previous, Hash(nil), Hash(chunk))
			wire.WriteString(";chunk-signature=" + previous)
		}
		wire.WriteString("\r\n")
		if !last {
			wire.Write(append(chunk[:len(chunk):len(chunk)], "\r\n"...))
		}
	}
	if kind != SignedChunks {
		wire.WriteString(checksumLine + "\r\n")
	}
	if kind == SignedTrailer {
		wire.WriteString("x-amz-trailer-signature:" + signature.signText(secret, "AWS4-HMAC-SHA256-TRAILER", previous,
			Hash([]byte(checksumLine+"\n"))) + "\r\n")
	}
	wire.WriteString("\r\n")
	return wire.Bytes()
}

const checksumLine = "x-amz-checksum-crc32:NhCmhg=="

// FuzzBody holds that content in chunks comes back, however the bytes arrive; that, where the chunks are signed, a byte
// that is changed or left out is found or changes nothing; and that no other body passes for a signed one.
func FuzzBody(f *testing.F) {
	for kind := range uint8(3) {
		f.Add([]byte("hello, agent"), kind, uint8(5), uint16(0), uint8(0), []byte("0\r\n\r\n"))
		f.Add([]byte("hello, agent"), kind, uint8(200), uint16(9), uint8(0x20),
			[]byte("1;chunk-signature=\r\na\r\n0\r\n\r\n"))
		f.Add([]byte{}, kind, uint8(1), uint16(70), uint8(1), []byte("ffffffffffffffff\r\n"))
	}
	f.Fuzz(func(t *testing.T, content []byte, kind, size uint8, at uint16, change uint8, foreign []byte) {
		form := Form{Payload: []string{UnsignedTrailer, SignedChunks, SignedTrailer}[kind%3]}
		signature := &Signature{day: "20130524", Region: "us-east-1", Service: "s3", terminator: terminator,
			stamp: "20130524T000000Z", value: strings.Repeat("a", 64)}
		read := func(wire io.Reader) ([]byte, []string, error) {
			b := signature.Body(wire, form, "secret", strconv.Itoa(len(content)))
			got, err := io.ReadAll(b)
			return got, b.Trailer, err
		}
		wire := inChunks(signature, form.Payload, "secret", content, int(size)+1)
		for _, r := range []io.Reader{bytes.NewReader(wire), iotest.OneByteReader(bytes.NewReader(wire)),
			iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(wire)))} {
			got, trailer, err := read(r)
			if err != nil || !bytes.Equal(got, content) || form.Payload != SignedChunks && !slices.Equal(trailer,
				[]string{checksumLine}) {
				t.Fatalf("%q comes back as %q, %q, %v", content, got, trailer, err)
			}
		}
		if form.Payload == UnsignedTrailer {
			read(bytes.NewReader(foreign))
			return
		}
		i := int(at) % len(wire)
		changed := bytes.Clone(wire)
		changed[i] ^= change
		less := slices.Delete(bytes.Clone(wire), i, i+1)
		for _, wire := range [][]byte{changed, less, wire[:i]} {
			got, trailer, err := read(bytes.NewReader(wire))
			if err == nil && (!bytes.Equal(got, content) || form.Payload == SignedTrailer && !sameHeader(trailer)) {
				t.Fatalf("%q passes for %q, with %q", wire, content, trailer)
			}
		}
		if _, _, err := read(bytes.NewReader(foreign)); err == nil && !bytes.Equal(foreign, wire) {
			t.Fatalf("%q passes as signed", foreign)
		}
	})
}

// sameHeader reports whether the trailer is checksumLine. The signature covers the name in lower case, and the value
// without the spaces around it.
func sameHeader(trailer []string) bool {
	if len(trailer) != 1 {
		return false
	}
	name, value, _ := strings.Cut(trailer[0], ":")
	return strings.ToLower(name)+":"+strings.TrimSpace(value) == checksumLine
}
