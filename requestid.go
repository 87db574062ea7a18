package rolebroker

import (
	"context"
	"math/rand/v2"
)

// RequestID tells one request to rolebroker from others, in the audit trail, in logs and in answers. It proves nothing:
// who sends a request may choose it.
type RequestID string

// maxRequestID is less than the length of a token or key, so that one in the wrong place is never taken for an ID.
const maxRequestID = 64

// NewRequestID makes an ID. Every request needs one, so it comes from a fast generator; nobody has to be unable to guess
// it.
func NewRequestID() RequestID {
	var id [idLength]byte
	for i := 0; i < len(id); {
		for bits, left := rand.Uint64(), 12; left > 0 && i < len(id); left-- {
			id[i] = idCharacters[bits&31]
			bits >>= 5
			i++
		}
	}
	return RequestID(id[:])
}

// ParseRequestID returns the ID that a client chose, if it has at most 64 letters, digits, dots, hyphens and
// underscores, as UUIDs and trace IDs have.
func ParseRequestID(text string) (id RequestID, ok bool) {
	if text == "" || len(text) > maxRequestID {
		return "", false
	}
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return "", false
		}
	}
	return RequestID(text), true
}

// requestIDKey is the key of the ID in a context.
type requestIDKey struct{}

// requestContext is the context of a request. Every request needs one, and context.WithValue allocates twice.
type requestContext struct {
	context.Context
	id RequestID
}

// Value returns the context itself for requestIDKey.
func (c *requestContext) Value(key any) any {
	if key == (requestIDKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// WithRequestID returns a context of the request with an ID.
func WithRequestID(ctx context.Context, id RequestID) context.Context {
	return &requestContext{ctx, id}
}

// RequestIDOf returns the ID of the request that a context belongs to; empty if it belongs to none.
func RequestIDOf(ctx context.Context) RequestID {
	if c, ok := ctx.Value(requestIDKey{}).(*requestContext); ok {
		return c.id
	}
	return ""
}
