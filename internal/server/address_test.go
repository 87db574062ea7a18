package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTheProxySaysWhereARequestComesFrom(t *testing.T) {
	for _, c := range []struct {
		forwarded []string
		want      string
	}{
		{nil, "192.0.2.1:1234"},
		{[]string{"192.0.2.7"}, "192.0.2.7:0"},
		{[]string{"192.0.2.8, 192.0.2.7"}, "192.0.2.7:0"}, // the client may have sent the first
		{[]string{"192.0.2.8", "192.0.2.9,192.0.2.7"}, "192.0.2.7:0"},
		{[]string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{[]string{"192.0.2.7:4711"}, "192.0.2.7:4711"},
		{[]string{"192.0.2.8, [2001:db8::1]:4711"}, "[2001:db8::1]:4711"},
		{[]string{"nonsense"}, "192.0.2.1:1234"},
		{[]string{""}, "192.0.2.1:1234"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, value := range c.forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		got := ""
		behindProxy(http.HandlerFunc(func(_ http.ResponseWriter,
			r *http.Request) {
			got = r.RemoteAddr
		})).ServeHTTP(nil, r)
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.forwarded, got, c.want)
		}
	}
}
