package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A server that does not check, or a clock that is wrong, never leads to credentials
// that AWS refuses, in any format.
func TestExpiredCredentialsAreNotPrinted(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/roles") {
			w.Write([]byte(`{"items": []}`))
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": "ASIAEXPIRED", "SecretAccessKey": "s", "Token": "t",
			"Expiration": now.Format(time.RFC3339), "RoleArn": "arn:aws:iam::444455556666:role/ReadOnly",
			"AccountId": "444455556666"})
	}))
	defer server.Close()
	for _, format := range []string{"json", "process", "env"} {
		for _, c := range []struct {
			now  time.Time
			code int
		}{{now.Add(-time.Second), 0}, {now, 1}, {now.Add(time.Hour), 1}} {
			var out, err bytes.Buffer
			code := Main(Process{Args: []string{"credentials", "--format", format},
				Env:   []string{"ROLEBROKER_URL=" + server.URL, "ROLEBROKER_TOKEN=token"},
				Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Now: func() time.Time { return c.now }})
			if code != c.code || strings.Contains(out.String(), "ASIAEXPIRED") != (code == 0) {
				t.Errorf("at %s, %s ended with %d:\n%s%s", c.now, format, code, &out, &err)
			}
			if code != 0 && !strings.Contains(err.String(), "hint: the clock says ") {
				t.Errorf("it says %s", &err)
			}
		}
	}
}
