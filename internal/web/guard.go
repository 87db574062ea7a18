package web

import (
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker/internal/hosts"
)

// policy is the content security policy of pages. They load and post to this server
// only, have no inline scripts or styles, and cannot be framed.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// localPolicy is policy for a page that only the machine of the browser can reach. Its sign-in form leads to another
// name below localhost; Chromium applies form-action to redirects too.
var localPolicy = strings.Replace(policy, "form-action 'self'", "form-action 'self' *.localhost:*", 1)

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
		h, local := w.Header(), hosts.IsLoopback(hosts.Name(r))
		h.Set("Content-Security-Policy", policy)
		if local {
			h.Set("Content-Security-Policy", localPolicy)
		}
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, forms would come with "Origin: null"
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		if s.Secure && !local && s.Path == "" { // it would apply to all ports of localhost, or to other services
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.Set("Cache-Control", "no-store")
		limit := int64(maxForm)
		if _, err := r.Cookie(s.cookieName(r)); err == nil && strings.HasPrefix(r.URL.Path, "/integrations/") {
			limit = maxRoleForm
		}
		bounded := r.WithContext(r.Context()) // not r: before an answer, net/http would wait for a body it does not know
		bounded.Body = http.MaxBytesReader(w, r.Body, limit)
		protected.ServeHTTP(w, bounded)
	})
}
