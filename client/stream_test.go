package client_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// streams answers every request with the lines, ten seconds apart, and then sends
// nothing.
type streams struct{ lines []string }

func (s streams) RoundTrip(r *http.Request) (*http.Response, error) {
	body, out := io.Pipe()
	go func() {
		for _, line := range s.lines {
			_, _ = io.WriteString(out, line+"\n")
			time.Sleep(10 * time.Second)
		}
		<-r.Context().Done()
		out.CloseWithError(r.Context().Err())
	}()
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Request: r, Body: body,
		Header: http.Header{"Content-Type": {r.Header.Get("Accept")}}}, nil
}

// A stream lasts as long as the server sends something, even if that is longer than
// the timeout of the client.
func TestAStreamEndsWhenTheServerFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, lines := time.Now(), strings.Split(strings.Repeat("\n", 30), "\n")
		lines = append(lines, `{"index": 0, "role": {"name": "readonly"}}`)
		c := newClient(t, client.Options{URL: "http://127.0.0.1",
			HTTPClient: &http.Client{Transport: streams{lines}, Timeout: time.Second}})
		outcomes := 0
		_, err := c.ValidateIntegration(t.Context(), "production",
			client.Validating{Tell: func(api.RoleValidation) { outcomes++ }})
		refused(t, err, rolebroker.CodeUnavailable, "did not answer in time")
		if lasted := time.Since(began); outcomes != 1 || lasted != 310*time.Second+time.Minute {
			t.Errorf("%d outcomes came in %s", outcomes, lasted)
		}
	})
}

func TestAStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, client.Options{URL: "http://127.0.0.1",
			HTTPClient: &http.Client{Transport: streams{[]string{`{"hello": {"runner": "run_a"}}`}}}})
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Events(ctx, "", func(api.RunnerEvent) { cancel() })
		refused(t, err, rolebroker.CodeUnavailable, "was interrupted")
	})
}

// A server cannot make a runner read one event without an end.
func TestAnEventIsBounded(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", api.EventsType)
		io.WriteString(w, `{"hello": {"runner": "run_a"}}`+"\n")
		io.CopyN(w, endless{}, 8<<20)
		io.WriteString(w, "\n")
	})
	told := 0
	err := c.Events(t.Context(), "", func(api.RunnerEvent) { told++ })
	refused(t, err, rolebroker.CodeInternal, "more than 4 MiB")
	if told != 1 {
		t.Errorf("%d events were told", told)
	}
}
