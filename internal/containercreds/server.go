package containercreds

import (
	"log/slog"
	"net/http"

	"github.com/rolebroker/rolebroker/internal/guard"
)

// NewServer makes an HTTP server for processes that borrow beside it: on the same
// machine or in the same cluster. It serves a [guard.Listener], which bounds its
// connections in number and time.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:        handler,
		ErrorLog:       guard.ErrorLog(log),
		ConnState:      guard.NoteState,
		MaxHeaderBytes: 64 << 10,
	}
}
