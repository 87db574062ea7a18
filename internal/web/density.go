package web

import "net/http"

// How high the rows of lists are. People choose it once; their browser remembers it in a cookie.
const (
	rowsComfortable = "comfortable"
	rowsCompact     = "compact" // a line each

	rowsCookie    = "rolebroker-rows"
	rowsCookieAge = 365 * 24 * 60 * 60 // in seconds
)

// compact returns whether the browser asks for compact rows.
func compact(r *http.Request) bool {
	cookie, err := r.Cookie(rowsCookie)
	return err == nil && cookie.Value == rowsCompact
}

// chooseRows has the browser remember how high rows are, and leads back to the page that asked.
func (s *server) chooseRows(w http.ResponseWriter, r *http.Request, _ *visit) error {
	rows := rowsComfortable
	if formValue(r, "rows") == rowsCompact {
		rows = rowsCompact
	}
	http.SetCookie(w, &http.Cookie{
		Name: rowsCookie, Value: rows, Path: s.cookiePath(), MaxAge: rowsCookieAge,
		HttpOnly: true, Secure: s.overHTTPS(r), SameSite: http.SameSiteLaxMode,
	})
	return to(w, r, next(r))
}
