package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// statusOf is the status of each code. There is no other table.
var statusOf = map[rolebroker.Code]int{
	rolebroker.CodeInvalid:         http.StatusBadRequest,
	rolebroker.CodeUnauthenticated: http.StatusUnauthorized,
	rolebroker.CodeExpired:         http.StatusUnauthorized,
	rolebroker.CodeDenied:          http.StatusForbidden,
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

// headersOf are the headers that a status must come with.
//
// Source: RFC 9110, section 15.5.2 (WWW-Authenticate); RFC 6585, section 4.
var headersOf = map[int]http.Header{
	http.StatusUnauthorized:       {"Www-Authenticate": {`Bearer realm="rolebroker"`}},
	http.StatusTooManyRequests:    {"Retry-After": {"1"}},
	http.StatusServiceUnavailable: {"Retry-After": {"1"}},
}

// problem is a problem document on its way out.
type problem struct {
	api.Problem
	headers http.Header
}

// problemOf says err to whoever asked.
func problemOf(err error) *problem {
	e := rolebroker.AsError(err)
	status, ok := statusOf[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	return newProblem(status, e)
}

// newProblem is e with a status of its own, for what HTTP knows and codes do not.
func newProblem(status int, e *rolebroker.Error) *problem {
	p := &problem{headers: headersOf[status], Problem: api.Problem{
		Type:   "about:blank",
		Title:  http.StatusText(status),
		Status: status,
		Detail: clip(e.Message, maxMessage),
		Code:   string(e.Code),
		Hint:   e.Hint,
	}}
	for _, f := range e.Fields[:min(len(e.Fields), maxFields)] {
		p.Errors = append(p.Errors, api.FieldError{
			Pointer: pointer(f.Path),
			Field:   strings.TrimPrefix(f.Path, outside),
			Message: clip(f.Message, maxMessage),
			Hint:    f.Hint,
		})
	}
	return p
}

// outside marks the path of a field that is not in the body: a parameter or a
// header. It has no JSON pointer.
const outside = "\x00"

// pointer writes the path of a field, as in roles[2].arn or ["odd name"], as a
// JSON pointer.
//
// Source: RFC 6901.
func pointer(path string) string {
	if strings.HasPrefix(path, outside) {
		return ""
	}
	var b strings.Builder
	for path != "" {
		var step string
		step, path = nextStep(strings.TrimPrefix(path, "."))
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// nextStep takes the first step off a path.
func nextStep(path string) (step, rest string) {
	if inside, ok := strings.CutPrefix(path, "["); ok {
		if quoted, err := strconv.QuotedPrefix(inside); err == nil {
			step, _ = strconv.Unquote(quoted)
			return step, strings.TrimPrefix(inside[len(quoted):], "]")
		}
		step, rest, _ = strings.Cut(inside, "]")
		return step, rest
	}
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// The methods by which huma knows how to send a problem.

func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) GetHeaders() http.Header   { return p.headers }
func (p *problem) ContentType(string) string { return api.ProblemType }

// write sends a problem where huma has no part in it.
func (p *problem) write(w http.ResponseWriter) {
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // nobody is left to tell if it cannot be sent
}

// refuse says err to whoever asked, and its cause to the log.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.logCause(r.Context(), r.Method+" "+r.URL.Path, err)
	problemOf(err).write(w)
}

// logCause keeps what the caller is not told.
func (s *server) logCause(ctx context.Context, what string, err error) {
	e := rolebroker.AsError(err)
	if e.Cause == nil || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.Log.ErrorContext(ctx, "management API: "+e.Message, "operation", what, "code", string(e.Code), "cause", e.Cause)
}

// useProblems makes huma word its own refusals as ours are. It has one setting
// for the whole process.
var useProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return humaProblem(status, message, errs)
	}
})

// humaProblem translates what huma found wrong with a request: parameters of
// its own accord, bodies as decode told it.
func humaProblem(status int, message string, errs []error) *problem {
	e := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: message}
	switch status {
	case http.StatusRequestEntityTooLarge:
		e.Message = "the request body is larger than " + strconv.Itoa(maxBody>>20) + " MiB"
		return newProblem(status, e)
	case http.StatusRequestTimeout:
		e.Message = "the request body did not arrive in time"
		return newProblem(status, e)
	case http.StatusInternalServerError:
		return humaBodyProblem(message, errs)
	}
	for _, err := range errs {
		var ours *rolebroker.Error
		var theirs *huma.ErrorDetail
		switch {
		case errors.As(err, &ours):
			e.Message, e.Hint, e.Fields = ours.Message, ours.Hint, append(e.Fields, ours.Fields...)
		case errors.As(err, &theirs):
			_, name, _ := strings.Cut(theirs.Location, ".")
			e.Message = "the request is not valid"
			e.Fields = append(e.Fields, rolebroker.Field{Path: outside + name, Message: theirs.Message})
		}
	}
	if len(errs) == 0 && message == "request body is required" {
		e.Message = "the request body is empty; a JSON object is expected"
	}
	if e.Hint == "" {
		e.Hint = "/openapi.json describes what is expected"
	}
	return problemOf(e)
}

// humaBodyProblem is for a body that broke off, which is its sender's doing,
// and for anything else that is not.
func humaBodyProblem(message string, errs []error) *problem {
	if message == "cannot read request body" {
		return problemOf(rolebroker.Errorf(rolebroker.CodeInvalid, "the request body could not be read to its end"))
	}
	return problemOf(errors.Join(append(errs, errors.New(message))...))
}

// The refusals of what never reaches a handler.

func noSuchPath(r *http.Request) *problem {
	return problemOf(rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s", clip(r.URL.EscapedPath(), maxQuoted)).
		WithHint("/openapi.json lists every path"))
}

func wrongMethod(r *http.Request, allow string) *problem {
	p := newProblem(http.StatusMethodNotAllowed, rolebroker.Errorf(rolebroker.CodeInvalid, "%s cannot be used on %s; use one of %s", clip(r.Method, maxQuoted), clip(r.URL.EscapedPath(), maxQuoted), allow))
	p.headers = http.Header{"Allow": {allow}}
	return p
}

func wrongContentType(given string) *problem {
	return newProblem(http.StatusUnsupportedMediaType, rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is %s; JSON is expected", clip(given, maxQuoted)).
		WithHint("send the header Content-Type: application/json"))
}

// maxMessage bounds a message, in bytes, and maxQuoted what a message repeats
// of a stranger's input.
const (
	maxMessage = 2000
	maxQuoted  = 200
)

// clip shortens s to about most bytes.
func clip(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// quoted is what a stranger wrote, fit for a message.
func quoted(s string) string { return strconv.Quote(clip(s, maxQuoted)) }
