package rest

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// handler is an operation. huma decodes the request into in, and encodes out.
type handler[I, O any] func(ctx context.Context, who rolebroker.Caller, in *I) (out *O, err error)

// collection registers the routes of one group of operations.
type collection struct {
	server *server
	api    huma.API
	tag    string
}

func get[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodGet, path, id, http.StatusOK, h)
}

func post[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodPost, path, id, http.StatusCreated, h)
}

func put[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodPut, path, id, http.StatusOK, h)
}

func remove[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodDelete, path, id, http.StatusNoContent, h)
}

// act is post for operations that create nothing.
func act[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodPost, path, id, http.StatusOK, h)
}

// route registers an operation below /api/v1.
func route[I, O any](c collection, method, path, id string, status int, h handler[I, O]) {
	register(c, operation[I](c, method, path, id, status), h)
}

// operation describes an operation for OpenAPI and huma.
func operation[I any](c collection, method, path, id string, status int) huma.Operation {
	return huma.Operation{
		OperationID:   id,
		Method:        method,
		Path:          "/api/v1" + path,
		DefaultStatus: status,
		Tags:          []string{c.tag},
		Summary:       words[id].summary,
		Description:   words[id].description,
		Security:      []map[string][]string{{"apiKey": {}}},
		Responses:     refusals(method, path, reflect.TypeFor[I]()),
		// One byte more, since huma refuses a body of exactly this size.
		MaxBodyBytes:     maxBody + 1,
		BodyReadTimeout:  30 * time.Second,
		SkipValidateBody: true, // decode validates, and reports more
	}
}

// register registers an operation.
func register[I, O any](c collection, op huma.Operation, h handler[I, O]) {
	op.Middlewares = huma.Middlewares{c.server.permit(op.OperationID)}
	huma.Register(c.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err == nil {
			return out, nil
		}
		c.server.logCause(ctx, op.OperationID, err)
		p := problemOf(err)
		p.RequestID = string(rolebroker.RequestIDOf(ctx))
		return nil, p
	})
}

// callerKey is the key of the caller in a context. Between ServeHTTP and an
// operation huma passes on nothing but the context.
type callerKey struct{}

func withCaller(ctx context.Context, who rolebroker.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// callerOf is the caller in a context; the zero Caller, which may do nothing, if
// the context has none.
func callerOf(ctx context.Context) rolebroker.Caller {
	who, _ := ctx.Value(callerKey{}).(rolebroker.Caller)
	return who
}

// checkQuery refuses a query with text that a database would refuse.
func checkQuery(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problemOf(rolebroker.Errorf(rolebroker.CodeInvalid, "the query is not well-formed").
			WithHint("percent-encode what is special in it"))
	}
	for name, values := range query {
		for _, value := range values {
			if !isText(name) || !isText(value) {
				return problemOf(invalid(problem.Parameter(clip(strings.ToValidUTF8(name, "?"))),
					"is not text: it has a NUL character or is not UTF-8"))
			}
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// invalid is the error for a request with one wrong field.
func invalid(path, message string) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: message}}}
}
