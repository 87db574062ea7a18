package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/hosts"
	"github.com/rolebroker/rolebroker/internal/requestid"
)

// mostScrapes is how many connections the listener of the metrics may have.
const mostScrapes = 64

// door is an address of the server and what it serves there, with its certificate if it has one.
type door struct {
	url      string
	http     *http.Server
	listener net.Listener
}

// listen opens a listener at the address, which flag sets.
func listen(address, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE): // whose text names the address again
		return nil, (&rolebroker.Error{Code: rolebroker.CodeUnavailable, Message: "listening on " + address,
			Cause: syscall.EADDRINUSE}).
			WithHint("stop the process that uses it, or choose another port with %s", flag)
	case err != nil:
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return listener, nil
}

// closeIfAny closes a listener that may be nil.
func closeIfAny(listener net.Listener) error {
	if listener == nil {
		return nil
	}
	return listener.Close()
}

// newDoor makes a door for requests that name the server.
func newDoor(listener net.Listener, limits guard.Options, handler http.Handler, certificate *certificate,
	cfg *config.Server) *door {
	names := hosts.Options{Listener: listener.Addr(), Names: cfg.Names(), Proxied: cfg.TLSTerminatedByProxy}
	d := &door{url: "http://" + listener.Addr().String(), listener: guard.Listen(listener, limits), http: &http.Server{
		ErrorLog:       guard.ErrorLog(limits.Log),
		ConnState:      guard.NoteState, // in place of timeouts
		ConnContext:    guard.ConnContext,
		MaxHeaderBytes: 64 << 10,
	}}
	if certificate != nil {
		names.Certificate = certificate.leaf
		d.url = "https://" + listener.Addr().String()
		d.http.TLSConfig = certificate.tls()
	}
	d.http.Handler = requestid.Handler(hosts.Guard(names, handler))
	return d
}

// newGate makes a door for the gateway. It answers for every host, because the signature of a request covers that.
func newGate(listener net.Listener, limits guard.Options, handler http.Handler, certificate *certificate) *door {
	d := &door{url: "http://" + listener.Addr().String(), listener: guard.Listen(listener, limits), http: &http.Server{
		Handler: requestid.Handler(handler), ErrorLog: guard.ErrorLog(limits.Log), ConnState: guard.NoteState,
		ConnContext: guard.ConnContext, MaxHeaderBytes: 64 << 10,
	}}
	if certificate != nil {
		d.url = "https://" + listener.Addr().String()
		d.http.TLSConfig = certificate.tls()
	}
	return d
}

// serve answers requests until the door closes. It returns nil if it was closed on purpose.
func (d *door) serve() error {
	var err error
	if d.http.TLSConfig != nil {
		err = d.http.ServeTLS(d.listener, "", "")
	} else {
		err = d.http.Serve(d.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving: %w", err)
}

// metricsOnly serves the metrics and nothing else.
func metricsOnly(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	return mux
}
