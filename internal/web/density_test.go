package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// People choose once how high the rows of lists are, on any list, and come back to the page where they were.
func TestHowHighRowsAre(t *testing.T) {
	s := crowdedSite(t)
	b := s.as(s.reader)
	here := "/integrations?" + url.Values{"mode": {"platform"}, "search": {"team"}, "sort": {"-"}}.Encode()
	for _, at := range []struct {
		rows, class, pressed string
		size                 int
	}{
		{"", `<div id="rows">`, ">Comfortable<", 50},
		{"compact", `<div id="rows" class="compact">`, ">Compact<", 100},
		{"comfortable", `<div id="rows">`, ">Comfortable<", 50},
		{"compact", `<div id="rows" class="compact">`, ">Compact<", 100},
		{"nonsense", `<div id="rows">`, ">Comfortable<", 50},
	} {
		if at.rows != "" {
			answer := b.post("/rows", "rows", at.rows, "next", here)
			if got := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || got != here {
				t.Errorf("%s: %d, leads to %q, want %q", at.rows, answer.Code, got, here)
			}
		}
		for path, all := range map[string]int{here: crowdedIntegrations, "/agents": crowdedAgents} {
			body := b.get(path).Body.String()
			if n := len(rowLink.FindAllString(body, -1)); n != at.size || !strings.Contains(body, at.class) ||
				!strings.Contains(body, `aria-pressed="true"`+at.pressed) {
				t.Errorf("%q: %s has %d rows, want %d; its class is %s: %t", at.rows, path, n, at.size, at.class,
					strings.Contains(body, at.class))
			}
			if rows := b.rowsOf(path); len(rows) != all {
				t.Errorf("%q: %s has %d rows on all pages, want %d", at.rows, path, len(rows), all)
			}
		}
	}
}

// The browser remembers it for a year, and sends it to this server only.
func TestTheCookieOfRows(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newSite(t, secure)
		b := &browser{site: s}
		at := "http://" + map[bool]string{true: "rolebroker.example.com", false: s.ownName(s.admin)}[secure]
		b.post(at+"/sign-in", "key", s.admin)
		cookies := b.post(at+"/rows", "rows", "compact", "next", "//evil.example").Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("there are %d cookies", len(cookies))
		}
		if c := cookies[0]; !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" ||
			c.Domain != "" || c.MaxAge < 300*24*60*60 || c.Value != "compact" {
			t.Errorf("the cookie is %+v", c)
		}
		b.shows(at+"/calls", `<div id="rows" class="compact">`)
		b.shows(at+"/settings", `aria-pressed="true">Compact<`)
		partly := b.do(http.MethodGet, at+"/sessions", "", map[string]string{"HX-Target": "rows"}).Body.String()
		if !strings.HasPrefix(partly, `<div id="rows" class="compact"`) {
			t.Errorf("the rows of sessions begin with %.60s", partly)
		}
		forged := b.do(http.MethodPost, at+"/rows", "rows=comfortable", map[string]string{"Sec-Fetch-Site": "cross-site"})
		if forged.Code != http.StatusForbidden || len(forged.Result().Cookies()) != 0 {
			t.Errorf("another site gets %d", forged.Code)
		}
	}
}

// A compact row is a line, and nothing is lost at the right: neither wide nor narrow, light nor dark.
func TestCompactLists(t *testing.T) {
	t.Parallel()
	p := admin(t, furnished(t))
	p.opens("/integrations?search=a")
	p.presses("Compact")
	p.eventually("the rows are compact", "location.search.includes('search=a') && !!document.querySelector('.compact tr')")
	for _, list := range []string{"/integrations", "/agents", "/sessions?paused=on", "/calls", "/settings"} {
		p.opens(list)
		for _, row := range find[[]float64](p, "the rows", "[...document.querySelectorAll('.compact tbody tr')].map("+
			"(e) => e.getBoundingClientRect().height)") {
			if row < 30 || row > 33 {
				t.Errorf("%s has a row %.1f pixels high", list, row)
			}
		}
		if beyond := find[[]string](p, "what is cut off", "[...document.querySelectorAll('.compact :is(th, td)')].filter("+
			"(e) => e.getBoundingClientRect().right > document.querySelector('main .card').getBoundingClientRect().right + 1"+
			").map((e) => e.textContent)"); len(beyond) > 0 {
			t.Errorf("%s: beyond the right edge are %q", list, beyond)
		}
		p.isAccessible("compact " + list)
	}
	p.complains()
}
