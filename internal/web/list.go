package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker"
)

// pageSize is how many rows a page of a list has.
const pageSize = 50

// list is the part that pages of lists share. Templates of lists use the parts
// "search", "none-found" and "more".
type list struct {
	base
	Path   string // the address of the list, as in "/agents"
	Noun   string // what an item is called, as in "agent"
	Plural string
	Search string // shows only items whose name contains it
	After  string // the cursor of the last item before this page; empty: this is the first page
	Next   string // the address of the next page; empty: this is the last page
}

// First returns whether this is the first page.
func (l list) First() bool { return l.After == "" }

// Here is the address of this page.
func (l list) Here() string { return l.at(l.After) }

// at is the address of the page after a cursor.
func (l list) at(after string) string {
	return l.Path + "?" + url.Values{"after": {after}, "search": {l.Search}}.Encode()
}

// readList reads the page of a list that the request asks for: items that have a
// name, sorted by it.
func readList[T any](r *http.Request, v *visit, l *list, name func(*T) string,
	read func(context.Context, rolebroker.Caller, rolebroker.Page) ([]T, error)) ([]T, error) {
	l.Search, l.After = r.URL.Query().Get("search"), r.URL.Query().Get("after")
	found, err := read(r.Context(), v.who, rolebroker.Page{Limit: pageSize + 1, After: l.After, Search: l.Search})
	found, more := cut(found, pageSize)
	if more {
		l.Next = l.at(name(&found[pageSize-1]))
	}
	return found, err
}

// cut shortens items that were read with a limit of size+1 to a page of that size.
// more says whether items follow the page.
func cut[T any](items []T, size int) (page []T, more bool) {
	return items[:min(len(items), size)], len(items) > size
}

// maxNames bounds how many names a page offers or mentions.
const maxNames = 100

// names are the names of items.
func names[T any](items []T, name func(*T) string) []string {
	var all []string
	for i := range items {
		all = append(all, name(&items[i]))
	}
	return all
}

func agentName(a *rolebroker.Agent) string              { return a.Name }
func integrationName(in *rolebroker.Integration) string { return in.Name }
func runnerName(r *rolebroker.Runner) string            { return r.Name }
