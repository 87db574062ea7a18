package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

var (
	rowLink = regexp.MustCompile(`<th scope="row"><a (?:id="[^"]*" )?` +
		`href="/(?:integrations|agents|runners)/[^"]*">([^<]*)</a>`)
	nextLink = regexp.MustCompile(`<a href="([^"]*)">Next page</a>`)
)

// rowsOf are the names in a list, of all its pages.
func (b *browser) rowsOf(address string) (names []string) {
	b.Helper()
	for address != "" {
		answer := b.get(address)
		if answer.Code != http.StatusOK {
			b.Fatalf("GET %s: %d", address, answer.Code)
		}
		body := answer.Body.String()
		for _, row := range rowLink.FindAllStringSubmatch(body, -1) {
			names = append(names, row[1])
		}
		address = ""
		if next := nextLink.FindStringSubmatch(body); next != nil {
			address = html.UnescapeString(next[1])
		}
	}
	return names
}

// Lists are sorted and narrowed by their addresses, over all their pages.
func TestListsAreSortedAndNarrowed(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.admin)
	for _, list := range []struct {
		path  string
		sorts []string
		none  string // narrows it to nothing
	}{
		{"/integrations", []string{"agents", "state"}, "mode=cluster"},
		{"/agents", []string{"integrations", "state", "created"}, "state=cut-off"},
	} {
		byName := b.rowsOf(list.path)
		if len(byName) < 200 || !slices.IsSorted(byName) {
			t.Fatalf("%s: %d rows, sorted: %t", list.path, len(byName), slices.IsSorted(byName))
		}
		turned := b.rowsOf(list.path + "?sort=-")
		slices.Reverse(turned)
		if !slices.Equal(turned, byName) {
			t.Errorf("%s?sort=- is not the list turned round", list.path)
		}
		for _, sort := range list.sorts {
			for _, key := range []string{sort, "-" + sort} {
				rows := b.rowsOf(list.path + "?sort=" + key)
				slices.Sort(rows)
				if !slices.Equal(rows, byName) {
					t.Errorf("%s?sort=%s has %d rows, not the %d of the list", list.path, key, len(rows), len(byName))
				}
			}
		}
		if rows := b.rowsOf(list.path + "?sort=nonsense"); !slices.Equal(rows, byName) {
			t.Errorf("%s?sort=nonsense has %d rows", list.path, len(rows))
		}
		if rows := b.rowsOf(list.path + "?" + list.none); rows != nil {
			t.Errorf("%s?%s has %q", list.path, list.none, rows)
		}
		b.shows(list.path+"?"+list.none, "is what you chose.", "Show all")
	}
	spec := broker.AgentSpec{Name: "second", Connections: broker.ConnectTo("production")}
	if _, err := s.broker.CreateAgent(t.Context(), root, spec); err != nil {
		t.Fatal(err)
	}
	most := b.rowsOf("/integrations?sort=-agents")
	least := b.rowsOf("/integrations?sort=agents")
	if most[0] != "production" || least[len(least)-1] != "production" {
		t.Errorf("most agents: %s; least agents end with: %s", most[0], least[len(least)-1])
	}
	if rows := b.rowsOf("/integrations?search=role-299"); !slices.Equal(rows, []string{"production"}) {
		t.Errorf("integrations that have role-299: %q", rows)
	}
}

// Runners are sorted by when they were seen last, too.
func TestRunnersAreSorted(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	for _, name := range []string{"b", "c", "a"} {
		r := b.runner(name, "")
		if name != "a" {
			s.seen(r, rolebroker.RunnerReport{})
		}
		s.now = s.now.Add(time.Minute)
	}
	for sort, want := range map[string]string{
		"": "a b c", "-": "c b a", "-seen": "c b a", "seen": "a b c", "-created": "a c b", "created": "b c a", "x": "a b c",
	} {
		if got := strings.Join(b.rowsOf("/runners?sort="+url.QueryEscape(sort)), " "); got != want {
			t.Errorf("sorted by %q they are %s, not %s", sort, got, want)
		}
	}
	for state, want := range map[string]string{"connected": "", "away": "b c", "waiting": "a", "": "a b c"} {
		if got := strings.Join(b.rowsOf("/runners?state="+state), " "); got != want {
			t.Errorf("in the state %q they are %q, not %q", state, got, want)
		}
	}
	s.now = s.now.Add(-3 * time.Minute)
	if got := strings.Join(b.rowsOf("/runners?state=connected"), " "); got != "b c" {
		t.Errorf("connected were %q", got)
	}
	s.now = s.now.Add(3 * time.Minute)
	b.shows("/runners?state=connected", "No runner is what you chose.", "New Runner")
	b.shows("/runners?sort=-seen", `aria-sort="descending"`, `<option value="-seen" selected>Last seen: newest</option>`)
	b.shows("/runners?search=nothing", "Nothing matches")
	b.post("/rows", "rows", "compact")
	b.shows("/runners?sort=-", `<div id="rows" class="compact"`, `<form id="density"`, "sort=-")
}

// On a phone, where the heads of columns are not in view, people choose the order of a list.
func TestThePhoneChoosesTheOrder(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	shown := func(width int64) bool {
		p.turns("light", width)
		return find[bool](p, "the choice", "document.querySelector('select.order').offsetWidth > 0")
	}
	first := func(path, name string) {
		t.Helper()
		p.eventually(name+" is the first", "document.querySelector('tbody th a').textContent === "+quoted(name))
	}
	for path, names := range map[string][2]string{"/agents": {"cashier", "scout"},
		"/integrations": {"data-lake", "staging"}, "/runners": {"eks-production", "eks-staging"}} {
		p.opens(path)
		if shown(1280) || !shown(360) {
			t.Errorf("%s: the order is to choose where the heads are in view, or not where they are not", path)
		}
		first(path, names[0])
		p.chooses("Order", "Name: Z to A")
		first(path, names[1])
		p.eventually("the address has the order", "new URLSearchParams(location.search).get('sort') === '-'")
	}
}

// The heads of columns lead to the list sorted by them, and keep what it is narrowed to.
func TestHeadsOfColumnsSort(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	body := b.get("/integrations?sort=-agents&mode=platform&search=prod").Body.String()
	if !strings.Contains(body, `aria-sort="descending" class="number"`) || strings.Count(body, "aria-sort=") != 1 {
		t.Error("the head of Agents does not say that it sorts the list")
	}
	for _, want := range []string{"agents", "state"} {
		address := "/integrations?" + url.Values{"mode": {"platform"}, "search": {"prod"}, "sort": {want}}.Encode()
		if !strings.Contains(body, `href="`+html.EscapeString(address)+`"`) {
			t.Errorf("no head leads to %s", address)
		}
	}
	if !strings.Contains(body, `<option value="platform" selected>Platform</option>`) {
		t.Error("the mode is not chosen")
	}
}
