// Package expect answers the header Expect: 100-continue as S3 does: with one 100 Continue, also where no body follows.
// net/http gives none without a body, and two if a handler passes on that of an upstream.
//
// Old AWS CLIs rely on it. They take a second 100 Continue for a broken answer; and after an answer without one they
// misread the next answer on the same connection, and try again after a minute.
//
// Source: botocore, awsrequest.py, AWSConnection, up to 1.29.
//
// For a handler that passes requests on it also lets a transport find the end of the body. Once a transport has sent
// the whole body it looks for more. net/http closes the body when the answer begins, which may be before that; the
// transport takes it for a failure, and ends the connection while the answer still comes.
package expect

import (
	"io"
	"net/http"
	"strings"
)

// Answer returns the writer for the answer to r. It has said 100 Continue if the client waits for that and has no body;
// with one, net/http says it when the body is read.
func Answer(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if !strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return w
	}
	if r.ContentLength == 0 {
		w.WriteHeader(http.StatusContinue)
	}
	return once{w}
}

// once passes on no 100 Continue.
type once struct{ http.ResponseWriter }

func (w once) WriteHeader(status int) {
	if status != http.StatusContinue {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap lets [http.ResponseController] flush.
func (w once) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// PassOn returns the request to pass on: its body ends once its length was read, also after the answer has begun.
func PassOn(r *http.Request) *http.Request {
	if r.ContentLength <= 0 { // a transport finds the end of such a body before it has sent all
		return r
	}
	passed := r.WithContext(r.Context())
	passed.Body = &measured{r.Body, r.ContentLength}
	return passed
}

// measured is a body that is not read after its end.
type measured struct {
	io.ReadCloser
	left int64 // bytes
}

func (m *measured) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, io.EOF
	}
	n, err := m.ReadCloser.Read(p)
	m.left -= int64(n)
	return n, err
}
