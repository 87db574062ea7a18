package client_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestARelaySaysContinueOnce, also if the server is so slow to want the body that the relay sends it before, and if
// there is no body.
func TestARelaySaysContinueOnce(t *testing.T) {
	t.Parallel()
	const continues = "100 Continue"
	said := make(chan struct{})
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Test") {
		case "refuse":
			w.WriteHeader(http.StatusForbidden)
			return
		case "wait":
			<-said
		}
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	front := httptest.NewServer(c.Gateway(func(_ http.ResponseWriter, _ *http.Request, err error) { t.Error(err) }))
	defer front.Close()
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(what string, length int) {
		fmt.Fprintf(conn, "PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n"+
			"X-Test: %s\r\n\r\n", length, what)
	}
	answers := bufio.NewReader(conn)
	answered := func(want string) {
		t.Helper()
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if got := strings.TrimSpace(answer.Status + " " + string(body)); got != want || err != nil {
			t.Fatalf("the relay says %s, %v; want %s", got, err, want)
		}
	}
	ask("wait", 5)
	answered(continues)
	close(said)
	io.WriteString(conn, "hello")
	answered("200 OK hello")
	ask("read", 5)
	answered(continues)
	io.WriteString(conn, "again")
	answered("200 OK again")
	ask("read", 0)
	answered(continues)
	answered("200 OK")
	ask("refuse", 5)
	answered("403 Forbidden")
}

// An answer arrives whole although it begins before the relay has looked for the end of the body that it sends.
func TestARelayKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	const length = 10_000 // more than a transport buffers
	begun := make(chan struct{})
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		http.NewResponseController(w).Flush()
		<-begun
		io.WriteString(w, "the answer")
	})
	relay := c.Gateway(func(_ http.ResponseWriter, _ *http.Request, err error) { t.Error(err) })
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slow := r.WithContext(r.Context())
		slow.Body = &endsLate{ReadCloser: r.Body, length: length, until: begun}
		relay.ServeHTTP(beginning{w, begun}, slow)
	}))
	defer front.Close()
	answer, err := http.Post(front.URL, "text/plain", strings.NewReader(strings.Repeat("x", length)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); string(text) != "the answer" || err != nil {
		t.Errorf("the client gets %q, %v", text, err)
	}
}

// endsLate is a body whose end is not found until the answer has begun.
type endsLate struct {
	io.ReadCloser
	length, read int
	until        chan struct{}
}

func (e *endsLate) Read(p []byte) (int, error) {
	if e.read == e.length {
		<-e.until
	}
	n, err := e.ReadCloser.Read(p)
	e.read += n
	return n, err
}

// beginning tells when the first part of an answer is on its way.
type beginning struct {
	http.ResponseWriter
	begun chan struct{}
}

func (b beginning) FlushError() error {
	err := http.NewResponseController(b.ResponseWriter).Flush()
	select {
	case <-b.begun:
	default:
		close(b.begun)
	}
	return err
}

func (b beginning) Unwrap() http.ResponseWriter { return b.ResponseWriter }
