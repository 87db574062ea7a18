package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// How many rows a page of a list has, and one of a sorted list whose rows are compact.
const (
	pageSize    = 50
	compactSize = 100
)

// list is the part that pages of lists share. Templates of lists use the parts
// "search", "sorted", "density", "none-found" and "more".
type list struct {
	base
	paging
	Path   string // the address of the list, as in "/agents"
	Noun   string // what an item is called, as in "agent"
	Plural string
	Search string // shows only items that have it in their texts
	// Integration shows only items that are connected to it, by ID or name; empty: all.
	Integration string

	Sort   rolebroker.Sort
	Sorts  []sorting            // by which people sort it, the name first; empty: it has one order
	State  rolebroker.ListState // shows only items in it; empty: all
	States []choice             // that the list can be narrowed to
	Mode   rolebroker.AssumptionMode
	Modes  []choice
}

// choice is a value that people choose, and how it is called.
type choice struct{ Value, Word string }

// Narrowed returns whether the list leaves out items that have not what people look for.
func (l list) Narrowed() bool { return l.Search != "" || l.State != "" || l.Mode != "" }

// sorting is a column by which people sort a list.
type sorting struct {
	Title  string          // the head of the column
	Key    rolebroker.Sort // the order that people choose first
	Number bool
	Words  [2]string // what the list then begins with, and with what if it is turned round
}

// byName sorts a list by the names of its items.
var byName = sorting{"Name", rolebroker.SortName, false, [2]string{"A to Z", "Z to A"}}

// column is the head of a column that sorts the list.
type column struct {
	sorting
	Order   string // ascending or descending; empty: another column sorts the list
	Address string // of the list sorted by it, the other way round if it is already
}

// Column is the head of the column with a title.
func (l list) Column(title string) column {
	return l.column(title, func(sort rolebroker.Sort) string {
		l.Sort = sort
		return l.at("")
	})
}

// column is Column. at is the address of the list in an order.
func (l list) column(title string, at func(rolebroker.Sort) string) (c column) {
	for _, by := range l.Sorts {
		if by.Title == title {
			c.sorting = by
		}
	}
	other := turned(c.Key)
	sort := c.Key
	switch l.Sort {
	case c.Key:
		sort = other
		fallthrough
	case other:
		c.Order = "ascending"
		if strings.HasPrefix(string(l.Sort), string(rolebroker.SortBackward)) {
			c.Order = "descending"
		}
	}
	c.Address = at(sort)
	return c
}

// Orders are the orders of the list, for where the heads of its columns are not in view.
func (l list) Orders() (all []choice) {
	for _, by := range l.Sorts {
		for i, sort := range []rolebroker.Sort{by.Key, turned(by.Key)} {
			all = append(all, choice{string(sort), by.Title + ": " + by.Words[i]})
		}
	}
	return all
}

// sortBy sorts the list as somebody asked, if it has that order.
func (l *list) sortBy(asked rolebroker.Sort) {
	l.Sort = asked
	if !slices.ContainsFunc(l.Orders(), func(c choice) bool { return c.Value == string(asked) }) {
		l.Sort = l.Sorts[0].Key
	}
}

// turned is the opposite order.
func turned(sort rolebroker.Sort) rolebroker.Sort {
	if rest, ok := strings.CutPrefix(string(sort), string(rolebroker.SortBackward)); ok {
		return rolebroker.Sort(rest)
	}
	return rolebroker.SortBackward + sort
}

// Finds says by what the list can be searched.
func (l list) Finds() string {
	if l.Noun == "integration" {
		return "Search by name, description, role or account"
	}
	return "Search by name or description"
}

// Size is how many rows a page of a sorted list has.
func (l list) Size() int {
	if l.Compact {
		return compactSize
	}
	return pageSize
}

// Here is the address of this page.
func (l list) Here() string { return l.at(l.After) }

// at is the address of the page after a cursor.
func (l list) at(after string) string {
	return addressOf(l.Path, "after", after, "search", l.Search, "integration", l.Integration, "sort", string(l.Sort),
		"state", string(l.State), "mode", string(l.Mode))
}

// readSorted reads the page of a list that the request asks for, sorted and narrowed as it says.
func readSorted[T any](r *http.Request, v *visit, l *list,
	read func(context.Context, rolebroker.Caller, rolebroker.Page) ([]T, []string, error)) ([]T, error) {
	asked := r.URL.Query()
	l.Search, l.After = asked.Get("search"), asked.Get("after")
	l.State, l.Mode = rolebroker.ListState(asked.Get("state")), rolebroker.AssumptionMode(asked.Get("mode"))
	l.sortBy(rolebroker.Sort(asked.Get("sort")))
	var cursors []string
	last := func(*T) string { return cursors[l.Size()-1] }
	return readPage(&l.paging, l.Size(), l.at, last, func(p rolebroker.Page) (found []T, err error) {
		p.Search, p.Integration, p.Sort, p.State, p.Mode = l.Search, l.Integration, l.Sort, l.State, l.Mode
		found, cursors, err = read(r.Context(), v.who, p)
		return found, err
	})
}

// readList reads the page of a list that the request asks for: items that have a
// name, sorted by it.
func readList[T any](r *http.Request, v *visit, l *list, name func(*T) string,
	read func(context.Context, rolebroker.Caller, rolebroker.Page) ([]T, error)) ([]T, error) {
	l.Search, l.After = r.URL.Query().Get("search"), r.URL.Query().Get("after")
	return readPage(&l.paging, pageSize, l.at, name, func(p rolebroker.Page) ([]T, error) {
		p.Search, p.Integration = l.Search, l.Integration
		return read(r.Context(), v.who, p)
	})
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
