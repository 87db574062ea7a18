// Package requestid gives each request over HTTP an ID: the one that the client sent in the header X-Request-Id, if that
// has the form of one, and a new one otherwise. The answer has it in the same header, the context of the request has it
// for [rolebroker.RequestIDOf], and lines of the log have it.
//
// The package decides nothing by an ID: who sends a request may choose it.
//
//	handler = requestid.Handler(handler)
//	log = slog.New(requestid.LogHandler(log.Handler()))
package requestid

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// attribute is the name of the ID in a line of the log.
const attribute = "request_id"

// Handler gives each request an ID before next gets it. A request that has one from a Handler keeps that.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rolebroker.RequestIDOf(r.Context()) != "" {
			next.ServeHTTP(w, r)
			return
		}
		id, ok := rolebroker.RequestID(""), false
		if sent := r.Header[api.RequestIDHeader]; len(sent) == 1 {
			id, ok = rolebroker.ParseRequestID(sent[0])
		}
		if !ok {
			id = rolebroker.NewRequestID()
		}
		w.Header()[api.RequestIDHeader] = []string{string(id)}
		next.ServeHTTP(w, r.WithContext(rolebroker.WithRequestID(r.Context(), id)))
	})
}

// LogHandler adds the ID of the request to each line that is logged with its context, unless the line has one.
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, line slog.Record) error {
	if id := rolebroker.RequestIDOf(ctx); id != "" && !has(line) {
		line = line.Clone()
		line.AddAttrs(slog.String(attribute, string(id)))
	}
	return h.Handler.Handle(ctx, line)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

// has says whether a line has an ID.
func has(line slog.Record) (found bool) {
	line.Attrs(func(a slog.Attr) bool {
		found = a.Key == attribute
		return !found
	})
	return found
}
