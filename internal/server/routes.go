package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/openid"
	"github.com/rolebroker/rolebroker/internal/rest"
	"github.com/rolebroker/rolebroker/internal/runnerapi"
	"github.com/rolebroker/rolebroker/internal/web"
)

// readyTimeout is how long a readiness probe waits for the database.
const readyTimeout = 2 * time.Second

// routes returns the handler of all requests. It does not use a mux for /v1/ and the
// API, because a mux cleans paths, and role references and names must arrive as they
// were sent.
func (s *Server) routes(
	who *auth.Authenticator, asked requests, keys *gateway.Keys, provider *openid.Provider, cfg *config.Server,
	opts Options,
) http.Handler {
	credentials := containercreds.New(containercreds.Options{Lender: s.lender, Identify: who.At("credentials").Agent,
		Requests: asked, Calls: calls{s.broker}, Tokens: tokens{s.gateway}, Log: opts.Log, Now: opts.Now})
	operations := rest.Options{Broker: s.broker, Auth: who.At("api"), Log: opts.Log, Version: opts.Version,
		Now:     opts.Now,
		Closing: asked.closing, URL: cfg.PublicURL}
	pages := web.Options{Broker: s.broker, Auth: who.At("web"), Log: opts.Log,
		Version: opts.Version, Now: opts.Now,
		Secure: cfg.TLSCert != "" || cfg.TLSTerminatedByProxy, URL: cfg.PublicURL, Path: cfg.PublicPath()}
	if provider != nil {
		operations.Provider, pages.Provider, pages.Callback = provider, provider, provider.Redirect
	}
	management, app := rest.New(operations), web.New(pages)

	runners := runnerapi.New(runnerapi.Options{Broker: s.broker, Auth: who.At("runners"), Requests: asked,
		Gateway:   runnersGateway{asked, keys, opts.Now},
		Log:       opts.Log,
		Heartbeat: api.Heartbeat, Closing: asked.closing})

	relays := gateway.Relayed(s.gateway)

	probes := http.NewServeMux()
	probes.HandleFunc("GET /healthz", s.health)
	probes.HandleFunc("GET /readyz", s.ready)
	measured := cfg.MetricsListen == "" // else the metrics have a listener of their own
	probes.Handle("GET /metrics", s.metrics)

	doors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, "/v1/"):
			credentials.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/runner/v1/"):
			runners.ServeHTTP(w, r)
		case path == gateway.RelayPath && s.gateway.Keys != nil:
			relays.ServeHTTP(w, r)
		case path == "/healthz" || path == "/readyz" || measured && path == "/metrics":
			probes.ServeHTTP(w, r)
		case path == "/openapi.json" || path == "/api" || strings.HasPrefix(path, "/api/"):
			management.ServeHTTP(w, r)
		default:
			app.ServeHTTP(w, r)
		}
	})
	all := recovering(opts.Log, logging(opts.Log, below(cfg.PublicPath(), doors)))
	if cfg.TLSTerminatedByProxy {
		return behindProxy(all)
	}
	return all
}

// logging logs each request if the level is debug. It shows a part of a path only if
// that can be a name, because a client may send a token in the wrong place.
func logging(log *slog.Logger, next http.Handler) http.Handler {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, noted := time.Now(), &statusNoter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(noted, r)
		segments := strings.Split(r.URL.Path, "/")
		for i, segment := range segments {
			segments[i] = rolebroker.ShowReference(segment)
		}
		log.DebugContext(r.Context(), "answered", "method", r.Method, "path", strings.Join(segments, "/"),
			"status", noted.status, "took", time.Since(start), "from", r.RemoteAddr)
	})
}

// statusNoter records the status of an answer.
type statusNoter struct {
	http.ResponseWriter
	status int
}

func (n *statusNoter) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (n *statusNoter) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// health answers that the process is alive.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) { state(w, http.StatusOK, "ok") }

// ready answers whether the server can serve requests: whether its database answers
// and it receives the changes of other servers.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	switch {
	case s.store.Ready(ctx) != nil:
		state(w, http.StatusServiceUnavailable, "the database cannot be used")
	case !s.store.Watching():
		state(w, http.StatusServiceUnavailable, "changes made by other servers are not heard of")
	default:
		state(w, http.StatusOK, "ready")
	}
}

func state(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // an error means that the client is gone
		Status string `json:"status"`
	}{text})
}

// recovering turns a panic into an error of the one request that caused it.
func recovering(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			caught := recover()
			if caught == nil {
				return
			}
			if caught == http.ErrAbortHandler {
				panic(caught)
			}
			log.ErrorContext(r.Context(), "a request caused a panic", "method", r.Method, "panic", caught, "stack", string(debug.Stack()))
			state(w, http.StatusInternalServerError, "something went wrong on our side; the server's log has the cause")
		}()
		next.ServeHTTP(w, r)
	})
}
