package web

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rolebroker/rolebroker"
)

//go:embed pages parts
var templateFiles embed.FS

// pages returns the templates by name, each with the layout and all parts. The first request for a page parses them.
var pages = sync.OnceValue(func() map[string]*template.Template {
	found := map[string]*template.Template{}
	shared := template.Must(template.New("").Funcs(functions).ParseFS(templateFiles, "parts/*.html"))
	entries, err := templateFiles.ReadDir("pages")
	if err != nil {
		panic(err) // it is in this program
	}
	for _, entry := range entries {
		page := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, "pages/"+entry.Name()))
		found[strings.TrimSuffix(entry.Name(), ".html")] = page
	}
	return found
})

// functions are the functions that templates can call.
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

// base has the fields of every page.
type base struct {
	Title           string
	Section         string // the current entry of the navigation
	Who             rolebroker.Caller
	Counts          rolebroker.Counts
	RunnerCount     string // the number of runners, as in 99+; empty: none
	PlatformAccount string // the AWS account of the platform; empty while unknown
	PlatformName    string // of the platform's role or user
	Now             time.Time
	Done            string // a sentence about the change that led to this page; empty: none
	DoneTone        string // the colour of Done, as in tone; empty: good
}

// SignedIn reports whether the page is for a person who is signed in.
func (b base) SignedIn() bool { return b.Who.APIKey != "" }

// MayWrite reports whether the person may change things, so that pages offer no action that the broker would refuse.
func (b base) MayWrite() bool { return b.Who.MayWrite() == nil }

// doneMessages are the sentences for Done, by the query parameter done.
var doneMessages = map[string]string{
	"created":      "Created.",
	"updated":      "Updated. What was lent before works until it expires.",
	"deleted":      "Deleted. What was lent before works until it expires.",
	"connected":    "Connected.",
	"disconnected": "Disconnected. What was lent before works until it expires.",
	"default":      "The default integration is chosen.",
	"disabled":     "Disabled. Nothing more is lent; what was lent before works until it expires.",
	"enabled":      "Enabled.",
	"revoked":      "Revoked. What was lent with it before works until it expires.",
	"keydeleted":   "The API key opens nothing any more.",
	"believed":     "It is believed about the service accounts of its cluster.",
	"bound":        "Bound: every process that runs as the service account is the agent.",
	"unbound":      "Unbound. What was lent before works until it expires.",
}

// base makes the base of a page for the person who is signed in.
func (s *server) base(r *http.Request, v *visit, title, section string) base {
	b := base{Title: title, Section: section, Who: v.who, Now: s.Now(), Done: doneMessages[r.URL.Query().Get("done")]}
	var err error
	if b.Counts, err = s.Broker.Counts(r.Context(), v.who); err != nil {
		s.Log.WarnContext(r.Context(), "web app: counting", "reason", err)
	}
	if b.RunnerCount, err = s.countRunners(r.Context(), v); err != nil {
		s.Log.WarnContext(r.Context(), "web app: counting", "reason", err)
	}
	b.PlatformAccount, b.PlatformName = s.identity(r.Context(), v)
	return b
}

// countRunners returns the number of runners for the navigation; "" for none, and 99+ for more than 99.
func (s *server) countRunners(ctx context.Context, v *visit) (string, error) {
	const most = 99
	found, err := s.Broker.Runners(ctx, v.who, rolebroker.Page{Limit: most + 1})
	switch n := len(found); {
	case n == 0:
		return "", err
	case n > most:
		return strconv.Itoa(most) + "+", err
	default:
		return strconv.Itoa(n), err
	}
}

// identity returns the platform's AWS account and the name of its role or user. It does not wait for AWS longer than
// identityPatience; then both are empty.
func (s *server) identity(ctx context.Context, v *visit) (account, name string) {
	ctx, cancel := context.WithTimeout(ctx, identityPatience)
	defer cancel()
	platform, err := s.Broker.Platform(ctx, v.who)
	if err != nil || platform.Err != nil {
		return "", ""
	}
	arn, _ := platform.Principal()
	return platform.Account, arn[strings.LastIndexByte(arn, '/')+1:]
}

// identityPatience is how long a page waits for the platform's AWS identity.
const identityPatience = 300 * time.Millisecond

// render writes a page if the whole template executes without an error.
func (s *server) render(w http.ResponseWriter, status int, page string, data any) error {
	return s.renderPart(w, status, page, "layout", data)
}

// renderPart writes one template of a page.
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
	w.Write(b.Bytes()) // the client may be gone
	return nil
}

// accountOf returns the account in an ARN; "" if it is no ARN.
func accountOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 4 {
		return parts[4]
	}
	return ""
}

// sentence returns a message with a capital letter and a full stop. It leaves a first word such as an ARN as it is.
func sentence(message string) string {
	if message == "" {
		return ""
	}
	word, _, _ := strings.Cut(message, " ")
	if isARN := strings.ContainsAny(strings.TrimRight(word, ".,:"), ":/_=."); !isARN {
		first, size := utf8.DecodeRuneInString(message)
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	if !strings.ContainsAny(message[len(message)-1:], ".!?:") {
		message += "."
	}
	return message
}

// headline splits a message at its first colon: our sentence, and AWS's own words.
func headline(message string) [2]string {
	what, words, found := strings.Cut(message, ": ")
	if !found {
		return [2]string{sentence(message)}
	}
	return [2]string{sentence(what), words}
}

// plural returns a number with its noun, as in "2 roles".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// moment is a time in three forms: relative, exact and for machines.
type moment struct {
	Ago, Exact, Machine string
	Never               bool
}

// when returns the forms of a time, seen from now.
func when(t, now time.Time) moment {
	if t.IsZero() {
		return moment{Ago: "never", Never: true}
	}
	return moment{
		Ago:     rolebroker.RelativeTime(t, now),
		Exact:   t.UTC().Format("Monday, 2 January 2006, 15:04:05 UTC"),
		Machine: t.UTC().Format(time.RFC3339),
	}
}

// tone returns the colour of a state: good, warn, bad or off.
func tone(status rolebroker.ValidationStatus) string {
	switch status {
	case rolebroker.StatusAssumable:
		return "good"
	case rolebroker.StatusWarning:
		return "warn"
	case rolebroker.StatusFailed:
		return "bad"
	}
	return "off"
}

// word returns the text beside the colour.
func word(v rolebroker.Validation) string {
	switch {
	case v.Code == rolebroker.ValidExternalIDOpen && v.Status == rolebroker.StatusWarning:
		return "open"
	case v.Status == rolebroker.StatusWarning:
		return "works, warning"
	case v.Code == rolebroker.ValidClusterMode:
		return "by the cluster"
	}
	return string(v.Status)
}
