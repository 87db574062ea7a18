package expect_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/expect"
)

// The end of the body is found after the answer has begun, too.
func TestTheEndIsFoundWhileTheAnswerIsWritten(t *testing.T) {
	t.Parallel()
	const sent = "all of it"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := expect.PassOn(r).Body
		read := make([]byte, len(sent))
		if _, err := io.ReadFull(body, read); string(read) != sent {
			t.Errorf("the handler reads %q, %v", read, err)
		}
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		if n, err := body.Read(read); n != 0 || err != io.EOF {
			t.Errorf("after the end it reads %d bytes, %v", n, err)
		}
	}))
	defer server.Close()
	resp, err := http.Post(server.URL, "text/plain", strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
