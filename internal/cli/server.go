package cli

import (
	"context"
	"errors"
	"io"
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
		Long: `Run the control plane: the web app, the management API and the endpoint from which
agents borrow.

You can set everything in three ways: with a flag such as --tls-cert, with an
environment variable such as ROLEBROKER_TLS_CERT, or with a key such as tls_cert in
the YAML file that --config names. A flag takes precedence over the environment,
and the environment over the file.

ROLEBROKER_ADMIN_KEY sets the first admin API key; it can be set in the environment
only, and must be random, as rolebroker api-key generate makes it. Without it the
first start creates a key and prints it once. The password of PostgreSQL can be in a
file, in ROLEBROKER_DATABASE_PASSWORD, or where libpq looks for it, as in PGPASSFILE.
The server finds its own AWS identity where every AWS SDK does.

On SIGINT or SIGTERM the server finishes the requests it has begun and exits; on a
second signal it exits at once.`,
		Example: `  # on this machine, with SQLite
  rolebroker server

  # for a team, with PostgreSQL and HTTPS
  ROLEBROKER_ADMIN_KEY=$(rolebroker api-key generate) rolebroker server --listen :8484 \
    --database postgres://rolebroker@db/rolebroker --database-password-file db-password \
    --tls-cert tls.crt --tls-key tls.key

  # behind an ingress that terminates TLS
  rolebroker server --listen :8484 --tls-terminated-by-proxy`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.Load(flags, a.outside()); err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("database") && cfg.Database.HasPassword() {
				cfg.Logger(a.Stderr).Warn("the list of processes shows the password in --database",
					"hint", "remove it there, and use --database-password-file FILE or ROLEBROKER_DATABASE_PASSWORD")
			}
			return a.serve(cmd.Context(), cfg)
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().AddFlagSet(flags)
	complete(cmd, "log-level", oneOf("debug", "info", "warn", "error"))
	complete(cmd, "log-format", oneOf("text", "json"))
	return cmd
}

func (a *app) serve(ctx context.Context, cfg *config.Server) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // after the first signal, a second one ends the process at once
	return forOperator(server.Run(ctx, cfg, server.Options{
		Log:          cfg.Logger(a.Stderr),
		Version:      a.version(),
		AdminKeyMade: a.showAdminKey,
	}))
}

// showAdminKey prints the first admin API key to stdout, which is not the log.
func (a *app) showAdminKey(key rolebroker.Secret) {
	a.note("This is the first admin API key. It is shown this once and stored only as a hash:")
	_, _ = io.WriteString(a.Stdout, "\n  export ROLEBROKER_TOKEN="+key.Reveal()+"\n\n") // an error cannot be reported
}

// forOperator adds the cause of an error, which only the operator may see.
func forOperator(err error) error {
	var e *rolebroker.Error
	if !errors.As(err, &e) || e.Cause == nil {
		return err
	}
	return &rolebroker.Error{Code: e.Code, Message: e.Message + ": " + e.Cause.Error(), Hint: e.Hint, Fields: e.Fields}
}
