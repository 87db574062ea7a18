package containercreds

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer makes an HTTP server for processes that borrow beside it: on the same
// machine or in the same cluster. It bounds the time and the headers of a request,
// and logs broken connections at debug level. A request has a minute, within which
// lending answers.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}
