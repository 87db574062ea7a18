package web

import (
	"fmt"
	"strconv"

	"github.com/rolebroker/rolebroker"
)

// paging says which page of a list is shown, and leads to the others. The parts "pages" and "page-links" show it.
type paging struct {
	After string // the cursor of the last item before this page; empty: this is the first page
	Back  string // the address of the first page, or of the page before; empty: this is the first page
	Next  string // the address of the next page; empty: this is the last
	Says  string // which items are shown, as in "51 to 100 of 300 roles"; empty: that is not known
	Of    string // what the items are, where a page has several lists; empty: it has one
	Words pageWords
}

// pageWords are what the links to Back and Next say; empty: First page and Next page.
type pageWords struct{ Back, Next string }

// The words for lists that are sorted by time.
var (
	newestFirst = pageWords{"Newest", "Older"}
	oldestFirst = pageWords{"Oldest", "Newer"}
)

// First returns whether this is the first page.
func (p paging) First() bool { return p.After == "" }

// readPage reads the page of a list that begins after p.After, and adds to p where the others are. at is the address of
// the page after a cursor.
func readPage[T any](p *paging, size int, at func(after string) string, cursor func(*T) string,
	read func(rolebroker.Page) ([]T, error)) ([]T, error) {
	found, err := read(rolebroker.Page{Limit: size + 1, After: p.After})
	found, more := cut(found, size)
	if more {
		p.Next = at(cursor(&found[size-1]))
	}
	if !p.First() {
		p.Back = at("")
	}
	return found, err
}

// partOf is the page of a list that begins with the item of a number, counted from 1, and adds to p where the others
// are. at is the address of the page that begins with a number; empty: the first page.
func partOf[T any](p *paging, size int, at func(from string) string, items []T, number, noun string) []T {
	n, _ := strconv.Atoi(number)
	first := max(min(n, len(items))-1, 0)
	last := min(first+size, len(items))
	p.Words = pageWords{"Before", "Next"}
	if first > size {
		p.Back = at(strconv.Itoa(first - size + 1))
	} else if first > 0 {
		p.Back = at("")
	}
	if last < len(items) {
		p.Next = at(strconv.Itoa(last + 1))
	}
	if p.Back+p.Next != "" {
		p.Says = fmt.Sprintf("%d to %d of %d %s", first+1, last, len(items), noun)
	}
	return items[first:last]
}
