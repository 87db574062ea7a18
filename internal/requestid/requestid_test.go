package requestid_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/requestid"
)

func TestEachRequestHasAnID(t *testing.T) {
	var seen rolebroker.RequestID
	handler := requestid.Handler(requestid.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = rolebroker.RequestIDOf(r.Context())
	})))
	ask := func(sent ...string) string {
		r := httptest.NewRequest("GET", "/", nil)
		for _, id := range sent {
			r.Header.Add(api.RequestIDHeader, id)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get(api.RequestIDHeader); got != string(seen) || got == "" {
			t.Fatalf("%q: the answer has the ID %q, and the context %q", sent, got, seen)
		}
		return string(seen)
	}
	if id := ask("trace-7"); id != "trace-7" {
		t.Errorf("trace-7 became %s", id)
	}
	for _, sent := range [][]string{nil, {""}, {"a b"}, {strings.Repeat("x", 83)}, {"one", "two"}} {
		if id := ask(sent...); len(id) != 26 || len(sent) > 0 && id == sent[0] {
			t.Errorf("%q became %s", sent, id)
		}
	}
	if first, second := ask(), ask(); first == second {
		t.Error("two requests have one ID")
	}
}

func TestLinesOfTheLogHaveTheID(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(requestid.LogHandler(slog.NewTextHandler(&out, nil))).With("part", "x")
	ctx := rolebroker.WithRequestID(context.Background(), "r1")
	log.InfoContext(ctx, "one")
	log.InfoContext(ctx, "two", "request_id", "r2")
	log.Info("three")
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"msg=one part=x request_id=r1", "msg=two part=x request_id=r2", "msg=three part=x"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("%q does not end with %q", lines[i], want)
		}
	}
}
