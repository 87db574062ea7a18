// Package expect answers the header Expect: 100-continue as S3 does: with one 100 Continue, also where no body follows.
// net/http gives none without a body, and two if a handler passes on that of an upstream.
//
// Old AWS CLIs rely on it. They take a second 100 Continue for a broken answer; and after an answer without one they
// misread the next answer on the same connection, and try again after a minute.
//
// Source: botocore, awsrequest.py, AWSConnection, up to 1.29.
package expect

import (
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
