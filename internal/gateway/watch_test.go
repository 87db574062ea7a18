package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
)

// front serves the gateway of a world, in front of an S3 that does what serve says.
func (w *world) front(t *testing.T, serve http.HandlerFunc) *httptest.Server {
	upstream := httptest.NewServer(serve)
	t.Cleanup(upstream.Close)
	w.endpoint = func(endpoint.Service) string { return upstream.URL }
	w.served = make(chan bool, 1)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		defer func() {
			select {
			case w.served <- true:
			default:
			}
		}()
		w.gateway.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	return front
}

// object is a signed request for an object of S3, at a server.
func (w *world) object(method, url string, body io.Reader) *http.Request {
	w.t.Helper()
	r, err := http.NewRequest(method, url+"/bucket/key", body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sign(r, w.key(), "UNSIGNED-PAYLOAD", "s3", "eu-west-1")
	return r
}

// cutOff is what happens to an agent while its calls are under way.
func (w *world) cutOff() {
	var err error = rolebroker.Errorf(rolebroker.CodeDenied, "agent scout is disabled")
	w.over.Store(&err)
}

// within fails if something takes longer than a second, plus what a busy machine takes.
func within(t *testing.T, what string, began time.Time) {
	t.Helper()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%s took %s", what, took)
	}
}

// TestACutOffEndsADownload has an S3 that sends for as long as somebody reads.
func TestACutOffEndsADownload(t *testing.T) {
	w := newWorld(t)
	gone := make(chan bool)
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		defer close(gone)
		rw.Header().Set("Content-Length", fmt.Sprint(1<<40))
		for block := make([]byte, 1<<16); ; {
			if _, err := rw.Write(block); err != nil {
				return
			}
		}
	})
	answer, err := http.DefaultClient.Do(w.object("GET", front.URL, nil))
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(answer, err)
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	w.cutOff()
	began := time.Now()
	if n, err := io.Copy(io.Discard, answer.Body); err == nil {
		t.Errorf("the download ended well, after %d bytes more", n)
	}
	<-gone
	within(t, "the end of the download", began)
}

// TestACutOffEndsADownloadThatNobodyReads has an agent that keeps the connection and reads later.
func TestACutOffEndsADownloadThatNobodyReads(t *testing.T) {
	w := newWorld(t)
	gone := make(chan bool)
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		defer close(gone)
		rw.Header().Set("Content-Length", fmt.Sprint(1<<40))
		for block := make([]byte, 1<<16); ; {
			if _, err := rw.Write(block); err != nil {
				return
			}
		}
	})
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := w.object("GET", front.URL, nil).Write(conn); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatal(line, err)
	}
	w.cutOff()
	began := time.Now()
	<-gone
	<-w.served
	within(t, "the end of the download", began)
}

// TestACutOffEndsAnUpload has an agent that sends no more, and gets the refusal as the answer.
func TestACutOffEndsAnUpload(t *testing.T) {
	w := newWorld(t)
	gone := make(chan int64)
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		gone <- n
	})
	body, more := io.Pipe()
	defer more.Close()
	r := w.object("PUT", front.URL, body)
	r.ContentLength = 1 << 20
	type answer struct {
		*http.Response
		error
	}
	answered := make(chan answer)
	go func() {
		a, err := http.DefaultClient.Do(r)
		answered <- answer{a, err}
	}()
	if _, err := more.Write(make([]byte, 1<<10)); err != nil {
		t.Fatal(err)
	}
	w.cutOff()
	began := time.Now()
	if n := <-gone; n == 1<<20 {
		t.Error("AWS got the whole upload")
	}
	a := <-answered
	if a.error != nil {
		t.Fatal(a.error)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if a.StatusCode != 403 || !strings.Contains(string(text), "rolebroker: agent scout is disabled") {
		t.Errorf("the upload is answered with %d %s, %v", a.StatusCode, text, err)
	}
	within(t, "the end of the upload", began)
}

// TestACutOffEndsACallThatWaits has an AWS that does not answer.
func TestACutOffEndsACallThatWaits(t *testing.T) {
	w := newWorld(t)
	front := w.front(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	time.AfterFunc(time.Millisecond, w.cutOff)
	began := time.Now()
	a, err := http.DefaultClient.Do(w.object("GET", front.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	if text, _ := io.ReadAll(a.Body); a.StatusCode != 403 || !strings.Contains(string(text), "agent scout is disabled") {
		t.Errorf("the call is answered with %d %s", a.StatusCode, text)
	}
	within(t, "the answer", began)
}

// TestNothingIsLeftOfConnectionsThatBreak breaks them in each way, and counts what runs afterwards.
func TestNothingIsLeftOfConnectionsThatBreak(t *testing.T) {
	w := newWorld(t)
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Test") {
		case "drop":
			panic(http.ErrAbortHandler)
		case "drop half-way":
			rw.Header().Set("Content-Length", "1000")
			io.WriteString(rw, "half")
			rw.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "hang":
			<-r.Context().Done()
		default:
			io.Copy(io.Discard, r.Body)
			io.WriteString(rw, "done")
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	agent := map[string]func(){
		"AWS hangs up": func() { w.try(t, client, front.URL, "drop", 503) },
		"AWS hangs up half-way": func() {
			if text := w.try(t, client, front.URL, "drop half-way", 200); text != "half" {
				t.Errorf("the agent gets %q", text)
			}
		},
		"AWS hangs": func() {
			impatient := &http.Client{Transport: client.Transport, Timeout: 50 * time.Millisecond}
			r := w.object("GET", front.URL, nil)
			r.Header.Set("X-Test", "hang")
			if _, err := impatient.Do(r); err == nil {
				t.Error("AWS does not hang")
			}
		},
		"the agent hangs up half-way": func() { w.send(t, front, "PUT", "Content-Length: 1000\r\n", "half") },
		"the agent hangs up at once":  func() { w.send(t, front, "PUT", "Content-Length: 1000\r\n", "") },
		"the agent sends a broken chunk": func() {
			w.send(t, front, "PUT", "Transfer-Encoding: chunked\r\n", "10\r\nshort\r\n")
		},
		"all goes well": func() { w.try(t, client, front.URL, "", 200) },
	}
	for _, do := range agent { // what stays once
		do()
	}
	before := w.settled(0)
	files, heap := openFiles(t), heapInUse()
	for name, do := range agent {
		for range 20 {
			do()
		}
		if after := w.settled(before); after > before {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s: %d goroutines more\n%s", name, after-before, stacks[:runtime.Stack(stacks, true)])
		}
		for began := time.Now(); openFiles(t) > files; time.Sleep(10 * time.Millisecond) { // a connection closes late
			w.transport.CloseIdleConnections()
			if time.Since(began) > time.Minute {
				t.Fatalf("%s: %d files more are open", name, openFiles(t)-files)
			}
		}
	}
	if more := heapInUse() - heap; more > 1<<20 {
		t.Errorf("%d KiB more are in use", more>>10)
	}
}

// openFiles is how many files and connections this process has open. Only Linux says so.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(files)
}

// heapInUse is how many bytes of the heap are in use.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // frees what pools have kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// settled is how many goroutines run once the connections that nothing uses are closed: at most so many, if that
// happens within a minute. most is 0: once the number stays.
func (w *world) settled(most int) (n int) {
	same := 0
	for began := time.Now(); same < 20 && time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		w.transport.CloseIdleConnections()
		last := n
		if n = runtime.NumGoroutine(); most > 0 && n <= most {
			return n
		}
		if same++; n != last || most > 0 {
			same = 0
		}
	}
	return n
}

// try sends a request, and returns what comes of the answer.
func (w *world) try(t *testing.T, client *http.Client, url, what string, status int) string {
	t.Helper()
	r := w.object("GET", url, nil)
	r.Header.Set("X-Test", what)
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != status {
		t.Errorf("%s is answered with %d %s", what, answer.StatusCode, text)
	}
	return string(text)
}

// send sends a signed request with a body that does not go on, and hangs up.
func (w *world) send(t *testing.T, front *httptest.Server, method, header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := w.object(method, front.URL, nil)
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method, r.URL.RequestURI(), r.Host, header)
	r.Header.Write(conn)
	fmt.Fprintf(conn, "\r\n%s", body)
}
