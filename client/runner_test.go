package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// Join refuses to send a join token over plain HTTP, and to receive a credential.
func TestAJoinTokenIsNotSentInClearText(t *testing.T) {
	c, err := client.New(client.Options{URL: "http://rolebroker.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Join(t.Context(),
		api.JoinRequest{Token: "rbj_secret"}); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
		t.Errorf("it is sent: %v", err)
	}
}

// A proxy that answers with status 200 and some JSON is no server: nothing is recorded,
// no agent is known, and there are no events.
func TestAnAnswerOfAProxyIsAnError(t *testing.T) {
	for _, kind := range []string{"application/json", "text/html", api.EventsType} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
		}))
		defer srv.Close()
		c, err := client.New(client.Options{URL: srv.URL, Token: rolebroker.NewSecret("rbr_secret")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, told := context.Background(), 0
		for what, ask := range map[string]func() error{
			"begin":  func() error { return c.BeginSession(ctx, api.RunnerSession{ID: "ses_a"}) },
			"finish": func() error { return c.FinishSession(ctx, "ses_a", api.SessionOutcome{}) },
			"token":  func() error { _, err := c.TokenRecord(ctx, "tok_a"); return err },
			"grants": func() error { _, err := c.Grants(ctx, "agt_a"); return err },
			"renew":  func() error { _, err := c.RenewCredential(ctx); return err },
			"join":   func() error { _, err := c.Join(ctx, api.JoinRequest{}); return err },
			"events": func() error { return c.Events(ctx, "", func(api.RunnerEvent) { told++ }) },
		} {
			if code := rolebroker.CodeOf(ask()); code != rolebroker.CodeInternal && code != rolebroker.CodeUnavailable {
				t.Errorf("%s with %s: %q", what, kind, code)
			}
		}
		if told > 0 {
			t.Errorf("with %s there are %d events", kind, told)
		}
	}
}
