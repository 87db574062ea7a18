package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// The search finds what it can find by any part of its name or ARN, and leads to what has an ID.
func TestSearchFindsEverything(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.reader)
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	role := in.Roles[299]
	for q, want := range map[string]string{
		"produc":                  `href="/integrations/` + string(in.ID) + `"`,
		"role-299":                `href="/roles/` + string(role.ID) + `"`,
		role.ARN.String():         "of production",
		role.ARN.Account:          "of production",
		"worker-007":              "Agent worker-007",
		"team-4":                  "/integrations?search=team-4",
		"no such thing":           "Nothing found.",
		"":                        "It finds integrations, roles,",
		"\"><script>":             "Nothing found.",
		strings.Repeat("x", 9000): "Nothing found.",
	} {
		answer := b.get("/search?q=" + url.QueryEscape(q))
		if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), want) {
			t.Errorf("searching %.40q answers %d, without %q: %s", q, answer.Code, want, answer.Body)
		}
		if n := answer.Body.Len(); n > maxPage {
			t.Errorf("searching %.40q answers %d bytes", q, n)
		}
	}
	answer := b.get("/search?q=" + string(in.ID))
	if to := answer.Header().Get("Location"); to != "/integrations/"+string(in.ID) {
		t.Errorf("searching an ID leads to %q", to)
	}
	answer = b.do(http.MethodGet, "/search?q="+string(in.ID), "", map[string]string{"HX-Request": "true"})
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "production") {
		t.Errorf("typing an ID answers %d: %s", answer.Code, answer.Body)
	}
	if answer := (&browser{site: s}).get("/search?q=production"); answer.Code != http.StatusUnauthorized {
		t.Errorf("searching without signing in answers %d", answer.Code)
	}
}

// searches presses the key that leads to the search. The browser's driver also types it there, which Escape undoes.
func (p *person) searches() {
	p.Helper()
	p.keys("/")
	p.eventually("the search has the focus", "document.activeElement.id === 'find'")
	p.keys(kb.Escape)
	p.eventually("it is empty", "document.activeElement.id === 'find' && document.activeElement.value === ''")
}

// The search is at hand on every page: a key leads to it, arrows go through what it finds, and Escape ends it.
func TestSearchByKeyboard(t *testing.T) {
	p := admin(t, crowded(t))
	p.opens("/sessions")
	p.searches()
	p.keys("role-29")
	p.eventually("it finds roles", "document.querySelectorAll('#found a').length > 5")
	p.keys(kb.Escape)
	p.eventually("it forgets", "!document.querySelector('#found a') && document.querySelector('#find').value === ''")
	p.keys("worker-00")
	p.eventually("it finds agents", "document.querySelectorAll('#found a').length > 5")
	p.keys(kb.ArrowDown + kb.ArrowDown + kb.ArrowUp + kb.Enter)
	p.arrives("worker-001")

	p.turns("light", 360)
	p.opens("/agents")
	p.searches()
	p.keys("production\r")
	p.arrives("Search")
	p.sees("Integration production")
}
