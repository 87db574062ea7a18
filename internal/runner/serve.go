package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/hosts"
	"github.com/rolebroker/rolebroker/internal/requestid"
)

// checkListens refuses to serve credentials, or the gateway, in clear text to other machines. Codes: invalid.
func checkListens(opts Options) error {
	err := checkListen(opts.Listen, "127.0.0.1:8485", "the credentials", opts.TLS != nil)
	if err == nil && opts.GatewayListen != "" {
		err = checkListen(opts.GatewayListen, "127.0.0.1:8483", "the requests to AWS", opts.TLS != nil)
	}
	return err
}

// checkListen refuses to serve what is carried in clear text to other machines. Codes: invalid.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
func checkListen(address, like, carried string, secure bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%q is not an address to listen on, as in %s", address, like)
	}
	if secure || rolebroker.IsCredentialsHost(host) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "anyone on the network could read %s that %s serves", carried,
		address).
		WithHint("listen on a loopback address beside the agent, on 169.254.170.23 on its node, or with --tls-cert " +
			"and --tls-key")
}

// handler is everything that a runner serves.
func (r *Runner) handler(who *identifier) http.Handler {
	credentials := containercreds.New(containercreds.Options{Lender: r.lender, Identify: who.identify,
		Requests: asking{platform{r.link, who}}, Tokens: tokens{r.lender, platform{r.link, who}}, Log: r.log,
		Now: r.opts.Now})
	relays := gateway.Relayed(r.gate)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeStatus(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", r.ready)
	if r.opts.Metrics != nil {
		mux.Handle("GET /metrics", r.opts.Metrics)
	}
	return requestid.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/v1/") { // no mux cleans a role reference
			credentials.ServeHTTP(w, req)
			return
		}
		if req.URL.Path == gateway.RelayPath {
			relays.ServeHTTP(w, req)
			return
		}
		mux.ServeHTTP(w, req)
	}))
}

// serve serves agents from now on.
func (r *Runner) serve(listener net.Listener) {
	r.http.Handler = requestid.Handler(hosts.Guard(r.names(listener.Addr()), r.http.Handler))
	r.url = r.start(r.http, listener)
}

// serveGateway serves the gateway at an address of its own from now on. It answers for every host, because the
// signature of a request covers that.
func (r *Runner) serveGateway(listener net.Listener) {
	r.gateHTTP = containercreds.NewServer(r.gate, r.log)
	r.gateHTTP.TLSConfig, r.gateHTTP.ConnContext = r.opts.TLS, guard.ConnContext
	r.gateURL = r.start(r.gateHTTP, listener)
	r.log.Info("serving the gateway", "url", r.gateURL)
}

// start has a server accept connections, and returns its URL.
func (r *Runner) start(server *http.Server, listener net.Listener) (url string) {
	url = "http://" + listener.Addr().String()
	accept := func() error { return server.Serve(listener) }
	if r.opts.TLS != nil {
		url = "https://" + listener.Addr().String()
		accept = func() error { return server.ServeTLS(listener, "", "") }
	}
	r.work.Go(func() {
		if err := accept(); !errors.Is(err, http.ErrServerClosed) {
			r.failed <- fmt.Errorf("serving: %w", err)
		}
	})
	return url
}

// listen opens a listener at the address, which flag sets.
func listen(address, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE): // whose text names the address again
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "listening on %s: address already in use", address).
			WithHint("stop the process that uses it, or choose another port with %s", flag)
	case err != nil:
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return listener, nil
}

// names returns the names that the runner has at its listener. Over plain HTTP SDKs accept it by address only.
func (r *Runner) names(listener net.Addr) hosts.Options {
	o := hosts.Options{Listener: listener}
	if host, _, err := net.SplitHostPort(r.opts.Listen); err == nil && r.opts.TLS == nil {
		o.Names = []string{host}
	}
	return o
}

// ready reports whether the runner can lend.
func (r *Runner) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case r.keysError.Load() != nil:
		writeStatus(w, http.StatusServiceUnavailable,
			"no service-account token can be verified, because the keys cannot be fetched; the runner's log has the cause")
	case r.record.streaming.Load():
		writeStatus(w, http.StatusOK, "ready")
	case r.record.Watching():
		writeStatus(w, http.StatusOK, "the server cannot be reached; authorised sessions go on")
	case r.link.is(reachable):
		writeStatus(w, http.StatusOK, "the stream of events is broken; the server is asked each time")
	case r.link.is(rejected):
		writeStatus(w, http.StatusServiceUnavailable, "the server does not know this runner any more")
	default:
		writeStatus(w, http.StatusServiceUnavailable, "the server cannot be reached")
	}
}

func writeStatus(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Status string `json:"status"`
	}{text})
}
