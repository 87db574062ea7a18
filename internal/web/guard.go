package web

import (
	"net/http"
	"strings"
)

// policy is the content security policy of pages. They load and post to this server
// only, have no inline scripts or styles, and cannot be framed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// The largest forms, in bytes. Only the form of integrations is large.
const (
	maxForm     = 64 << 10
	maxRoleForm = 2 << 20
)

// guard is the middleware of all requests. It refuses requests from other sites,
// bounds the size of forms, and sets the headers with which browsers restrict pages.
func (s *server) guard(next http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.Set("Cache-Control", "no-store")
		limit := int64(maxForm)
		if _, err := r.Cookie(s.cookieName()); err == nil && strings.HasPrefix(r.URL.Path, "/integrations/") {
			limit = maxRoleForm
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		protected.ServeHTTP(w, r)
	})
}
