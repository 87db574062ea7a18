package web

import "net/url"

// object is what the pages of one thing share: the head and the row of tabs. The content of such a page begins with the
// part "object". The page defines the parts "object-facts" and "object-actions".
type object struct {
	base
	List  link // the list that the thing is in
	Name  string
	State state // of the thing as a whole
	Tabs  []tab
}

// link is a link with its text.
type link struct{ Text, Address string }

// tab is a page of an object, in the row of tabs.
type tab struct {
	link
	Count  int // of what the page lists; 0: it shows no number
	Chosen bool
}

// tabsOf are the tabs of the object at an address. Each path is that of a page below it; the first page is the address
// itself. chosen is the path of the page that is shown.
func tabsOf(address, chosen string, tabs ...tab) []tab {
	for i := range tabs {
		tabs[i].Chosen = tabs[i].Address == chosen
		if path := tabs[i].Address; path != "" {
			tabs[i].Address = address + "/" + url.PathEscape(path)
		} else {
			tabs[i].Address = address
		}
	}
	return tabs
}
