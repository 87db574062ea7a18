package rest

import (
	"encoding/base64"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// Paging is what every list takes.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"At most so many items."`
	Cursor string `query:"cursor" doc:"next_cursor of the page before; left out: from the start."`
}

// Search is what lists of names take.
type Search struct {
	Search string `query:"search" doc:"Only items whose name contains it, ignoring case."`
}

// listAnswer is a page of a list.
type listAnswer[T any] struct {
	Body api.List[T]
}

// page is what the store is asked for: one item more than fits, to know
// whether the list goes on. check says whether a text is a cursor of this list.
func (p Paging) page(search string, check func(string) bool) (rolebroker.Page, error) {
	page := rolebroker.Page{Limit: p.Limit + 1, Search: search}
	if p.Cursor == "" {
		return page, nil
	}
	after, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err != nil || !isText(string(after)) || !check(string(after)) {
		return page, invalid(problem.Parameter("cursor"), "is not the next_cursor of a page of this list")
	}
	page.After = string(after)
	return page, nil
}

// list makes a page of an answer out of what the store gave. cursor is what
// the list is sorted by.
func list[N, J any](p Paging, found []N, cursor func(*N) string, show func(*N) J) *listAnswer[J] {
	answer := &listAnswer[J]{api.List[J]{Items: []J{}}}
	if len(found) > p.Limit {
		found = found[:p.Limit]
		answer.Body.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(cursor(&found[p.Limit-1])))
	}
	for i := range found {
		answer.Body.Items = append(answer.Body.Items, show(&found[i]))
	}
	return answer
}

func isName(s string) bool { return rolebroker.CheckName(s) == nil }

// asOf fixes the time at which a noun is shown.
func asOf[N, J any](now time.Time, show func(*N, time.Time) J) func(*N) J {
	return func(noun *N) J { return show(noun, now) }
}
