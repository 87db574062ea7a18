package sigv4

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Bodies of S3: X-Amz-Content-Sha256 has the hash of the body, or says how it is signed.
//
// Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header".
const (
	UnsignedPayload = "UNSIGNED-PAYLOAD"
	UnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	SignedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	SignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// S3 is the form of S3: the path escaped once, and the content hash as the request declares it.
func S3(r *http.Request) (Form, error) {
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		if r.Header.Get("Authorization") != "" {
			return Form{}, refuse(http.StatusBadRequest, "MissingSecurityHeader",
				"Your request was missing a required header: x-amz-content-sha256")
		}
		payload = UnsignedPayload
	}
	path, err := url.PathUnescape(rawPath(r))
	if err != nil {
		return Form{}, refuse(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	return Form{[]string{escape(path, true)}, payload}, nil
}

// IsChunked reports whether a body of the form is in aws-chunked encoding.
func (f Form) IsChunked() bool {
	return f.Payload == UnsignedTrailer || f.Payload == SignedChunks || f.Payload == SignedTrailer
}

var errIncompleteBody = refuse(http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly")

var errWrongHash = refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch",
	"The provided 'x-amz-content-sha256' header does not match what was computed.")

// EventStream is the payload of a stream whose every event is signed by the one before.
const EventStream = "STREAMING-AWS4-HMAC-SHA256-EVENTS"

// Body returns the content of a body, without chunks. Reading it fails, at the latest at its end, if the body is not the
// one that was signed. length is the value of X-Amz-Decoded-Content-Length, for a body in chunks.
func (c *Signature) Body(body io.Reader, form Form, secret, length string) *Body {
	b := &Body{from: bufio.NewReaderSize(body, 32<<10), form: form, hash: sha256.New()}
	if form.IsChunked() {
		b.chunks = &chunks{signature: c, secret: secret, previous: c.value, length: length}
	}
	return b
}

// Body is a body that is verified while it is read.
type Body struct {
	// Trailer has the headers that followed the content, at its end, without their signature.
	Trailer []string
	from    *bufio.Reader
	form    Form
	hash    hash.Hash // of the body, or of the chunk
	chunks  *chunks   // nil: the body is not in chunks
	err     error     // what every later Read returns
}

// chunks is where a body in aws-chunked encoding stands: hex size, ";chunk-signature=…" if it is signed, a line end,
// the data, a line end. A chunk of no data is the last; trailing headers follow it.
type chunks struct {
	signature *Signature
	secret    string
	previous  string // signature
	length    string // that the request declares
	declared  string // signature of this chunk
	left      uint64 // of this chunk
	inside    bool   // a chunk
	total     uint64
}

func (b *Body) Read(p []byte) (n int, err error) {
	for n == 0 && b.err == nil && len(p) > 0 {
		if b.chunks == nil {
			n, b.err = b.readWhole(p)
		} else {
			n, b.err = b.readChunk(p)
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

func (b *Body) readWhole(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.hash.Write(p[:n])
	if err == io.EOF && b.form.Payload != UnsignedPayload && !same(b.sum(), b.form.Payload) {
		err = errWrongHash
	}
	return n, err
}

// readChunk reads of the current chunk, or passes from one to the next and reads nothing.
func (b *Body) readChunk(p []byte) (int, error) {
	k := b.chunks
	if !k.inside {
		return 0, b.openChunk()
	}
	if k.left == 0 {
		return 0, b.closeChunk()
	}
	n, err := b.from.Read(p[:min(uint64(len(p)), k.left)])
	b.hash.Write(p[:n])
	k.left -= uint64(n)
	return n, broken(err)
}

// broken is the error of a body that ends too early.
func broken(err error) error {
	if err == io.EOF || errors.Is(err, bufio.ErrBufferFull) {
		return errIncompleteBody
	}
	return err
}

// line reads a line, without its end.
func (b *Body) line() (string, error) {
	line, err := b.from.ReadSlice('\n')
	text, found := strings.CutSuffix(string(line), "\r\n")
	if err == nil && !found {
		err = errIncompleteBody
	}
	return text, broken(err)
}

func (b *Body) openChunk() error {
	k := b.chunks
	head, err := b.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(head, ";")
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil {
		return errIncompleteBody
	}
	k.declared = strings.TrimPrefix(extension, "chunk-signature=")
	k.left, k.inside = n, true
	k.total += n
	b.hash.Reset()
	if n == 0 {
		return b.end()
	}
	return nil
}

func (b *Body) closeChunk() error {
	b.chunks.inside = false
	rest, err := b.line()
	if err == nil && rest != "" {
		err = errIncompleteBody
	}
	if err != nil {
		return err
	}
	return b.checkChunk()
}

// checkChunk compares the signature of the chunk that was read.
func (b *Body) checkChunk() error {
	k := b.chunks
	if b.form.Payload == UnsignedTrailer {
		return nil
	}
	want := k.signature.signText(k.secret, "AWS4-HMAC-SHA256-PAYLOAD", k.previous, Hash(nil), b.sum())
	if !same(want, k.declared) {
		return ErrMismatch
	}
	k.previous = want
	return nil
}

// end reads what follows the last chunk.
func (b *Body) end() error {
	if err := b.checkChunk(); err != nil {
		return err
	}
	signature, err := b.readTrailer()
	if err != nil {
		return err
	}
	k := b.chunks
	if b.form.Payload == SignedTrailer {
		text := ""
		for _, header := range b.Trailer {
			name, value, _ := strings.Cut(header, ":")
			text += strings.ToLower(name) + ":" + strings.TrimSpace(value) + "\n"
		}
		want := k.signature.signText(k.secret, "AWS4-HMAC-SHA256-TRAILER", k.previous, Hash([]byte(text)))
		if !same(want, signature) {
			return ErrMismatch
		}
	}
	if k.length != strconv.FormatUint(k.total, 10) {
		return errIncompleteBody
	}
	return io.EOF
}

// maxTrailers is how many headers may follow the content.
const maxTrailers = 16

// readTrailer reads the trailing headers to the end of the body, and returns their signature.
func (b *Body) readTrailer() (signature string, err error) {
	for {
		line, err := b.line()
		if err == errIncompleteBody && line == "" { // the last line end may be missing
			return signature, nil
		}
		name, value, found := strings.Cut(line, ":")
		switch {
		case err != nil:
			return "", err
		case line == "":
			return signature, nil
		case !found || len(b.Trailer) == maxTrailers:
			return "", errIncompleteBody
		case strings.EqualFold(name, "x-amz-trailer-signature"):
			signature = strings.TrimSpace(value)
		default:
			b.Trailer = append(b.Trailer, line)
		}
	}
}

func (b *Body) sum() string { return hex.EncodeToString(b.hash.Sum(nil)) }

// same compares in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
