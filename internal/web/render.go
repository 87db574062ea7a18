package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/rolebroker/rolebroker"
)

//go:embed pages parts
var templateFiles embed.FS

// pages are the templates, each with the layout and all parts. They are parsed for
// the first page.
var pages = sync.OnceValue(func() map[string]*template.Template {
	found := map[string]*template.Template{}
	shared := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "parts/*.html"))
	entries, err := templateFiles.ReadDir("pages")
	if err != nil {
		panic(err) // the files are in this program
	}
	for _, entry := range entries {
		page := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, "pages/"+entry.Name()))
		found[strings.TrimSuffix(entry.Name(), ".html")] = page
	}
	return found
})

// functions are the functions for templates.
var functions = template.FuncMap{
	"static":   static,
	"sentence": sentence,
	"short":    rolebroker.ShortDuration,
	"plural":   plural,
	"when":     when,
	"tone":     tone,
	"word":     word,
	"headline": headline,
	"query":    query,
	"account":  accountOf,
	"list":     func(items ...any) []any { return items },
}

// render renders a whole page, and then writes it.
func (s *server) render(w http.ResponseWriter, status int, page string, data any) error {
	return s.renderPart(w, status, page, "layout", data)
}

// isolated replaces the characters in HTML that change the direction of the text around them, or that nobody sees.
func isolated(html string) string {
	if !strings.ContainsFunc(html, func(r rune) bool {
		ascii := ' ' <= r && r < utf8.RuneSelf-1 // nearly all of a page
		return !ascii && (r == utf8.RuneError || !rolebroker.IsVisible(r))
	}) {
		return html
	}
	return strings.Map(func(r rune) rune {
		if rolebroker.IsVisible(r) {
			return r
		}
		return unicode.ReplacementChar
	}, html)
}

// addresses matches the beginnings of attributes that have an address of this server. Text never looks like that,
// because its quotes are escaped.
var addresses = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`( (?:href|src|action|formaction|hx-get|hx-post|data-validate|data-sign-in)=")/([^/])`)
})

// below adds the path of the server's URL to the addresses of a page, so that no page has to.
func (s *server) below(html string) string {
	if s.Path == "" {
		return html
	}
	return addresses().ReplaceAllString(html, "${1}"+s.Path+"/${2}")
}

// renderPart renders a part of a page, and then writes it.
func (s *server) renderPart(w http.ResponseWriter, status int, page, part string, data any) error {
	var b bytes.Buffer
	if err := pages()[page].ExecuteTemplate(&b, part, data); err != nil {
		return fmt.Errorf("rendering %s: %w", page, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	html := b.String()
	if page, ok := data.(interface{ exactly() bool }); ok && page.exactly() {
		html = withExactTimes(html)
	}
	io.WriteString(w, s.below(isolated(html))) // the client may be gone
	return nil
}
