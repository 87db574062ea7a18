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
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/server"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// runnerRun has the command runner, without another word, run one.
func runnerRun(a *app, cmd *cobra.Command) {
	cfg := config.DefaultRunner()
	flags := cfg.Flags()
	cmd.Long = `Run the part that assumes roles in your cluster, with the cluster's own AWS
identity. The control plane decides who may borrow what and records it, and
never holds a credential.

Make a runner where you administer the control plane, with a token with which
it joins, once. Agents then borrow from the address of --listen.

Every setting has three spellings: the flag --tls-cert, the environment
variable ROLEBROKER_RUNNER_TLS_CERT and the key tls_cert in the YAML file that
--config names. The join token can be in ROLEBROKER_RUNNER_JOIN_TOKEN.

SIGINT and SIGTERM end it when what is under way is done; a second one ends it
at once.`
	cmd.Example = `  # where you administer the control plane
  rolebroker runner create eks-production
  rolebroker runner join-token eks-production > join-token

  # in the cluster
  rolebroker runner --server https://rolebroker.example.com --join-token-file join-token`
	cmd.Args = args()
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cfg.Load(flags, a.outside()); err != nil {
			return usageError{err}
		}
		return a.run(cmd.Context(), cfg)
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	complete(cmd, "assume", func(string) ([]string, error) {
		return []string{config.AssumeAuto, config.AssumeWebIdentity, config.AssumeRole}, nil
	})
}

func (a *app) run(ctx context.Context, cfg *config.Runner) error {
	opts, err := a.runnerOptions(cfg)
	if err != nil {
		return forOperator(err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal ends the process at once
	return forOperator(runner.Run(ctx, opts, cfg.ShutdownTimeout))
}

// runnerOptions are the parts that the settings ask for.
func (a *app) runnerOptions(cfg *config.Runner) (opts runner.Options, err error) {
	opts = runner.Options{
		JoinToken: cfg.JoinToken, Spool: cfg.Spool, Grace: cfg.Grace, Listen: cfg.Listen,
		Patience: validate.DefaultPatience, SessionsPerAgent: cfg.MaxSessionsPerAgent, Program: a.version(), Log: cfg.Logger(a.Stderr),
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
		opts.Token, opts.TokenFile = sts.New(sts.Options{WebIdentityTokenFile: cfg.WebIdentityTokenFile}), cfg.WebIdentityTokenFile
	}
	if cfg.Assume != config.AssumeWebIdentity {
		opts.Direct = sts.New(sts.Options{})
	}
	return opts, verifies(cfg, &opts)
}

// controlPlane is how the server is reached.
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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	opts.HTTPClient = &http.Client{Transport: transport}
	return opts, nil
}

// stateOf is where the credential is kept.
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

// verifies has service-account tokens taken, where it is known of which cluster
// they are.
func verifies(cfg *config.Runner, opts *runner.Options) error {
	if cfg.ClusterIssuer == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil
	}
	of := serviceaccount.Options{Issuer: cfg.ClusterIssuer, Audience: cfg.Audience}
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
