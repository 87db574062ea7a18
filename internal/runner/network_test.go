package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
)

// network carries requests to a handler in the same process. It uses no
// sockets, so it works inside a testing/synctest bubble. The zero value with a
// handler works. A test can cut it, so that it refuses every connection, or silence
// it, so that nothing arrives any more and no connection ends.
type network struct {
	handler http.Handler

	mu      sync.Mutex
	state   networkState
	changed chan struct{}                         // closed at the next change of state; nil: none waits for it
	open    map[*context.CancelCauseFunc]struct{} // requests under way
	refuses func(*http.Request) bool              // nil: none
}

type networkState int

const (
	connected networkState = iota
	cut
	silent
)

var errRefused = errors.New("connection refused")

// set changes the state. Cutting the network ends the requests under way.
func (n *network) set(state networkState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = state
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
	if state == cut {
		for cancel := range n.open {
			(*cancel)(errRefused)
		}
	}
}

// refuse has the network refuse the requests that match from now on, and ends
// all that are under way. nil refuses none.
func (n *network) refuse(matches func(*http.Request) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refuses = matches
	for cancel := range n.open {
		(*cancel)(errRefused)
	}
}

// client sends every request through the network.
func (n *network) client() *http.Client { return &http.Client{Transport: n} }

// pass waits while the network is silent.
func (n *network) pass(ctx context.Context) error {
	for {
		n.mu.Lock()
		state := n.state
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		switch state {
		case connected:
			return ctx.Err()
		case cut:
			return errRefused
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enter notes that a request is under way until leave is called.
func (n *network) enter(r *http.Request) (ctx context.Context, leave func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuses != nil && n.refuses(r) {
		return nil, nil, errRefused
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	if n.open == nil {
		n.open = map[*context.CancelCauseFunc]struct{}{}
	}
	n.open[&cancel] = struct{}{}
	return ctx, func() {
		cancel(nil)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.open, &cancel)
	}, nil
}

// RoundTrip implements [http.RoundTripper].
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, leave, err := n.enter(r)
	if err != nil {
		return nil, err
	}
	if err := n.pass(ctx); err != nil {
		leave()
		return nil, err
	}
	in, err := received(ctx, r)
	if err != nil {
		leave()
		return nil, err
	}
	body, out := io.Pipe()
	w := &answer{ctx: ctx, network: n, out: out, header: http.Header{}, begun: make(chan struct{})}
	go func() {
		defer leave()
		defer out.Close()
		n.handler.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
	}()
	context.AfterFunc(ctx, func() { out.CloseWithError(context.Cause(ctx)) })
	select {
	case <-w.begun:
		return &http.Response{Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1,
			ProtoMinor: 1, Header: w.header.Clone(), Body: body, ContentLength: -1, Request: r}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// received is r as a server sees it.
func received(ctx context.Context, r *http.Request) (*http.Request, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	in := r.Clone(ctx)
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "127.0.0.1:1", r.URL.Host
	in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return in, nil
}

// answer is the handler's end of a request.
type answer struct {
	ctx     context.Context
	network *network
	out     *io.PipeWriter
	header  http.Header
	status  int
	begun   chan struct{} // closed when there is a status
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) Flush()              {}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && a.network.pass(a.ctx) == nil {
		a.status = status
		close(a.begun)
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if err := a.network.pass(a.ctx); err != nil {
		return 0, err
	}
	return a.out.Write(p)
}

// streams matches the stream of events.
func streams(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/events") }
