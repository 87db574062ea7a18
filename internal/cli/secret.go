package cli

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
)

// showOnce prints a secret that was just created: alone on stdout, so that a
// script can capture it, with an explanation on stderr.
func (a *app) showOnce(o output, answer any, secret api.Secret, explanation string) error {
	if o.forMachines() {
		return a.encode(o.value, answer)
	}
	a.note("%s", explanation)
	a.note("It is shown this once and stored only as a hash:")
	return a.printSecret(secret.Reveal())
}

// printSecret prints a secret to stdout. Only a terminal gets a newline after it: a
// file that ends with a newline is no token to AWS SDKs, Docker and Kubernetes.
func (a *app) printSecret(secret string) error {
	if isTerminal(a.Stdout) {
		secret += "\n"
	}
	_, err := io.WriteString(a.out(), secret)
	return err
}

// expiry is the flag --expires-in.
type expiry struct{ text string }

func (e *expiry) flag(cmd *cobra.Command, byDefault string) {
	cmd.Flags().StringVar(&e.text, "expires-in", "",
		"let it expire after `DURATION`, as in 720h or 30d (default: "+byDefault+")")
}

// in returns the duration as the API takes it; empty if the flag was not given.
func (e *expiry) in() (string, error) {
	if e.text == "" {
		return "", nil
	}
	d, err := config.ParseDuration(e.text)
	if err != nil {
		return "", usage("--expires-in: %w", err)
	}
	if d < time.Second {
		return "", usage("--expires-in is %s; it must be at least 1s", e.text)
	}
	return config.FormatHours(d), nil
}

// expires says when something that was just created expires.
func (a *app) expires(t *time.Time) string {
	if t == nil {
		return "never expires"
	}
	return "expires " + a.when(t)
}
