package web

import "net/http"

// Patterns are the routes of the web app.
func Patterns(h http.Handler) []string { return h.(*server).patterns }
