package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// caller is a cheap HTTP/1.1 client: it has one keep-alive connection, sends the
// same request each time, and parses only what it needs to find the end of a
// response. One goroutine may use it at a time.
type caller struct {
	conn    net.Conn
	request []byte
	buf     []byte
}

// maxAnswer bounds a response with its headers. Credentials take some 1,500 bytes.
const maxAnswer = 16 << 10

// patience is how much longer than planned a measurement may take before it is an
// error.
const patience = 30 * time.Second

// answer is a response. Its body is valid until the next request.
type answer struct {
	status int
	body   []byte
}

// askFor returns a request for the default role of the token's agent.
func askFor(token string) []byte {
	return []byte("GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAuthorization: " + token +
		"\r\n\r\n")
}

// dial opens n connections to a server.
func dial(ctx context.Context, url string, n int, request []byte) (callers, error) {
	var all callers
	var dialer net.Dialer
	for range n {
		conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, &caller{conn: conn, request: request, buf: make([]byte, maxAnswer)})
	}
	return all, nil
}

// ask sends the request and reads the response.
func (c *caller) ask() (answer, error) {
	if _, err := c.conn.Write(c.request); err != nil {
		return answer{}, err
	}
	read := 0
	for {
		n, err := c.conn.Read(c.buf[read:])
		if err != nil {
			return answer{}, fmt.Errorf("reading an answer: %w", err)
		}
		read += n
		if a, whole, err := parseAnswer(c.buf[:read]); whole || err != nil {
			return a, err
		}
		if read == len(c.buf) {
			return answer{}, errors.New("an answer is too long")
		}
	}
}

var (
	endOfHeader = []byte("\r\n\r\n")
	lengthField = []byte("\r\nContent-Length: ")
	version     = []byte("HTTP/1.1 ")
)

// parseAnswer parses the response in read. It returns false if it is incomplete.
func parseAnswer(read []byte) (a answer, whole bool, err error) {
	end := bytes.Index(read, endOfHeader)
	if end < 0 {
		return answer{}, false, nil
	}
	header, body := read[:end+2], read[end+len(endOfHeader):]
	_, length, found := bytes.Cut(header, lengthField)
	if !found || !bytes.HasPrefix(header, version) {
		return answer{}, false, fmt.Errorf("not an answer with a Content-Length: %.100q", header)
	}
	want, ok := decimal(length)
	status, fine := decimal(header[len(version):])
	if !ok || !fine {
		return answer{}, false, fmt.Errorf("an answer with a number missing: %.100q", header)
	}
	return answer{status: status, body: body}, len(body) >= want, nil
}

// decimal parses the number at the start of b.
func decimal(b []byte) (n int, ok bool) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, i > 0
		}
		n = n*10 + int(c-'0')
	}
	return n, false
}

// callers are clients of one server.
type callers []*caller

func (all callers) close() {
	for _, c := range all {
		c.conn.Close()
	}
}

// allow sets the deadline of all callers to d plus patience.
func (all callers) allow(d time.Duration) {
	for _, c := range all {
		c.conn.SetDeadline(time.Now().Add(d + patience))
	}
}

// turn is the result of sending requests as fast as the responses come.
type turn struct {
	asked     int
	bad       int // unexpected responses
	took      time.Duration
	cpu       time.Duration // of the server
	latencies []time.Duration
}

func (t turn) perSecond() float64 { return float64(t.asked) / t.took.Seconds() }
func (t turn) cpuEach() float64   { return float64(t.cpu.Microseconds()) / float64(t.asked) }

// drive has all callers send requests, one after the other each, for a time.
func (all callers) drive(ctx context.Context, d time.Duration, right []byte) (turn, error) {
	all.allow(d)
	parts, errs := make([]turn, len(all)), make([]error, len(all))
	start := time.Now()
	var working sync.WaitGroup
	for i, c := range all {
		working.Go(func() { parts[i], errs[i] = c.drive(ctx, start.Add(d), right) })
	}
	working.Wait()
	sum := turn{took: time.Since(start)}
	for _, p := range parts {
		sum.asked += p.asked
		sum.bad += p.bad
		sum.latencies = append(sum.latencies, p.latencies...)
	}
	return sum, errors.Join(append(errs, ctx.Err())...)
}

func (c *caller) drive(ctx context.Context, until time.Time, right []byte) (turn, error) {
	var t turn
	for now := time.Now(); now.Before(until) && ctx.Err() == nil; {
		a, err := c.ask()
		if err != nil {
			return t, err
		}
		answered := time.Now()
		t.asked++
		t.latencies = append(t.latencies, answered.Sub(now))
		if a.status != http.StatusOK || !bytes.Equal(a.body, right) {
			t.bad++
		}
		now = answered
	}
	return t, nil
}

// askOnce sends a request over a new connection and returns its latency.
func askOnce(ctx context.Context, url string, request []byte) ([]byte, time.Duration, error) {
	one, err := dial(ctx, url, 1, request)
	if err != nil {
		return nil, 0, err
	}
	defer one.close()
	one.allow(0)
	start := time.Now()
	a, err := one[0].ask()
	took := time.Since(start)
	if err == nil && a.status != http.StatusOK {
		err = errors.New("status " + strconv.Itoa(a.status) + ": " + string(a.body))
	}
	return a.body, took, err
}
