package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

// A server of an earlier version ignores that a process asks for less. What it lends is not taken.
func TestCredentialsThatWereNotNarrowedAreRefused(t *testing.T) {
	for access, want := range map[string]rolebroker.Code{"": rolebroker.CodeDenied, `"Access":"full",`: rolebroker.CodeDenied,
		`"Access":"policy",`: rolebroker.CodeDenied, `"Access":"read-only",`: "", `"Access":"view-only",`: ""} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("access") != "read-only" {
				t.Errorf("the query is %s", r.URL.RawQuery)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{` + access + `"AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"` +
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","RoleArn":"arn:aws:iam::444455556666:role/R"}`))
		}))
		c, err := client.New(client.Options{URL: server.URL, Token: rolebroker.NewSecret("t")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Borrow(t.Context(), rolebroker.Request{Access: rolebroker.AccessReadOnly})
		if want == "" && err != nil || want != "" && (rolebroker.CodeOf(err) != want ||
			!strings.Contains(err.Error(), "the credentials are not read-only")) {
			t.Errorf("with %q: %v", access, err)
		}
		server.Close()
	}
}
