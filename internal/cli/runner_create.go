package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

const issuerUsage = "issuer `URL` of its cluster, whose pods it may identify"

func newRunnerCreate(a *app) *cobra.Command {
	var request api.RunnerRequest
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a runner",
		Long: `Create a runner for one cluster. Next, create the token with which it joins:
rolebroker runner join-token NAME. Then set it as the runner of the integrations
whose roles it should assume.

With --issuer, pods present the token of their service account instead of an agent
token. The runner verifies it, and the server trusts the runner to do so for
service accounts of that issuer. Each runner needs an issuer of its own.`,
		Example: `  rolebroker runner create eks-production
  rolebroker runner join-token eks-production
  rolebroker integration update production --assumption-mode cluster --runner eks-production`,
		PreRunE: func(_ *cobra.Command, given []string) error { request.Name = given[0]; return nil },
	}
	cmd.Flags().StringVar(&request.Description, "description", "", "describe its cluster in `TEXT`")
	cmd.Flags().StringVar(&request.Issuer, "issuer", "", issuerUsage)
	return asking(a, cmd, "creating the runner",
		func(ctx context.Context, c *client.Client, _ []string) (api.Runner, error) {
			return c.CreateRunner(ctx, request)
		},
		func(o output, r api.Runner) error {
			if err := a.showRunner(o, r); err != nil {
				return err
			}
			a.note("It needs a token to join: rolebroker runner join-token %s", r.Name)
			return nil
		})
}

func newRunnerUpdate(a *app) *cobra.Command {
	var given api.RunnerRequest
	cmd := &cobra.Command{
		Use:   "update RUNNER",
		Short: "Change a runner",
		Long: `Change the given settings of a runner and leave the others as they are. The runner
does not have to join again. If someone else changes it at the same time, the
command fails and changes nothing.

If you remove the issuer, pods can no longer borrow through this runner with the
tokens of their service accounts.`,
		Example: `  rolebroker runner update eks-production --issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE
  rolebroker runner update eks-production --name eks-eu`,
		PreRunE: func(cmd *cobra.Command, _ []string) error { return somethingToChange(cmd) },
	}
	cmd.Flags().StringVar(&given.Name, "name", "", "rename it to `NAME`")
	cmd.Flags().StringVar(&given.Description, "description", "", "describe its cluster in `TEXT`")
	cmd.Flags().StringVar(&given.Issuer, "issuer", "", issuerUsage+"; empty for none")
	return asking(a, cmd, "changing the runner",
		func(ctx context.Context, c *client.Client, args []string) (api.Runner, error) {
			r, err := runnerOf(ctx, c, args[0])
			if err != nil {
				return r, err
			}
			request := convert.RunnerRequest(r)
			changed := cmd.Flags().Changed
			set(&request.Name, given.Name, changed("name"))
			set(&request.Description, given.Description, changed("description"))
			set(&request.Issuer, given.Issuer, changed("issuer"))
			return c.UpdateRunner(ctx, r.ID, request, r.ETag())
		}, a.showRunner)
}

func newRunnerDelete(a *app) *cobra.Command {
	return deleting(a, &cobra.Command{
		Use:   "delete RUNNER",
		Short: "Delete a runner",
		Long: `Delete a runner, by its name or ID, and end its credential. This fails while an
integration uses it. Credentials that were lent before keep working until they
expire.`,
		Example: `  rolebroker runner delete eks-production
  rolebroker runner delete eks-production --yes`,
	}, deletion[api.Runner]{
		kind: "runner",
		find: runnerOf,
		confirm: func(r api.Runner) string {
			return "Delete runner " + r.Name + " and end its credential? " + lentAlready
		},
		remove: func(ctx context.Context, c *client.Client, r api.Runner) error {
			return c.DeleteRunner(ctx, r.ID, r.ETag()) // its own reports do not change the ETag
		},
		done: func(r api.Runner) { a.note("deleted runner %s", r.Name) },
	})
}

func newRunnerJoinToken(a *app) *cobra.Command {
	var (
		request api.JoinTokenRequest
		expires expiry
		runner  string
	)
	cmd := &cobra.Command{
		Use:   "join-token RUNNER",
		Short: "Create a token with which a runner joins",
		Long: `Create a token with which a runner joins, and print it to stdout. It can be used
once and is shown only once; the server stores its hash. An earlier join token that
was not used stops working.

A runner that joins again gets a new credential, and its old credential ends.`,
		Example: `  rolebroker runner join-token eks-production > join-token
  rolebroker runner join-token eks-production --expires-in 10m -o json`,
		PreRunE: func(_ *cobra.Command, given []string) (err error) {
			runner = given[0]
			request.ExpiresIn, err = expires.in()
			return err
		},
	}
	expires.flag(cmd, "1h; at most 24h")
	return asking(a, cmd, "creating the join token",
		func(ctx context.Context, c *client.Client, _ []string) (api.JoinToken, error) {
			token, err := c.CreateJoinToken(ctx, runner, request)
			return token, seeList(err, listRunners)
		},
		func(o output, token api.JoinToken) error {
			return a.showOnce(o, token, token.Token, fmt.Sprintf(
				"Join token of runner %s, which can be used once and %s. The runner reads it from --join-token-file.",
				runner, a.expires(&token.ExpiresAt)))
		})
}
