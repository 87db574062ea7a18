package runner

import "testing"

// TestListeningInClearText is for loopback and what the SDKs take only.
func TestListeningInClearText(t *testing.T) {
	for address, fine := range map[string]bool{"127.0.0.1:8485": true, "[::1]:8485": true, "localhost:8485": true, "169.254.170.23:80": true,
		"0.0.0.0:8485": false, ":8485": false, "10.0.0.1:8485": false, "example.com:8485": false, "8485": false} {
		if err := checkListen(address, false); (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
	}
}
