package guard

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// listen serves an answer that is larger than any buffer. The test calls sweep itself.
func listen(t *testing.T) *listening {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cs := newListener(l, Options{Most: 100})
	goOn := make(chan bool)
	s := &http.Server{ConnState: NoteState, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			io.WriteString(w, strings.Repeat("x", 64<<20))
		case "/slow":
			for r.Context().Err() == nil {
				io.WriteString(w, "news\n")
				http.NewResponseController(w).Flush()
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
			}
		}
	})}
	go s.Serve(cs)
	t.Cleanup(func() { s.Close() })
	return &listening{cs, goOn}
}

// listening has the connections of a server. The answer to /slow waits for the test.
type listening struct {
	*Listener
	goOn chan bool
}

// say connects and sends text.
func say(t *testing.T, cs *listening, words string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", cs.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, words); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// swept sweeps until all connections are closed. The server may note a state meanwhile.
func swept(t *testing.T, cs *listening) {
	t.Helper()
	for range idleLimit {
		cs.sweep()
	}
	for cs.count() > 0 {
		if t.Context().Err() != nil {
			t.Fatal("the test ended")
		}
		cs.sweep()
		runtime.Gosched()
	}
}

// accepted waits until so many connections are open.
func accepted(t *testing.T, cs *listening, n int) {
	t.Helper()
	for cs.count() != n {
		if t.Context().Err() != nil {
			t.Fatal("the test ended")
		}
	}
}

func TestWhoTakesTooLongIsCutOff(t *testing.T) {
	for name, words := range map[string]string{
		"says nothing":         "",
		"stops in a header":    "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"stops in the body":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
		"never reads":          "GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
		"asks and never reads": strings.Repeat("GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 3),
	} {
		t.Run(name, func(t *testing.T) {
			cs := listen(t)
			say(t, cs, words)
			accepted(t, cs, 1)
			swept(t, cs)
		})
	}
}

// An answer may take any time while the client reads it.
func TestWhoIsToldAsItGoesIsNotCutOff(t *testing.T) {
	cs := listen(t)
	_, answers := say(t, cs, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	line := make([]byte, len("news\n"))
	for range 5 {
		if _, err := io.ReadFull(response.Body, line); err != nil {
			t.Fatal(err)
		}
		for range activeLimit {
			cs.sweep()
		}
		cs.goOn <- true
	}
	swept(t, cs)
}

func TestAConnectionThatIsUsedStaysOpen(t *testing.T) {
	cs := listen(t)
	c, answers := say(t, cs, "")
	for range 5 {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		for range activeLimit {
			cs.sweep()
		}
	}
	swept(t, cs)
	if _, err := answers.ReadByte(); err == nil {
		t.Errorf("a connection that is idle for too long is still open")
	}
}
