package web

import "net/http"

// How high the rows of lists are. People choose it once; their browser remembers it in a cookie.
const (
	rowsComfortable = "comfortable"
	rowsCompact     = "compact" // a line each

	rowsCookie = "rolebroker-rows"
)

// compact returns whether the browser asks for compact rows.
func compact(r *http.Request) bool { return remembers(r, rowsCookie, rowsCompact) }

// chooseRows has the browser remember how high rows are, and leads back to the page that asked.
func (s *server) chooseRows(w http.ResponseWriter, r *http.Request, _ *visit) error {
	rows := rowsComfortable
	if formValue(r, "rows") == rowsCompact {
		rows = rowsCompact
	}
	s.remember(w, r, rowsCookie, rows)
	return to(w, r, next(r))
}

// rememberedFor is how long a browser remembers how somebody wants pages, in seconds.
const rememberedFor = 365 * 24 * 60 * 60

// remember has the browser remember how somebody wants pages.
func (s *server) remember(w http.ResponseWriter, r *http.Request, cookie, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: value, Path: s.cookiePath(), MaxAge: rememberedFor,
		HttpOnly: true, Secure: s.overHTTPS(r), SameSite: http.SameSiteLaxMode,
	})
}

// remembers returns whether the browser remembers a value.
func remembers(r *http.Request, cookie, value string) bool {
	found, err := r.Cookie(cookie)
	return err == nil && found.Value == value
}
