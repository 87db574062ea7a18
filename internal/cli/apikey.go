package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
)

func newAPIKey(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "api-key",
		Short: "Manage keys to the management API",
		Long: `Manage keys to the management API. An admin key opens everything, a read-only key
everything that changes nothing. Agents have tokens instead: rolebroker agent token.`,
		Example: `  rolebroker api-key create terraform --access admin
  rolebroker api-key list`,
	}, newAPIKeyList(a), newAPIKeyCreate(a), newAPIKeyDelete(a))
}

func newAPIKeyList(a *app) *cobra.Command {
	var (
		out   output
		limit limited
	)
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List API keys",
		Long:    `List the keys to the management API. The keys themselves are not stored and cannot be shown.`,
		Example: `  rolebroker api-key list`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, "reading API keys", func(ctx context.Context, c *client.Client) (items[api.APIKey], error) {
				return collect(limit, c.AllAPIKeys(ctx))
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.apiKeyTable(list.Items) })
		},
	}
	limit.flag(cmd)
	out.flag(cmd)
	return cmd
}

func (a *app) apiKeyTable(keys []api.APIKey) *table {
	t := newTable("NAME", "ACCESS", "STATUS", "CREATED", "EXPIRES", "ID")
	for _, k := range keys {
		t.add(k.Name, k.Access, k.Status, a.when(&k.CreatedAt, "-"), a.when(k.ExpiresAt, "never"), k.ID)
	}
	return t
}

func newAPIKeyCreate(a *app) *cobra.Command {
	var (
		out     output
		request api.APIKeyRequest
		expires expiry
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key",
		Long: `Make an API key and print it to stdout. It is shown this once; only its hash is
stored.`,
		Example: `  rolebroker api-key create terraform --access admin
  rolebroker api-key create dashboard --access read-only --expires-in 90d`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			request.Name = given[0]
			if request.ExpiresIn, err = expires.in(); err != nil {
				return err
			}
			key, err := ask(cmd.Context(), a, "making the API key", func(ctx context.Context, c *client.Client) (api.NewAPIKey, error) {
				return c.CreateAPIKey(ctx, request)
			})
			if err != nil {
				return err
			}
			return a.showOnce(out, key, key.Key, fmt.Sprintf("API key %s (%s, %s), which %s.",
				key.Name, key.Access, key.ID, a.expires(key.ExpiresAt)))
		},
	}
	cmd.Flags().StringVar(&request.Access, "access", string(rolebroker.AccessReadOnly), "`access`, what it opens: admin or read-only")
	complete(cmd, "access", func(string) ([]string, error) { return []string{"admin", "read-only"}, nil })
	expires.flag(cmd)
	out.flag(cmd)
	return cmd
}

func newAPIKeyDelete(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an API key",
		Long: `Delete an API key, by its name or its ID. It stops working at once. The last admin
key that never expires cannot be deleted.`,
		Example: `  rolebroker api-key delete dashboard`,
		Args:    args("NAME"),
		RunE: func(cmd *cobra.Command, given []string) error {
			key, err := ask(cmd.Context(), a, "reading API keys", func(ctx context.Context, c *client.Client) (api.APIKey, error) {
				return findAPIKey(ctx, c, given[0])
			})
			if err != nil {
				return err
			}
			if err := a.confirm(yes, "Delete the API key %s (%s)? It stops working at once.", key.Name, key.Access); err != nil {
				return err
			}
			_, err = ask(cmd.Context(), a, "deleting the API key", func(ctx context.Context, c *client.Client) (none, error) {
				return none{}, c.DeleteAPIKey(ctx, key.ID)
			})
			if err == nil {
				a.note("deleted API key %s", key.Name)
			}
			return err
		},
	}
	completeArgs(cmd, anyway(a.apiKeyNames))
	yesFlag(cmd, &yes)
	return cmd
}

// findAPIKey finds a key by name or ID. There are few.
func findAPIKey(ctx context.Context, c *client.Client, nameOrID string) (api.APIKey, error) {
	for key, err := range c.AllAPIKeys(ctx) {
		if err != nil {
			return key, err
		}
		if key.Name == nameOrID || key.ID == nameOrID {
			return key, nil
		}
	}
	return api.APIKey{}, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no API key %q", nameOrID).WithHint("rolebroker api-key list")
}

// none is the answer of what answers nothing.
type none struct{}

// showOnce prints a secret that was just made: alone on stdout, so that it can
// be captured, with the explanation beside it.
func (a *app) showOnce(o output, answer any, secret api.Secret, what string) error {
	if o.format == "json" || o.format == "yaml" {
		return a.encode(o.format, answer)
	}
	a.note("%s", what)
	a.note("It is shown this once and stored only as a hash:")
	_, err := fmt.Fprintln(a.Stdout, secret.Reveal())
	return err
}

// expiry is the flag --expires-in.
type expiry struct{ text string }

func (e *expiry) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.text, "expires-in", "", "`how long` it is good for, as in 720h or 30d (default: it does not expire)")
}

// in is the flag as the API takes it.
func (e *expiry) in() (string, error) {
	if e.text == "" {
		return "", nil
	}
	d, err := config.ParseDuration(e.text)
	if err != nil {
		return "", usage("--expires-in: %w", err)
	}
	if d < time.Second {
		return "", usage("--expires-in is %s; it is a second at least", e.text)
	}
	return config.FormatHours(d), nil
}

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do it without asking")
}

func count(n int64) string { return strconv.FormatInt(n, 10) }
