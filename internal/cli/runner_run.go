package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/clustersecret"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// runnerRun makes the command runner run a runner when it has no subcommand.
func runnerRun(a *app, cmd *cobra.Command) {
	cfg := config.DefaultRunner()
	flags := cfg.Flags()
	cmd.Long = `Run a runner, which assumes roles in your cluster with the cluster's own AWS
identity. The control plane decides which agent may borrow which role, and records
it; the credentials never leave the cluster.

First create the runner and a join token for it, where you administer the control
plane. Agents then borrow from the address that --listen sets.

You can set everything in three ways: with a flag such as --tls-cert, with an
environment variable such as ROLEBROKER_RUNNER_TLS_CERT, or with a key such as
tls_cert in the YAML file that --config names. ROLEBROKER_RUNNER_JOIN_TOKEN can
hold the join token.

On SIGINT or SIGTERM the runner finishes the requests it has begun and exits; on a
second signal it exits at once.`
	cmd.Example = `  # where you administer the control plane
  rolebroker runner create eks-production
  rolebroker runner join-token eks-production > join-token

  # in the cluster
  rolebroker runner --server https://rolebroker.example.com --join-token-file join-token`
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cfg.Load(flags, a.outside()); err != nil {
			return usageError{err}
		}
		return a.run(cmd.Context(), cfg)
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	complete(cmd, "assume", oneOf(config.AssumeAuto, config.AssumeWebIdentity, config.AssumeRole))
}

func (a *app) run(ctx context.Context, cfg *config.Runner) error {
	opts, err := a.runnerOptions(cfg)
	if err != nil {
		return forOperator(err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // after the first signal, a second one ends the process at once
	return forOperator(runner.Run(ctx, opts, cfg.ShutdownTimeout))
}

// runnerOptions makes the parts of a runner from its settings.
func (a *app) runnerOptions(cfg *config.Runner) (opts runner.Options, err error) {
	opts = runner.Options{
		JoinToken: cfg.JoinToken, JoinTokenError: cfg.JoinTokenError, Spool: cfg.Spool, Grace: cfg.Grace,
		Listen: cfg.Listen, Patience: validate.Settling, SessionsPerAgent: cfg.MaxSessionsPerAgent, Program: a.version(),
		Log: cfg.Logger(a.Stderr), GatewayListen: cfg.GatewayListen, Endpoint: gateway.Configured(os.Getenv),
	}
	if opts.Server, err = controlPlane(cfg, a.version()); err != nil {
		return opts, err
	}
	if opts.State, err = stateOf(cfg.State); err != nil {
		return opts, err
	}
	if cfg.TLSCert != "" {
		if opts.TLS, err = server.TLS(cfg.TLSCert, cfg.TLSKey); err != nil {
			return opts, err
		}
	}
	if cfg.Assume != config.AssumeRole && cfg.WebIdentityTokenFile != "" {
		opts.Token, opts.TokenFile = sts.New(sts.Options{WebIdentityTokenFile: cfg.WebIdentityTokenFile}),
			cfg.WebIdentityTokenFile
	}
	if cfg.Assume != config.AssumeWebIdentity {
		opts.Direct = sts.New(sts.Options{})
	}
	return opts, verifies(cfg, &opts)
}

// controlPlane returns how to reach the server.
func controlPlane(cfg *config.Runner, version string) (client.Options, error) {
	opts := client.Options{URL: cfg.Server, AllowInsecure: cfg.AllowInsecure, UserAgent: "rolebroker-runner/" + version}
	if cfg.CACert == "" {
		return opts, nil
	}
	text, err := os.ReadFile(cfg.CACert)
	if err != nil {
		return opts, fmt.Errorf("reading --ca-cert: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return opts, fmt.Errorf("--ca-cert %s has no certificate in it; PEM text is expected", cfg.CACert)
	}
	transport := client.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	opts.HTTPClient = &http.Client{Transport: transport}
	return opts, nil
}

// stateOf returns where the runner keeps its credential.
func stateOf(s string) (runner.State, error) {
	secret, ok := strings.CutPrefix(s, config.SecretPrefix)
	if !ok {
		return runner.Folder(s), nil
	}
	namespace, name, ok := strings.Cut(secret, "/")
	if !ok {
		namespace, name = "", secret
	}
	return clustersecret.New(clustersecret.Options{Namespace: namespace, Name: name})
}

// verifies makes the runner accept service-account tokens if it knows the issuer
// of its cluster.
func verifies(cfg *config.Runner, opts *runner.Options) error {
	if cfg.ClusterIssuer == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil
	}
	of := serviceaccount.Options{Issuer: cfg.ClusterIssuer, Audience: cfg.Audience, PodsOnly: cfg.PodsOnly,
		NoReview: !cfg.TokenReview, Log: opts.Log}
	switch keys := cfg.ClusterKeys; {
	case keys == config.Discovery:
		of.Discover = true
	case strings.Contains(keys, "://"):
		of.KeysURL = keys
	default:
		of.KeysFile = keys
	}
	verifier := serviceaccount.New(of)
	issuer, err := verifier.Issuer()
	opts.Verifier, opts.Issuer = verifier, issuer
	return err
}
