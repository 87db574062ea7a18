package sts_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker/internal/sts"
)

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// An endpoint that lies can neither fill the memory nor have the token sent elsewhere.
func TestAnEndpointThatLies(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the request went to another host: %s", r.URL)
	}))
	defer elsewhere.Close()
	var sent atomic.Int64
	for name, lie := range map[string]http.HandlerFunc{
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"a body without an end": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			io.WriteString(w, "<AssumeRoleResponse>")
			n, _ := io.Copy(w, io.LimitReader(spaces{}, 1<<30))
			sent.Add(n)
		},
	} {
		server := httptest.NewServer(lie)
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte("token"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, opts := range []sts.Options{
			{Endpoint: server.URL, WebIdentityTokenFile: file},
			{Endpoint: server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIA", "secret", "")},
		} {
			if kind := kindOf(sts.New(opts).Try(t.Context(), assumption())); kind == "" {
				t.Errorf("%s: the refusal is %q", name, kind)
			}
		}
		server.Close() // it waits for the handlers
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes of an answer were read", n)
	}
}
