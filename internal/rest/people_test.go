package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/openid"
	"github.com/rolebroker/rolebroker/internal/rest"
)

// provider counts what it is asked.
type provider struct {
	rest.Provider
	begun int
}

func (p *provider) BeginDevice(context.Context) (*openid.Device, error) {
	p.begun++
	return &openid.Device{Code: rolebroker.NewSecret("x"), UserCode: "AB", URL: "https://login.example.com"}, nil
}

// Strangers cannot have the server flood the identity provider.
func TestDeviceCodesAreBoundedByAddress(t *testing.T) {
	w := newWorld(t)
	now := func() time.Time { return w.now }
	asked := &provider{}
	handler := rest.New(rest.Options{Broker: w.broker, Now: now, Provider: asked, Auth: &auth.Authenticator{
		Records: w.broker, Now: now, Failures: guard.NewFailures(now, nil)}})
	begin := func(from string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/sign-ins/device", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		r.RemoteAddr = from + ":40000"
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		return answer
	}
	last := begin("192.0.2.1")
	if last.Code >= 300 {
		t.Fatalf("the first is answered with %d %s", last.Code, last.Body)
	}
	for range 99 {
		last = begin("192.0.2.1")
	}
	if last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") == "" || asked.begun > 40 {
		t.Errorf("the last of 100 is answered with %d, and the provider was asked %d times", last.Code, asked.begun)
	}
	if other := begin("198.51.100.1"); other.Code >= 300 {
		t.Errorf("another network is answered with %d %s", other.Code, other.Body)
	}
}
