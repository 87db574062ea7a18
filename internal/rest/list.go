package rest

import (
	"encoding/base64"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Paging selects a page of any list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"The maximum number of items."`
	Cursor string `query:"cursor" doc:"next_cursor of the previous page; left out: the first page."`
}

// Search selects items of a list of names.
type Search struct {
	Search string `query:"search" doc:"Only items whose name or description contains this text, in any case; for integrations also names and ARNs of roles."`
}

// listAnswer is a page of a list.
type listAnswer[T any] struct {
	Body api.List[T]
}

// order is how a list is sorted.
type order[N any] struct {
	cursor   func(*N) string   // the place of an item
	isCursor func(string) bool // whether a text can be the place of an item
}

// byName is the order of a list of names.
func byName[N any](name func(*N) string) order[N] {
	return order[N]{name, func(s string) bool { return rolebroker.CheckName(s) == nil }}
}

// byID is the order of a list of IDs with the same prefix.
func byID[N any](prefix string, id func(*N) string) order[N] {
	return order[N]{id, func(s string) bool { return strings.HasPrefix(s, prefix) }}
}

// list answers a page of a list that read finds in this order.
func list[N, J any](p Paging, by order[N], show func(*N) J, read func(rolebroker.Page) ([]N, error)) (
	*listAnswer[J], error) {
	page, err := by.page(p)
	if err != nil {
		return nil, err
	}
	found, err := read(page)
	if err != nil {
		return nil, err
	}
	answer := &listAnswer[J]{}
	if len(found) > p.Limit {
		found = found[:p.Limit]
		answer.Body.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(by.cursor(&found[p.Limit-1])))
	}
	answer.Body.Items = convert.All(found, show)
	return answer, nil
}

// page is the page to read: it has one item more than the answer, which shows
// whether the list goes on.
func (by order[N]) page(p Paging) (rolebroker.Page, error) {
	page := rolebroker.Page{Limit: p.Limit + 1}
	if p.Cursor == "" {
		return page, nil
	}
	after, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err != nil || !isText(string(after)) || !by.isCursor(string(after)) {
		return page, invalid(problem.Parameter("cursor"), "is not the next_cursor of a page of this list")
	}
	page.After = string(after)
	return page, nil
}
