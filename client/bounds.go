package client

import (
	"errors"
	"hash/maphash"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Bounds of what a server that is broken, or lies, can make a client read, keep and
// wait for.
const (
	// maxAnswer bounds the body of an answer, in bytes. A page of 500 integrations with
	// a few hundred roles each fits, and an integration with 10,000 roles.
	maxAnswer = 64 << 20

	// maxElements bounds the elements of all arrays of an answer together, because an
	// empty one is much larger in memory than in JSON. A role has about 250 bytes of
	// JSON, so that all that fit into maxAnswer are fewer.
	maxElements = 500_000

	maxDepth   = 100      // of objects and arrays within each other
	maxLoan    = 64 << 10 // bytes of an answer with credentials
	maxOffers  = 16 << 20 // bytes of the list of what an agent may borrow: about 50,000 roles
	maxProblem = 1 << 20  // bytes of an answer with an error
	maxEvent   = 4 << 20  // bytes of one event for a runner
	maxHeader  = 64 << 10 // bytes of an answer's header
	maxPages   = 10_000   // of a list
	maxList    = 1 << 30  // bytes of all pages of a list: a million roles are about 250 MB
	maxCursor  = 4 << 10  // bytes

	answerTimeout = 2 * time.Minute // for one answer, unless the caller's HTTP client has a timeout
	listTimeout   = time.Hour       // for all pages of a list
)

// errTooLarge is the cause of errors about answers that are larger than their bound.
var errTooLarge = errors.New("the answer is too large")

// NewTransport returns the transport that New uses by default: that of net/http with a
// bound for the header of an answer. The caller may change it, for TLS.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxResponseHeaderBytes = maxHeader
	return t
}

// transport is shared by all clients, for its connections.
var transport = sync.OnceValue(NewTransport)

// read reads the body of an answer of at most so many bytes.
func (c *Client) read(resp *http.Response, most int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if err != nil {
		return nil, c.unreachable(resp.Request.Context(), err)
	}
	if len(body) > most {
		return nil, c.tooLarge(most)
	}
	return body, nil
}

func (c *Client) tooLarge(most int) error {
	size := strconv.Itoa(most>>20) + " MiB"
	if most < 1<<20 {
		size = strconv.Itoa(most>>10) + " KiB"
	}
	return rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered more than %s: %w", c.base, size,
		errTooLarge).
		WithHint("check ROLEBROKER_URL; no true answer is that large, unless an integration has thousands of roles")
}

// isDense reports whether JSON has more elements, or is nested deeper, than a true
// answer. It does not check the syntax.
func isDense(body []byte) bool {
	var inArray []bool // for each object and array around
	elements := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			inArray = append(inArray, body[i] == '[')
		case '}', ']':
			inArray = inArray[:max(0, len(inArray)-1)]
		case ',':
			if len(inArray) > 0 && inArray[len(inArray)-1] {
				elements++
			}
		}
		if len(inArray) > maxDepth || elements > maxElements {
			return true
		}
	}
	return false
}

// noEnd is the error of a list that has too many pages or bytes, or goes in a circle.
func noEnd() error {
	return rolebroker.Errorf(rolebroker.CodeInternal, "the server's list does not end").
		WithHint("check ROLEBROKER_URL: this is not how rolebroker answers")
}

// progress tells a list that goes on from one that goes in a circle.
type progress struct {
	seed maphash.Seed
	seen map[uint64]bool // the hashes of cursors
	left int             // bytes of pages
}

func newProgress(most int) *progress {
	return &progress{seed: maphash.MakeSeed(), seen: map[uint64]bool{}, left: most}
}

// next checks a cursor. Codes: internal.
func (p *progress) next(cursor string) error {
	hash := maphash.String(p.seed, cursor)
	if len(cursor) > maxCursor || p.seen[hash] || len(p.seen) == maxPages {
		return noEnd()
	}
	p.seen[hash] = true
	return nil
}
