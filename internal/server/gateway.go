package server

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// openGatewayKeys returns the keys of the gateway; nil if there is none. As with the audit key, only a server with a
// SQLite database makes a key.
func openGatewayKeys(cfg *config.Server, log *slog.Logger) (*gateway.Keys, error) {
	path := cfg.GatewayKeyFile()
	if path == "" {
		if cfg.GatewayListen != "" {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid,
				"--gateway-listen (ROLEBROKER_GATEWAY_LISTEN) needs --gateway-key with PostgreSQL").
				WithHint("make a key, and give every replica the same file: openssl rand -hex 32 >gateway-key")
		}
		return nil, nil
	}
	keys, made, err := gateway.OpenKeys(path, !cfg.Database.IsPostgres())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "--gateway-key (ROLEBROKER_GATEWAY_KEY): there is no file %s",
			path).WithHint("make a key, and give every replica the same file: openssl rand -hex 32 >%s",
			rolebroker.ShellQuote(path))
	case err != nil:
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "--gateway-key (ROLEBROKER_GATEWAY_KEY): %s", err)
	case made:
		log.Info("made the key of the gateway", "file", path)
	}
	return keys, nil
}

// makerOf returns the keys as an interface that is nil without them.
func makerOf(keys *gateway.Keys) lend.Gateway {
	if keys == nil {
		return nil
	}
	return keys
}

// newGateway returns the gateway with the keys; nil without them.
func (s *Server) newGateway(keys *gateway.Keys, opts Options) http.Handler {
	if keys == nil {
		return nil
	}
	at := gateway.Configured(os.Getenv)
	if opts.STS.Endpoint != "" { // a simulator
		at = func(endpoint.Service) string { return opts.STS.Endpoint }
	}
	return gateway.New(gateway.Options{Keys: keys, Lender: s.lender, Endpoint: at, Log: opts.Log, Now: opts.Now})
}

// relayed restores a request that the room of an exec relays: the request line and the host are in headers, because the
// signature covers them and what is between the room and here may change them.
func relayed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := url.ParseRequestURI(r.Header.Get(api.GatewayTarget))
		if err != nil || target.Host != "" {
			http.Error(w, "this path is for rolebroker exec only", http.StatusBadRequest)
			return
		}
		original := *r
		original.URL, original.RequestURI = target, r.Header.Get(api.GatewayTarget)
		original.Host = r.Header.Get(api.GatewayHost)
		original.Header = r.Header.Clone()
		original.Header.Del(api.GatewayTarget)
		original.Header.Del(api.GatewayHost)
		next.ServeHTTP(w, &original)
	})
}
