package store_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// pooler is a proxy in front of a PostgreSQL. While it is deaf, it drops
// notifications, as a pooler in transaction mode does.
type pooler struct {
	url     string
	deaf    atomic.Bool
	mu      sync.Mutex
	dropped [][]byte
}

// hasDropped says whether the pooler dropped a notification that contains text.
func (p *pooler) hasDropped(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.dropped, func(m []byte) bool { return bytes.Contains(m, []byte(text)) })
}

// newPooler starts a pooler in front of the database with this URL, which has to
// name a Unix socket.
func newPooler(t *testing.T, database string) *pooler {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	p := &pooler{url: "postgres://" + u.Query().Get("user") + "@" + listener.Addr().String() + u.Path +
		"?sslmode=disable"}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(client, filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
		}
	}()
	return p
}

func (p *pooler) serve(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		_, _ = io.Copy(server, client)
	}()
	for p.forward(client, server) == nil {
	}
}

// forward forwards one message of the server: its type, then the length of the
// rest, which includes the length itself.
//
// Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
func (p *pooler) forward(client io.Writer, server io.Reader) error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(server, head); err != nil {
		return err
	}
	message := append(head, make([]byte, binary.BigEndian.Uint32(head[1:])-4)...)
	if _, err := io.ReadFull(server, message[len(head):]); err != nil {
		return err
	}
	const notification = 'A'
	if head[0] == notification && p.deaf.Load() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dropped = append(p.dropped, message)
		return nil
	}
	_, err := client.Write(message)
	return err
}
