package provider

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// busy answers the first request that the caller has to wait for an hour, and serves
// all others.
type busy struct{ asked int }

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	b.asked++
	if b.asked > 1 {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}
	return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Request: r,
		Header: http.Header{"Retry-After": {"3600"}}}, nil
}

func TestNoServerMakesTerraformWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := retrying(nil, time.Second)
		c.Transport.(onlyRolebroker).RoundTripper.(*retryablehttp.RoundTripper).Client.HTTPClient.Transport = &busy{}
		began := time.Now()
		resp, err := c.Get("http://127.0.0.1/api/v1/agents")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("the answer is %v: %v", resp, err)
		}
		resp.Body.Close()
		if waited := time.Since(began); waited != maxRetryAfter {
			t.Errorf("Terraform waited %s", waited)
		}
	})
}

func TestTerraformFollowsNoRedirect(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request went to another server")
	}))
	defer thief.Close()
	server := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	c, err := client.New(client.Options{URL: server.URL, Token: rolebroker.NewSecret("hunter2"),
		HTTPClient: retrying(nil, time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Platform(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("the error is %v", err)
	}
}
