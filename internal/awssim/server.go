package awssim

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Server is an [AWS] listening on a loopback address.
type Server struct {
	URL string // http://127.0.0.1:port

	http *http.Server
	done chan struct{}
}

// Start listens on a free port of 127.0.0.1.
func Start(aws *AWS) (*Server, error) { return StartOn(aws, "127.0.0.1:0") }

// StartOn listens on addr, which must be a loopback address, because a simulator
// must not be reachable from other machines.
func StartOn(aws *AWS, addr string) (*Server, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("awssim: %w", err)
	}
	s := &Server{
		URL: "http://" + l.Addr().String(),
		http: &http.Server{Handler: aws, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
			MaxHeaderBytes: 64 << 10},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // returns when closed
	}()
	return s, nil
}

// Close stops listening and closes every connection.
func (s *Server) Close() {
	_ = s.http.Close()
	<-s.done
}

func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("awssim: %w", err)
	}
	ip, err := netip.ParseAddr(host)
	if host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("awssim: %q is not a loopback address; use 127.0.0.1", addr)
	}
	return nil
}

// HTTPClient returns a client whose requests, to any host, are served by a in the
// same process. It uses no sockets, so it works in a testing/synctest bubble. A
// request returns as soon as its context ends.
func (a *AWS) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     inProcess{a},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type inProcess struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	in, err := received(ctx, r)
	if err != nil {
		return nil, err
	}
	answered := make(chan *http.Response, 1)
	go func() { answered <- serve(t.handler, in) }()
	select {
	case resp := <-answered:
		if resp == nil {
			return nil, errors.New("awssim: connection closed by the server")
		}
		resp.Request = r
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// received returns r as a server receives it. It reads the body, because a
// transport must not do so after it has returned.
func received(ctx context.Context, r *http.Request) (*http.Request, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxObject+1)); err != nil {
			return nil, err
		}
	}
	in := r.Clone(ctx)
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if r.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{}
	}
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return in, nil
}

// serve returns nil if the handler closes the connection.
func serve(h http.Handler, r *http.Request) (resp *http.Response) {
	defer func() {
		if e := recover(); e != nil {
			if e != http.ErrAbortHandler {
				panic(e)
			}
			resp = nil
		}
	}()
	rec := &recorder{header: http.Header{}}
	h.ServeHTTP(rec, r)
	return rec.response()
}

// recorder is the response writer of an in-process call.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (rec *recorder) Header() http.Header { return rec.header }

func (rec *recorder) WriteHeader(status int) {
	if rec.status == 0 {
		rec.status = status
	}
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.WriteHeader(http.StatusOK)
	return rec.body.Write(p)
}

func (rec *recorder) response() *http.Response {
	rec.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", rec.status, http.StatusText(rec.status)),
		StatusCode:    rec.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rec.header,
		Body:          io.NopCloser(&rec.body),
		ContentLength: int64(rec.body.Len()),
	}
}
