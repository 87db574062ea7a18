package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/openid"
)

// callbackPath is where the identity provider sends browsers back to, below the public URL.
const callbackPath = "/sign-in/callback"

// newProvider returns the identity provider through which people sign in; nil if there is none. It asks it nothing: a
// provider that is down does not keep a server from starting.
func newProvider(cfg *config.Server, opts Options) (*openid.Provider, error) {
	if cfg.OIDCIssuer == "" {
		return nil, nil
	}
	client, err := providerClient(cfg.OIDCCAFile)
	if err != nil {
		return nil, fmt.Errorf("--oidc-ca-file: %w", err)
	}
	o := openid.Options{Issuer: cfg.OIDCIssuer, ClientID: cfg.OIDCClientID, CLIClientID: cfg.OIDCCLIClientID,
		Redirect: cfg.PublicURL + callbackPath, Scopes: cfg.OIDCScopes, GroupsClaim: cfg.OIDCGroupsClaim,
		HTTPClient: client, Now: opts.Now, Log: opts.Log}
	if cfg.OIDCClientSecretFile != "" {
		o.ClientSecret = cfg.ReadOIDCClientSecret
	}
	return openid.New(o), nil
}

// providerClient returns an HTTP client that trusts the authorities in a file; empty: those of the system.
func providerClient(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile == "" {
		return &http.Client{Transport: transport}, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(caFile + " has no certificate as PEM")
	}
	return &http.Client{Transport: transport}, nil
}

// How often a server asks a provider that does not answer, after its start.
const (
	checkProviderEvery = time.Minute
	checkProviderFor   = 15 * time.Second
)

// checkProvider asks the provider whether it knows this server, until it answers. What is wrong is in the log, before
// the first person signs in.
func (s *Server) checkProvider(ctx context.Context, p *openid.Provider) {
	ticker := time.NewTicker(checkProviderEvery)
	defer ticker.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, checkProviderFor)
		err := p.Check(asking)
		cancel()
		if err == nil {
			s.log.Info("people sign in through the identity provider", "issuer", p.Issuer())
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
