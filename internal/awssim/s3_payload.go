package awssim

import (
	"bytes"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Bodies of S3: X-Amz-Content-Sha256 has the hash of the body, or says how it is signed.
//
// Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header".

const (
	unsignedPayload   = "UNSIGNED-PAYLOAD"
	unsignedTrailer   = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	signedChunks      = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedWithTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
)

// s3Form returns what S3 signs: the path escaped once, and the content hash as the request
// declares it.
func s3Form(r *http.Request) (signedForm, error) {
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		if r.Header.Get("Authorization") != "" {
			return signedForm{}, refuse(http.StatusBadRequest, "MissingSecurityHeader",
				"Your request was missing a required header: x-amz-content-sha256")
		}
		payload = unsignedPayload
	}
	path, err := url.PathUnescape(rawPath(r))
	if err != nil {
		return signedForm{}, refuse(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	return signedForm{[]string{escape(path, true)}, payload}, nil
}

// decode returns the content of a body after it has verified its hash, or the signatures of
// its chunks.
func (c *s3Call) decode() ([]byte, error) {
	switch c.signed.payload {
	case unsignedPayload:
		return c.body, nil
	case unsignedTrailer, signedChunks, signedWithTrailer:
		return c.decodeChunks(&chunks{rest: c.body})
	}
	if hexSHA256(c.body) != c.signed.payload {
		return nil, refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch",
			"The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return c.body, nil
}

func (c *s3Call) decodeChunks(from *chunks) ([]byte, error) {
	mode, previous := c.signed.payload, c.seed.signature
	var content []byte
	for {
		data, signature, ok := from.next()
		if !ok {
			return nil, errIncompleteBody
		}
		if mode != unsignedTrailer {
			want := c.seed.signText(c.secret, "AWS4-HMAC-SHA256-PAYLOAD", previous, hexSHA256(nil), hexSHA256(data))
			if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
				return nil, errBadSignature
			}
			previous = signature
		}
		content = append(content, data...)
		if len(data) == 0 {
			break
		}
	}
	if mode == signedWithTrailer {
		if err := c.verifyTrailer(from.rest, previous); err != nil {
			return nil, err
		}
	}
	if n := c.http.Header.Get("X-Amz-Decoded-Content-Length"); n != strconv.Itoa(len(content)) {
		return nil, errIncompleteBody
	}
	return content, nil
}

var errIncompleteBody = refuse(http.StatusBadRequest, "IncompleteBody",
	"The request body terminated unexpectedly")

// verifyTrailer verifies the signature over the trailing headers.
func (c *s3Call) verifyTrailer(trailer []byte, previous string) error {
	var signed strings.Builder
	signature := ""
	for line := range strings.SplitSeq(string(trailer), "\r\n") {
		name, value, found := strings.Cut(line, ":")
		switch {
		case strings.EqualFold(name, "x-amz-trailer-signature"):
			signature = strings.TrimSpace(value)
		case found:
			signed.WriteString(strings.ToLower(name) + ":" + strings.TrimSpace(value) + "\n")
		}
	}
	want := c.seed.signText(c.secret, "AWS4-HMAC-SHA256-TRAILER", previous, hexSHA256([]byte(signed.String())))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return errBadSignature
	}
	return nil
}

// chunks is a body in aws-chunked encoding: hex size, ";chunk-signature=…" if it is signed,
// a line end, the data, a line end. A chunk of no data is the last.
type chunks struct{ rest []byte }

// next cuts off a chunk. ok is false if the body is not well formed.
func (k *chunks) next() (data []byte, signature string, ok bool) {
	head, rest, found := bytes.Cut(k.rest, []byte("\r\n"))
	size, extension, _ := strings.Cut(string(head), ";")
	n, err := strconv.ParseUint(size, 16, 31)
	if !found || err != nil || uint64(len(rest)) < n {
		return nil, "", false
	}
	signature = strings.TrimPrefix(extension, "chunk-signature=")
	if n == 0 {
		k.rest = rest
		return nil, signature, true
	}
	data, rest = rest[:n], rest[n:]
	k.rest, found = bytes.CutPrefix(rest, []byte("\r\n"))
	return data, signature, found
}
