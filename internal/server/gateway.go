package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/rolebroker/rolebroker"
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
				WithHint("make a key, and give every replica the same file: " +
					"(umask 077 && openssl rand -hex 32 >gateway-key)")
		}
		return nil, nil
	}
	keys, made, err := gateway.OpenKeys(path, !cfg.Database.IsPostgres())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "--gateway-key (ROLEBROKER_GATEWAY_KEY): there is no file %s",
			path).WithHint("make a key, and give every replica the same file: (umask 077 && openssl rand -hex 32 >%s)",
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

// newGateway returns the gateway with the keys. Without keys it makes AWS tokens only.
func (s *Server) newGateway(keys *gateway.Keys, asked requests, cfg *config.Server, opts Options) *gateway.Gateway {
	getenv := opts.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	at := gateway.Configured(getenv)
	if simulator := opts.STS.Endpoint; simulator != "" && opts.Getenv == nil {
		at = func(endpoint.Service) string { return simulator }
	}
	var opener gateway.Opener // nil without keys
	if keys != nil {
		opener = keys
	}
	return gateway.New(gateway.Options{Keys: opener, Lender: s.lender, Approver: asked, Endpoint: at, Records: s.store,
		RedactResources: cfg.RedactCallResources, URLLifetime: cfg.PresignLifetime, Log: opts.Log,
		Metrics: s.metrics, Now: opts.Now})
}

// flushInterval is how long the record of a call that only reads waits.
const flushInterval = 250 * time.Millisecond

// recordCalls has the records of calls stored, and deleted once they are old.
func (s *Server) recordCalls(cfg *config.Server, opts Options) {
	s.everyQuietly(flushInterval, "recording calls", func(ctx context.Context) error {
		return s.gateway.Flush(ctx, false)
	})
	s.every(digestInterval, "covering calls by the audit trail", s.broker.DigestCalls)
	if cfg.CallRetention > 0 {
		s.every(sweepInterval, "forgetting old calls", func(ctx context.Context) error {
			_, err := s.broker.ForgetCalls(ctx, opts.Now().Add(-cfg.CallRetention))
			return err
		})
	}
}

// digestInterval is how often the server looks for an hour of calls that is over.
const digestInterval = time.Minute

// closeGateway records the calls that are not recorded yet.
func (s *Server) closeGateway(ctx context.Context) error { return s.gateway.Flush(ctx, true) }

// runnersGateway is what the server decides for the gateways of runners.
type runnersGateway struct {
	requests
	keys *gateway.Keys // nil: there are none
	now  func() time.Time
}

// Open returns what a key for a gateway says and its secret. Codes: unauthenticated, expired.
func (g runnersGateway) Open(ctx context.Context, id string, token rolebroker.Secret) (
	key rolebroker.GatewayKey, secret rolebroker.Secret, err error) {
	if g.keys == nil {
		return key, secret, rolebroker.Errorf(rolebroker.CodeDenied, "the server has no key for gateways").
			WithHint("an administrator starts it with --gateway-key")
	}
	key, plain, err := g.keys.Open(ctx, id, token.Reveal(), g.now())
	if err != nil {
		return key, secret, rolebroker.Errorf(rolebroker.CodeUnauthenticated, "%s", err)
	}
	return key, rolebroker.NewSecret(plain), nil
}
