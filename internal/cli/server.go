package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/server"
)

func newServer(a *app) *cobra.Command {
	cfg := config.DefaultServer()
	flags := cfg.Flags()
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the control plane",
		Long: `Run the control plane: the management API and the endpoint where agents
borrow.

Every setting has three spellings: the flag --tls-cert, the environment
variable ROLEBROKER_TLS_CERT and the key tls_cert in the YAML file that --config
names. A flag wins over the environment, the environment over the file.

ROLEBROKER_ADMIN_KEY, in the environment only, is the first admin API key;
without it the first start makes one and prints it, once. The server's own AWS
identity comes from where AWS SDKs look for one.

SIGINT and SIGTERM end it when what is under way is done; a second one ends it
at once.`,
		Example: `  # on this machine, with SQLite
  rolebroker server

  # for a team, with PostgreSQL and HTTPS
  ROLEBROKER_ADMIN_KEY=$(openssl rand -hex 32) ROLEBROKER_DATABASE=postgres://rolebroker:…@db/rolebroker \
    rolebroker server --listen :8484 --tls-cert tls.crt --tls-key tls.key

  # behind an ingress that does TLS
  rolebroker server --listen :8484 --tls-terminated-by-proxy`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Load(flags, a.outside()); err != nil {
				return usageError{err}
			}
			return a.serve(cmd.Context(), cfg)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	complete(cmd, "log-level", func(string) ([]string, error) { return []string{"debug", "info", "warn", "error"}, nil })
	complete(cmd, "log-format", func(string) ([]string, error) { return []string{"text", "json"}, nil })
	return cmd
}

func (a *app) serve(ctx context.Context, cfg *config.Server) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from then on a signal ends the process at once
	return forOperator(server.Run(ctx, cfg, server.Options{
		Log:          cfg.Logger(a.Stderr),
		Version:      a.version(),
		AdminKeyMade: a.showAdminKey,
	}))
}

// showAdminKey prints the first admin API key: to stdout, which is not the log.
func (a *app) showAdminKey(key rolebroker.Secret) {
	a.note("This is the first admin API key. It is shown this once and stored only as a hash:")
	_, _ = a.Stdout.Write([]byte("\n  export ROLEBROKER_TOKEN=" + key.Reveal() + "\n\n")) // nobody to tell
}

// forOperator adds to an error its cause, which others do not get to see.
func forOperator(err error) error {
	var e *rolebroker.Error
	if !errors.As(err, &e) || e.Cause == nil {
		return err
	}
	return &rolebroker.Error{Code: e.Code, Message: e.Message + ": " + e.Cause.Error(), Hint: e.Hint, Fields: e.Fields}
}
