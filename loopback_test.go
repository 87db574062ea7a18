package rolebroker

import "testing"

func TestLoopback(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost"} {
		if !IsLoopback(host) {
			t.Errorf("%q is not recognised", host)
		}
	}
	for _, host := range []string{"", "0.0.0.0", "::", "10.0.0.1", "fe80::1", "127.0.0.1.nip.io",
		"localhost.example.com", "[::1]", "::ffff:10.0.0.1", "127.1"} {
		if IsLoopback(host) {
			t.Errorf("%q is taken for this machine", host)
		}
	}
}
