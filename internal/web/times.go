package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// How pages say times. People choose it once; their browser remembers it in a cookie.
const (
	timesInWords = "words" // relative to now
	timesExact   = "exact"

	timesCookie = "rolebroker-times"
)

// exact returns whether the browser asks for exact times.
func exact(r *http.Request) bool { return remembers(r, timesCookie, timesExact) }

// chooseTimes has the browser remember how somebody wants times, and leads back to the page that asked.
func (s *server) chooseTimes(w http.ResponseWriter, r *http.Request, _ *visit) error {
	times := timesInWords
	if formValue(r, "times") == timesExact {
		times = timesExact
	}
	s.remember(w, r, timesCookie, times)
	return to(w, r, s.cameFrom(r))
}

// cameFrom is the path of the page with the form of the request, as it is in the address bar, even if a script changed
// it there.
func (s *server) cameFrom(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil {
		return "/"
	}
	return ofThisSite(strings.TrimPrefix(u.RequestURI(), s.Path))
}

// timeElements match the elements of times. Text never looks like that, because its quotes are escaped.
var timeElements = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(<time datetime="([^"]+)"[^>]*>)[^<]*(</time>)`)
})

// withExactTimes replaces the words of all times by the times themselves.
func withExactTimes(html string) string {
	return timeElements().ReplaceAllStringFunc(html, func(element string) string {
		part := timeElements().FindStringSubmatch(element)
		at, err := time.Parse(time.RFC3339, part[2])
		if err != nil {
			return element
		}
		return part[1] + at.UTC().Format("2006-01-02 15:04:05 UTC") + part[3]
	})
}
