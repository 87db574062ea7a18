// Package problem sends errors over HTTP. It has the only table from error code to
// HTTP status, writes an error as a problem document (RFC 9457) or
// as the JSON of the credentials endpoint, and reads both back.
//
//	problem.Write(w, problem.Document(err))
//	w.WriteHeader(problem.Status(err))
//	err = problem.Read(resp.StatusCode, body)
//
// Both ends may be of different versions. A code that this version does not know
// keeps its text and the status it came with.
//
// The package does not log, and it hides no message. It imports little, since every
// command starts with it.
package problem

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// statuses is the HTTP status of each code.
var statuses = map[rolebroker.Code]int{
	rolebroker.CodeInvalid:         http.StatusBadRequest,
	rolebroker.CodeUnauthenticated: http.StatusUnauthorized,
	rolebroker.CodeExpired:         http.StatusUnauthorized,
	rolebroker.CodeDenied:          http.StatusForbidden,
	rolebroker.CodeApproval:        http.StatusForbidden,
	rolebroker.CodeNotFound:        http.StatusNotFound,
	rolebroker.CodeConflict:        http.StatusConflict,
	rolebroker.CodeStale:           http.StatusPreconditionFailed,
	rolebroker.CodeThrottled:       http.StatusTooManyRequests,
	rolebroker.CodeUnavailable:     http.StatusServiceUnavailable,
	rolebroker.CodeInternal:        http.StatusInternalServerError,
	rolebroker.CodeTokenIssuer:     http.StatusUnauthorized,
	rolebroker.CodeTokenAudience:   http.StatusUnauthorized,
	rolebroker.CodeTokenSignature:  http.StatusUnauthorized,
	rolebroker.CodeNotBound:        http.StatusForbidden,
}

// Status is the HTTP status of err's code, and 429 for an error with a RetryAfter. If this version does not know the
// code, it is the status that [Read] found, else 500.
func Status(err error) int {
	if rolebroker.AsError(err).RetryAfter > 0 {
		return http.StatusTooManyRequests
	}
	if status, ok := statuses[rolebroker.CodeOf(err)]; ok {
		return status
	}
	var from foreignStatus
	if errors.As(err, &from) {
		return int(from)
	}
	return http.StatusInternalServerError
}

// headers are the headers that an answer with this status must have.
//
// Source: RFC 9110, section 15.5.2 (WWW-Authenticate); RFC 6585, section 4.
var headers = map[int][2]string{
	http.StatusUnauthorized:       {"Www-Authenticate", `Bearer realm="rolebroker"`},
	http.StatusTooManyRequests:    {"Retry-After", "1"},
	http.StatusServiceUnavailable: {"Retry-After", "1"},
}

// SetHeader sets the header that an answer with this status must have, if any. wait is the RetryAfter of the error, in
// seconds.
func SetHeader(h http.Header, status, wait int) {
	if header, ok := headers[status]; ok {
		h.Set(header[0], header[1])
	}
	if wait > 0 {
		h.Set("Retry-After", strconv.Itoa(wait))
	}
}

// Wait is how long the caller that gets err has to wait, in seconds.
func Wait(err error) int { return int(rolebroker.AsError(err).RetryAfter / time.Second) }

// The bounds of a document: a message in bytes, and how many fields it lists.
const (
	maxMessage = 2000
	maxRead    = 8000 // of a server, which may be newer
	MaxFields  = 100
)

// Document is err as a problem document.
func Document(err error) api.Problem {
	return WithStatus(Status(err), rolebroker.AsError(err))
}

// WithStatus is e as a problem document with another status than its code has,
// for refusals that only HTTP knows, such as 405.
func WithStatus(status int, e *rolebroker.Error) api.Problem {
	p := api.Problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Wait:      Wait(e),
		Detail:    rolebroker.Clip(e.Message, maxMessage),
		Code:      string(e.Code),
		Hint:      e.Hint.String(),
		HintSteps: convert.HintSteps(e.Hint),
	}
	for _, f := range e.Fields[:min(len(e.Fields), MaxFields)] {
		p.Errors = append(p.Errors, api.FieldError{
			Pointer:   pointer(f.Path),
			Field:     strings.TrimPrefix(f.Path, parameter),
			Message:   rolebroker.Clip(f.Message, maxMessage),
			Hint:      f.Hint.String(),
			HintSteps: convert.HintSteps(f.Hint),
		})
	}
	return p
}

// Write sends a problem document with its status and the header of that.
func Write(w http.ResponseWriter, p api.Problem) {
	SetHeader(w.Header(), p.Status, p.Wait)
	w.Header().Set("Content-Type", api.ProblemType)
	p.RequestID = w.Header().Get(api.RequestIDHeader)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}

// Refusal is err as the credentials endpoint answers it. The AWS SDKs print its
// code and message; the hint is for our own commands.
func Refusal(err error) api.Refusal {
	e := rolebroker.AsError(err)
	return api.Refusal{Code: string(e.Code), Message: e.Error(), Hint: e.Hint.String()}
}
