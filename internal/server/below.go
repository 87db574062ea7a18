package server

import (
	"net/http"
	"strings"
)

// below serves a handler below the path of the public URL, as in /rolebroker, for proxies that pass the path on. A
// request without the path came through a proxy that removes it, or past the proxy. Both get addresses with the path.
func below(path string, next http.Handler) http.Handler {
	if path == "" {
		return next
	}
	stripped := http.StripPrefix(path, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w = &prefixer{ResponseWriter: w, path: path}
		switch {
		case r.URL.Path == path:
			http.Redirect(w, r, "/", http.StatusPermanentRedirect) // to which prefixer adds the path
		case strings.HasPrefix(r.URL.Path, path+"/"):
			stripped.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// prefixer adds a path to the addresses in the header of an answer that lead to this server.
type prefixer struct {
	http.ResponseWriter
	path string
	done bool
}

func (p *prefixer) WriteHeader(status int) {
	p.prefix()
	p.ResponseWriter.WriteHeader(status)
}

func (p *prefixer) Write(b []byte) (int, error) {
	p.prefix()
	return p.ResponseWriter.Write(b)
}

func (p *prefixer) prefix() {
	for _, name := range []string{"Location", "Hx-Redirect"} {
		address := p.Header().Get(name)
		if !p.done && strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//") {
			p.Header().Set(name, p.path+address)
		}
	}
	p.done = true
}

// Unwrap is for [http.ResponseController].
func (p *prefixer) Unwrap() http.ResponseWriter { return p.ResponseWriter }
