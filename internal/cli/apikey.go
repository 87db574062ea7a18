package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/auth"
)

func newAPIKey(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "api-key",
		Short: "Manage the keys of the management API",
		Long: `Manage the keys of the management API. A key with admin access may do everything,
an approver key may read and decide access requests, and a read-only key may only read.
Agents have tokens instead: rolebroker agent token.`,
		Example: `  rolebroker api-key create terraform --access admin
  rolebroker api-key list`,
	}, newAPIKeyList(a), newAPIKeyCreate(a), newAPIKeyDelete(a), newAPIKeyGenerate(a))
}

func newAPIKeyGenerate(a *app) *cobra.Command {
	var o output
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Generate the first admin API key of a server",
		Long: `Generate a random key for ROLEBROKER_ADMIN_KEY, the first admin API key of a server,
and print it to stdout. It asks no server, and no server knows the key until one is
started with it. All servers that share a database need the same key.

If the first admin key is lost, or others know it, start the server with another one:
it replaces the key at once.`,
		Example: `  export ROLEBROKER_ADMIN_KEY=$(rolebroker api-key generate)
  rolebroker server`,
		RunE: func(*cobra.Command, []string) error {
			key, _ := auth.NewAPIKey(auth.BootstrapKey)
			if o.forMachines() {
				return a.encode(o.value, struct {
					Key api.Secret `json:"key"`
				}{api.Secret(key.Reveal())})
			}
			return a.printSecret(key.Reveal())
		},
	}
	o.flag(cmd)
	return cmd
}

func newAPIKeyList(a *app) *cobra.Command {
	return listing(a, &cobra.Command{
		Use:   "list",
		Short: "List API keys",
		Long: `List the keys of the management API. The server does not store the keys themselves,
so it cannot show them.`,
		Example: `  rolebroker api-key list`,
	}, "reading API keys",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.APIKey, error] {
			return c.AllAPIKeys(ctx)
		},
		a.apiKeyTable)
}

func (a *app) apiKeyTable(_ []string, keys []api.APIKey) *table {
	t := newTable("NAME", "ACCESS", "STATUS", "OWNER", "CREATED", "EXPIRES", "USED", "ID")
	for _, k := range keys {
		owner := orDash(k.Owner)
		if ofDeleted(k.Owner, k.OwnerID) {
			owner = k.OwnerID + " (deleted)"
		}
		t.add(k.Name, k.Access, k.Status, owner, a.when(&k.CreatedAt), a.when(k.ExpiresAt), a.when(k.UsedAt), k.ID)
	}
	return t
}

func newAPIKeyCreate(a *app) *cobra.Command {
	var (
		request api.APIKeyRequest
		expires expiry
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an API key",
		Long: `Create an API key and print it to stdout. It is shown only once; the server stores
its hash.`,
		Example: `  rolebroker api-key create terraform --access admin
  rolebroker api-key create alice --access approver
  rolebroker api-key create dashboard --access read-only --expires-in 90d`,
		PreRunE: func(_ *cobra.Command, given []string) (err error) {
			request.Name = given[0]
			request.ExpiresIn, err = expires.in()
			return err
		},
	}
	cmd.Flags().StringVar(&request.Access, "access", string(rolebroker.KeyReadOnly),
		"`ACCESS` of the key: admin, approver or read-only")
	complete(cmd, "access", oneOf("admin", "approver", "read-only"))
	cmd.Flags().StringVar(&request.Owner, "owner", "",
		"API `KEY` or e-mail address of who answers for it (default: who creates it)")
	complete(cmd, "owner", a.apiKeyNames)
	expires.flag(cmd, "no expiry")
	return asking(a, cmd, "creating the API key",
		func(ctx context.Context, c *client.Client, _ []string) (api.NewAPIKey, error) {
			return c.CreateAPIKey(ctx, request)
		},
		func(o output, key api.NewAPIKey) error {
			return a.showOnce(o, key, key.Key,
				fmt.Sprintf("API key %s (%s, %s), which %s.", key.Name, key.Access, key.ID, a.expires(key.ExpiresAt)))
		})
}

func newAPIKeyDelete(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an API key",
		Long: `Delete an API key, by its name or ID. It stops working at once. The last admin key
that does not expire cannot be deleted.`,
		Example: `  rolebroker api-key delete dashboard`,
	}
	completeArgs(cmd, anyway(a.apiKeyNames))
	return deleting(a, cmd, deletion[api.APIKey]{
		kind: "API key",
		find: findAPIKey,
		confirm: func(key api.APIKey) string {
			return fmt.Sprintf("Delete the API key %s (%s)? It stops working at once.", key.Name, key.Access)
		},
		remove: func(ctx context.Context, c *client.Client, key api.APIKey) error {
			return c.DeleteAPIKey(ctx, key.ID)
		},
		done: func(key api.APIKey) { a.note("deleted API key %s", key.Name) },
	})
}

// findAPIKey finds a key by name or ID among all keys: there are few.
func findAPIKey(ctx context.Context, c *client.Client, nameOrID string) (api.APIKey, error) {
	for key, err := range c.AllAPIKeys(ctx) {
		if err != nil {
			return key, err
		}
		if key.Name == nameOrID || key.ID == nameOrID {
			return key, nil
		}
	}
	return api.APIKey{}, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no API key %q", nameOrID).
		WithHint("rolebroker api-key list")
}
