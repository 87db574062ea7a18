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

// List says which part of a list to answer; the zero value is its beginning.
type List struct {
	Limit  int    // at most so many; 0: as many as the server likes
	Cursor string // NextCursor of the page before; empty: from the start
	Search string // only names that contain it; for integrations, agents and runners

	Integration string // only agents that are connected to it, by name or ID; for agents
}

func (l List) query() url.Values {
	q := url.Values{}
	if l.Limit != 0 {
		q.Set("limit", strconv.Itoa(l.Limit))
	}
	set(q, "cursor", l.Cursor)
	set(q, "search", l.Search)
	set(q, "integration", l.Integration)
	return q
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// list asks for one page.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) (api.List[T], error) {
	var page api.List[T]
	err := c.do(ctx, request{method: http.MethodGet, path: path, query: query}, &page)
	return page, err
}

// all asks for one page after the other, while they are wanted. It ends after
// an error.
func all[T any](page func(List) (api.List[T], error), l List) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		at := l // so that the sequence can be ranged over again
		at.Limit = api.MaxLimit
		for {
			p, err := page(at)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.NextCursor == "" {
				return
			}
			if p.NextCursor == at.Cursor {
				yield(zero, rolebroker.Errorf(rolebroker.CodeInternal, "the server's list does not end"))
				return
			}
			at.Cursor = p.NextCursor
		}
	}
}
