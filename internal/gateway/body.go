package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// A body that is not S3's is kept until AWS has answered, because its hash is a part of the signature. An agent can send
// many at once.
const (
	maxBody        = 64 << 20  // of one request
	maxAgentBodies = 128 << 20 // of all requests of one agent at a time
	maxBodies      = 256 << 20 // of all requests at a time
	freeBody       = 64 << 10  // of each request: is not counted
)

// bodies counts the bytes of the bodies that are kept. The zero value counts.
type bodies struct {
	mu    sync.Mutex
	total int64
	of    map[rolebroker.AgentID]int64
}

// take counts n bytes more of an agent's, unless these are too many.
func (b *bodies) take(agent rolebroker.AgentID, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.total+n > maxBodies || b.of[agent]+n > maxAgentBodies {
		return false
	}
	if b.of == nil {
		b.of = map[rolebroker.AgentID]int64{}
	}
	b.total += n
	b.of[agent] += n
	return true
}

// give takes back what was counted.
func (b *bodies) give(agent rolebroker.AgentID, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total -= n
	if b.of[agent] -= n; b.of[agent] <= 0 {
		delete(b.of, agent)
	}
}

// bodyReader reads the body of a call, and counts it.
type bodyReader struct {
	*call
	from io.Reader
	n    int64 // read
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.n += int64(n)
	if more := b.n - freeBody - b.kept; more > 0 {
		if !b.gateway.bodies.take(b.key.Agent, more) {
			return n, rolebroker.Errorf(rolebroker.CodeThrottled, "the gateway keeps as many large bodies as it can").
				WithHint("send fewer at once")
		}
		b.kept += more
	}
	return n, err
}

// readBody reads the body of a request that is not S3's. Call release when it is not needed any more. For an agent that
// may not have the role it reads only as much as is free: that is enough for the record of most calls.
func (c *call) readBody() error {
	limit := int64(maxBody)
	refused := c.gateway.Lender.May(c.r.Context(), c.caller(), c.request())
	if refused != nil {
		limit = freeBody
	}
	body, err := io.ReadAll(&bodyReader{call: c, from: http.MaxBytesReader(c.w, c.r.Body, limit)})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large) && refused != nil:
		c.tellEnded(refused)
		return refused
	case errors.As(err, &large):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
			text: "the gateway signs bodies of at most 64 MiB, except for S3"}
	case rolebroker.CodeOf(err) == rolebroker.CodeThrottled:
		return err
	case err != nil:
		return &refusal{status: http.StatusBadRequest, code: "IncompleteBody", text: "the body ended too early"}
	}
	c.body = body
	return nil
}

// release forgets the body.
func (c *call) release() {
	if c.kept > 0 {
		c.gateway.bodies.give(c.key.Agent, c.kept)
	}
	c.body, c.kept = nil, 0
}
