package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rolebroker/rolebroker/api"
)

// List selects the page of a list to answer; the zero value is its beginning.
type List struct {
	Limit  int    // at most this many items; 0: the server's default
	Cursor string // NextCursor of the page before; empty: from the start
	// Search selects items of which a text contains it, in any case: the name or the description of integrations, agents
	// and runners, and the names, accounts and ARNs of an integration's roles.
	Search string

	Integration string // only agents that are connected to it, by name or ID; for agents
}

func (l List) query() url.Values {
	q := query{"cursor": l.Cursor, "search": l.Search, "integration": l.Integration}
	if l.Limit != 0 {
		q["limit"] = strconv.Itoa(l.Limit)
	}
	return q.values()
}

// query holds the parameters of a request; empty ones are not sent.
type query map[string]string

func (q query) values() url.Values {
	values := url.Values{}
	for name, value := range q {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

// list reads one page of a list.
func list[T any](ctx context.Context, c *Client, p place, l List) (api.List[T], error) {
	return send[api.List[T]](ctx, c, request{method: http.MethodGet, place: p, query: l.query()})
}

// all reads a whole list, page by page, while the caller wants more. It ends
// after an error.
func all[T any](ctx context.Context, c *Client, p place, l List) iter.Seq2[T, error] {
	l.Limit = api.MaxLimit
	return pages[T](ctx, c, request{method: http.MethodGet, place: p}, l, maxList)
}

// pages reads page after page, from the one that l selects, of at most so many bytes in
// all. The request has the place, and parameters besides those of l.
func pages[T any](ctx context.Context, c *Client, r request, l List, most int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		ctx, cancel := context.WithTimeout(ctx, listTimeout)
		defer cancel()
		p := newProgress(most)
		for next := l; ; { // a copy, so that the sequence can be ranged over again
			page, err := readPage[T](ctx, c, r, next, p)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			if err := p.next(page.NextCursor); err != nil {
				yield(zero, err)
				return
			}
			next.Cursor = page.NextCursor
		}
	}
}

// readPage reads the page of a list that l selects.
func readPage[T any](ctx context.Context, c *Client, r request, l List, p *progress) (api.List[T], error) {
	q := l.query()
	maps.Copy(q, r.query)
	r.query, r.list = q, p
	return send[api.List[T]](ctx, c, r)
}
