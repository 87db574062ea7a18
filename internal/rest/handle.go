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

// handler does one thing for a caller. in is what huma made of the request,
// out what it makes the answer of.
type handler[I, O any] func(ctx context.Context, who rolebroker.Caller, in *I) (out *O, err error)

// collection is where a group of routes is registered.
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

// act is post for what makes nothing.
func act[I, O any](c collection, path, id string, h handler[I, O]) {
	route(c, http.MethodPost, path, id, http.StatusOK, h)
}

// route registers a handler under /api/v1 and describes it.
func route[I, O any](c collection, method, path, id string, status int, h handler[I, O]) {
	register(c, operation[I](c, method, path, id, status), h)
}

// operation describes a handler.
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
		// One byte more than may come, since huma takes a full measure for too much.
		MaxBodyBytes:     maxBody + 1,
		BodyReadTimeout:  30 * time.Second,
		SkipValidateBody: true, // decode has done it, and says more
	}
}

// register has a handler answer, as the operation describes it.
func register[I, O any](c collection, op huma.Operation, h handler[I, O]) {
	op.Middlewares = huma.Middlewares{c.server.permit(op.OperationID)}
	huma.Register(c.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, callerOf(ctx), in)
		if err == nil {
			return out, nil
		}
		c.server.logCause(ctx, op.OperationID, err)
		return nil, problemOf(err)
	})
}

// callerKey is for the one step between ServeHTTP and route, where huma leaves
// nothing but a context to carry the caller through.
type callerKey struct{}

func withCaller(ctx context.Context, who rolebroker.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, who)
}

// callerOf is the zero Caller, which may do nothing, when there is none.
func callerOf(ctx context.Context) rolebroker.Caller {
	who, _ := ctx.Value(callerKey{}).(rolebroker.Caller)
	return who
}

// checkQuery refuses a query that is not made of text, before it meets a
// database that is of the same opinion.
func checkQuery(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problemOf(rolebroker.Errorf(rolebroker.CodeInvalid, "the query is not well-formed").
			WithHint("percent-encode what is special in it"))
	}
	for name, values := range query {
		for _, value := range values {
			if !isText(name) || !isText(value) {
				return problemOf(invalid(problem.Parameter(clip(strings.ToValidUTF8(name, "?"))), "is not text: it has a NUL character or is not UTF-8"))
			}
		}
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// invalid is a request with one thing wrong.
func invalid(path, message string) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: message}}}
}
