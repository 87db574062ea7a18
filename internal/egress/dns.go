package egress

import (
	"encoding/binary"
	"io"
	"net"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// lifetime is how long clients may keep an answer, in seconds. It never changes.
const lifetime = 60

// answer answers a DNS message: every name has the address 127.0.0.1 and nothing else. It is nil for what is no
// question.
//
// A name has no record of type HTTPS, so clients find no key to encrypt with which host they want.
func answer(question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: h.ID, Response: true, OpCode: h.OpCode,
		Authoritative: true, RecursionDesired: h.RecursionDesired, RecursionAvailable: true})
	if b.StartQuestions() != nil || b.Question(q) != nil || b.StartAnswers() != nil {
		return nil
	}
	if q.Class == dnsmessage.ClassINET && (q.Type == dnsmessage.TypeA || q.Type == dnsmessage.TypeALL) {
		err = b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: lifetime},
			dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}})
		if err != nil {
			return nil
		}
	}
	found, err := b.Finish()
	if err != nil {
		return nil
	}
	return found
}

// ServeDNS answers questions until the connection is closed.
func (e *Egress) ServeDNS(c net.PacketConn) {
	question := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(question)
		if err != nil {
			return
		}
		if found := answer(question[:n]); found != nil {
			c.WriteTo(found, from)
		}
	}
}

// dnsTimeout is how long a client may take between two questions.
const dnsTimeout = 10 * time.Second

// ServeDNSOverTCP answers questions until the listener is closed.
//
// Source: RFC 7766.
func (e *Egress) ServeDNSOverTCP(l net.Listener) {
	e.serve(l, func(c net.Conn) {
		var size [2]byte
		for {
			c.SetDeadline(time.Now().Add(dnsTimeout))
			if _, err := io.ReadFull(c, size[:]); err != nil {
				return
			}
			question := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(c, question); err != nil {
				return
			}
			found := answer(question)
			if found == nil {
				return
			}
			if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(found))), found...)); err != nil {
				return
			}
		}
	})
}
