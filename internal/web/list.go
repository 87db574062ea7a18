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
	// Integration shows only items that are connected to it, by ID or name; empty: all.
	Integration string
	Next        string // the address of the next page; empty: this is the last page
}

// First returns whether this is the first page.
func (l list) First() bool { return l.After == "" }

// Here is the address of this page.
func (l list) Here() string { return l.at(l.After) }

// at is the address of the page after a cursor.
func (l list) at(after string) string {
	values := url.Values{"after": {after}, "search": {l.Search}}
	if l.Integration != "" {
		values.Set("integration", l.Integration)
	}
	return l.Path + "?" + values.Encode()
}

// readList reads the page of a list that the request asks for: items that have a
// name, sorted by it.
func readList[T any](r *http.Request, v *visit, l *list, name func(*T) string,
	read func(context.Context, rolebroker.Caller, rolebroker.Page) ([]T, error)) ([]T, error) {
	l.Search, l.After = r.URL.Query().Get("search"), r.URL.Query().Get("after")
	found, err := read(r.Context(), v.who, rolebroker.Page{Limit: pageSize + 1, After: l.After, Search: l.Search,
		Integration: l.Integration})
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

// maxNames bounds how many names a page offers. Where there are more, people can
// type the name of any other.
const maxNames = 100

// maxMentioned bounds how many names a sentence has.
const maxMentioned = 10

// readAll reads a whole list, page by page.
func readAll[T any](ctx context.Context, v *visit, cursor func(*T) string,
	read func(context.Context, rolebroker.Caller, rolebroker.Page) ([]T, error)) (all []T, err error) {
	page := rolebroker.Page{Limit: 1000}
	for {
		found, err := read(ctx, v.who, page)
		all = append(all, found...)
		if err != nil || len(found) < page.Limit {
			return all, err
		}
		page.After = cursor(&found[len(found)-1])
	}
}

// audience are the agents that something concerns: how many, and the first by name.
type audience struct {
	Count int
	Names []string
}

// More is how many agents have no name here.
func (a audience) More() int { return a.Count - len(a.Names) }

// Only is the name of the only agent; empty: there are several, or none.
func (a audience) Only() string {
	if a.Count == 1 && len(a.Names) == 1 {
		return a.Names[0]
	}
	return ""
}

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
