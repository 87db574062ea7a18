package hosts

import (
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func address(t *testing.T, text string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends a request with a Host header through a guard, and returns the status.
func ask(o Options, host, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	Guard(o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).
		ServeHTTP(w, r)
	return w
}

func TestWhichNamesAListenerHas(t *testing.T) {
	certificate := func() *x509.Certificate { return &x509.Certificate{DNSNames: []string{"rolebroker.example.com"}} }
	own := []string{"127.0.0.1:8484", "localhost:8484", "LOCALHOST", "localhost.:8484", "rolebroker-x.localhost:9000",
		"[::1]:8484", "[::1]", "127.1.2.3", "[::ffff:127.0.0.1]:8484", ""}
	foreign := []string{"evil.example:8484", "evil.example", "0.0.0.0:8484", "localhost.evil.example",
		"127.0.0.1.nip.io:8484", "evillocalhost", "[::]:8484", "evil.example:127.0.0.1", "user@127.0.0.1", "127.1",
		"[::1].evil.example", "127.0.0.1:8484:evil.example"}
	addresses := []string{"10.0.0.5:8484", "[2001:db8::1]:8484", "169.254.170.23"}
	for name, c := range map[string]struct {
		o              Options
		has, hasNoneOf []string
	}{
		"loopback":       {Options{Listener: address(t, "127.0.0.1:8484")}, own, append(foreign, addresses...)},
		"loopback, IPv6": {Options{Listener: address(t, "[::1]:8484")}, own, append(foreign, addresses...)},
		"loopback, with a certificate": {Options{Listener: address(t, "127.0.0.1:8484"), Certificate: certificate},
			append(own, "rolebroker.example.com:8484"), append(foreign, addresses...)},
		"loopback, with a name": {Options{Listener: address(t, "127.0.0.1:8484"), Names: []string{"rolebroker.lan"}},
			append(own, "RoleBroker.lan:8484"), append(foreign, addresses...)},
		"loopback, behind a proxy": {Options{Listener: address(t, "127.0.0.1:8484"), Proxied: true},
			append(own, foreign...), nil},
		"loopback, behind a proxy, with a name": {Options{Listener: address(t, "127.0.0.1:8484"), Proxied: true,
			Names: []string{"rolebroker.lan"}}, append(own, "rolebroker.lan"), append(foreign, addresses...)},
		"all addresses": {Options{Listener: address(t, "0.0.0.0:8484")},
			append(own, append(foreign, addresses...)...), nil},
		"all addresses, with a name": {Options{Listener: address(t, "[::]:8484"), Certificate: certificate,
			Names: []string{"rolebroker.lan"}},
			append(own, append(addresses, "rolebroker.lan", "rolebroker.example.com", "0.0.0.0")...),
			[]string{"evil.example", "localhost.evil.example", "user@127.0.0.1"}},
	} {
		for _, host := range c.has {
			if status := ask(c.o, host, "/").Code; status != http.StatusNoContent {
				t.Errorf("%s: %q is answered with %d", name, host, status)
			}
		}
		for _, host := range c.hasNoneOf {
			if status := ask(c.o, host, "/").Code; status != http.StatusMisdirectedRequest {
				t.Errorf("%s: %q is answered with %d", name, host, status)
			}
		}
	}
}

func TestARefusalHasTheFormatOfItsDoor(t *testing.T) {
	o := Options{Listener: address(t, "127.0.0.1:8484")}
	for path, kind := range map[string]string{"/v1/credentials": "application/json",
		"/api/v1/agents": "application/problem+json", "/": "application/problem+json"} {
		answer := ask(o, "evil.example", path)
		var body map[string]any
		if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		said, _ := body["message"].(string)
		if said == "" {
			said, _ = body["detail"].(string)
		}
		if answer.Header().Get("Content-Type") != kind || body["code"] != "denied" ||
			!strings.Contains(said, "this is not evil.example") ||
			!strings.Contains(body["hint"].(string), "--allowed-hosts") {
			t.Errorf("%s is refused with %v %v", path, answer.Header(), body)
		}
	}
	if body := ask(o, "\x1b[31m<script>", "/").Body.String(); strings.ContainsAny(body, "<\x1b") {
		t.Errorf("the answer repeats the header: %s", body)
	}
}

// The guard is on the path of every credential that is handed out.
func TestTheGuardAllocatesNothing(t *testing.T) {
	guard := Guard(Options{Listener: address(t, "127.0.0.1:8484")},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, host := range []string{"127.0.0.1:8484", "localhost:8484"} {
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Host = host
		if n := testing.AllocsPerRun(100, func() { guard.ServeHTTP(nil, r) }); n != 0 {
			t.Errorf("it makes %v allocations for %s", n, host)
		}
	}
}
