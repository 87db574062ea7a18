package rest

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Problem is a problem document as huma sends it. huma names the schema after it.
type Problem struct {
	api.Problem
	headers http.Header // besides those of the status
}

// problemOf is the problem document of err.
func problemOf(err error) *Problem { return &Problem{Problem: problem.Document(err)} }

// newProblem is the problem document of e with another status than that of its
// code.
func newProblem(status int, e *rolebroker.Error) *Problem {
	return &Problem{Problem: problem.WithStatus(status, e)}
}

// The methods that huma calls.

func (p *Problem) Error() string             { return p.Detail }
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) ContentType(string) string { return api.ProblemType }

func (p *Problem) GetHeaders() http.Header {
	headers := http.Header{}
	maps.Copy(headers, p.headers)
	problem.SetHeader(headers, p.Status, p.Wait)
	return headers
}

// write sends it without huma.
func (p *Problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.headers)
	problem.Write(w, p.Problem)
}

// refuse answers err, and logs its cause.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.logCause(r.Context(), r.Method+" "+r.URL.Path, err)
	problemOf(err).write(w)
}

// logCause logs the cause of err, which callers do not see. A request that its
// client cancelled has none worth logging.
func (s *server) logCause(ctx context.Context, operation string, err error) {
	e := rolebroker.AsError(err)
	if e.Cause == nil || errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.Log.ErrorContext(ctx, "management API: "+e.Message, "operation", operation, "code", string(e.Code),
		"cause", e.Cause)
}

// useProblems makes huma answer its own refusals with problem documents. The
// setting is global.
var useProblems = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return humaProblem(status, message, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		p := humaProblem(status, message, errs)
		p.RequestID = string(rolebroker.RequestIDOf(ctx.Context()))
		return p
	}
})

// humaProblem converts a refusal by huma: of parameters, which huma validates, or
// of the body, for which errs has the error of decode.
func humaProblem(status int, message string, errs []error) *Problem {
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
			e.Fields = append(e.Fields, rolebroker.Field{Path: problem.Parameter(name), Message: theirs.Message})
		}
	}
	if len(errs) == 0 && message == "request body is required" {
		e.Message = "the request body is empty; a JSON object is expected"
	}
	if len(e.Hint) == 0 {
		e.Hint = rolebroker.Hintf("/openapi.json describes what is expected")
	}
	return problemOf(e)
}

// humaBodyProblem converts an error of huma with status 500. The client caused it
// if the body broke off.
func humaBodyProblem(message string, errs []error) *Problem {
	if message == "cannot read request body" {
		return problemOf(rolebroker.Errorf(rolebroker.CodeInvalid, "the request body could not be read to its end"))
	}
	return problemOf(errors.Join(append(errs, errors.New(message))...))
}

// The refusals of requests that reach no operation.

func noSuchPath(r *http.Request) *Problem {
	return problemOf(rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s", clip(r.URL.EscapedPath())).
		WithHint("/openapi.json lists every path"))
}

func wrongMethod(r *http.Request, allow string) *Problem {
	p := newProblem(http.StatusMethodNotAllowed, rolebroker.Errorf(rolebroker.CodeInvalid,
		"%s cannot be used on %s; use one of %s", clip(r.Method), clip(r.URL.EscapedPath()), allow))
	p.headers = http.Header{"Allow": {allow}}
	return p
}

func wrongContentType(given string) *Problem {
	return newProblem(http.StatusUnsupportedMediaType, rolebroker.Errorf(rolebroker.CodeInvalid,
		"the request body is %s; JSON is expected", clip(given)).
		WithHint("send the header Content-Type: application/json"))
}

// clip shortens input that a message repeats without quotation marks.
func clip(s string) string { return rolebroker.Clip(s, 200) }
