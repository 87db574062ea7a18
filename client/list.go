package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// List selects the page of a list to answer; the zero value is its beginning.
type List struct {
	Limit  int    // at most this many items; 0: the server's default
	Cursor string // NextCursor of the page before; empty: from the start
	Search string // only names that contain it; for integrations, agents and runners

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
	return pages(l, func(l List) (api.List[T], error) { return list[T](ctx, c, p, l) })
}

// pages reads page after page, from the one that l selects.
func pages[T any](l List, read func(List) (api.List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		next := l // so that the sequence can be ranged over again
		for {
			page, err := read(next)
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
			if page.NextCursor == next.Cursor {
				yield(zero, rolebroker.Errorf(rolebroker.CodeInternal, "the server's list does not end"))
				return
			}
			next.Cursor = page.NextCursor
		}
	}
}
