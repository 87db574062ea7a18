package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// Times are in words until a person wants them exact, on every page, and in the parts that scripts get.
func TestExactTimes(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	created := s.now.UTC().Format("2006-01-02 15:04:05 UTC")
	s.now = s.now.Add(2 * time.Minute)
	pages := []string{"/audit", path + "/activity", "/integrations"}
	texts := func(want, not string) {
		t.Helper()
		for _, page := range pages {
			body := b.get(page).Body.String()
			if !strings.Contains(body, ">"+want+"</time>") || strings.Contains(body, ">"+not+"</time>") {
				t.Errorf("%s has no %q, or has %q", page, want, not)
			}
		}
	}
	const words = "2 minutes ago"
	texts(words, created)
	b.shows("/audit", `title="`+s.now.Add(-2*time.Minute).UTC().Format("Monday, 2 January 2006, 15:04:05 UTC")+`"`,
		`name="times" value="exact"`)
	choose := func(how, from string) string {
		t.Helper()
		answer := b.do(http.MethodPost, "/times", "times="+how, map[string]string{"Referer": from})
		if answer.Code != http.StatusSeeOther {
			t.Fatalf("choosing %s answers %d", how, answer.Code)
		}
		return answer.Header().Get("Location")
	}
	if at := choose("exact", "https://example.com/audit?actor=x"); at != "/audit?actor=x" {
		t.Errorf("it leads to %s", at)
	}
	texts(created, words)
	b.shows("/audit", `name="times" value="words"`)
	part := b.do(http.MethodGet, "/audit", "", map[string]string{"HX-Target": "rows"}).Body.String()
	if !strings.Contains(part, created) || strings.Contains(part, words) {
		t.Error("the part of the page has times in words")
	}
	choose("words", "https://example.com/audit")
	texts(words, created)
	for _, from := range []string{"", "https://example.com//evil.example", "::", "https://example.com"} {
		if at := choose("exact", from); at != "/" {
			t.Errorf("from %q it leads to %s", from, at)
		}
	}
	reader := s.as(s.key("viewer", rolebroker.KeyReadOnly))
	reader.answers(reader.post("/times", "times", "exact"), http.StatusSeeOther)
}
