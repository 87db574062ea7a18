package egress

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// hello is what the first message of a TLS client says.
type hello struct {
	host      string // empty: none
	encrypted bool   // it has an encrypted message, which may say another host
}

// encryptedHello is the extension of that message.
//
// Source: RFC 9849; the draft that clients speak has the same number.
const encryptedHello = 0xfe0d

// maxHello bounds the first message.
const maxHello = 64 << 10

// readHello reads the first message of a TLS client. It returns all bytes that it read.
func readHello(c net.Conn) (h hello, read []byte, _ error) {
	var all bytes.Buffer
	found := false
	enough := errors.New("enough")
	err := tls.Server(reading{io.TeeReader(io.LimitReader(c, maxHello), &all)}, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			h, found = hello{info.ServerName, slices.Contains(info.Extensions, encryptedHello)}, true
			return nil, enough
		}}).Handshake()
	if !found {
		return h, all.Bytes(), err
	}
	return h, all.Bytes(), nil
}

// reading is a connection that can only be read.
type reading struct{ io.Reader }

func (r reading) Write([]byte) (int, error)        { return 0, io.ErrClosedPipe }
func (r reading) Close() error                     { return nil }
func (r reading) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (r reading) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (r reading) SetDeadline(time.Time) error      { return nil }
func (r reading) SetReadDeadline(time.Time) error  { return nil }
func (r reading) SetWriteDeadline(time.Time) error { return nil }

// replayed is a connection whose first bytes were read already.
type replayed struct {
	net.Conn
	first []byte
}

func (r *replayed) Read(p []byte) (int, error) {
	if len(r.first) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.first)
	r.first = r.first[n:]
	return n, nil
}

// noticed is a connection whose end is noticed.
type noticed struct {
	net.Conn
	closed chan struct{}
	once   sync.Once
}

func (n *noticed) Close() error {
	n.once.Do(func() { close(n.closed) })
	return n.Conn.Close()
}

// queue is a listener whose connections come from elsewhere.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn, 1), closed: make(chan struct{})} }

// push adds a connection, unless the queue is closed.
func (q *queue) push(c net.Conn) bool {
	select {
	case q.conns <- c:
		return true
	case <-q.closed:
		return false
	}
}

// Accept is for [net.Listener].
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close is for [net.Listener].
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr is for [net.Listener].
func (q *queue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
