package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newRunnerJoinToken(a *app) *cobra.Command {
	var (
		out     output
		expires expiry
	)
	cmd := &cobra.Command{
		Use:   "join-token RUNNER",
		Short: "Make a token with which a runner joins",
		Long: `Make a token with which a runner joins, once, and print it to stdout. It is shown
this once; only its hash is stored. One that was made before and not used is good
no more.

A runner that joins again gets a new credential, and the one that it had ends.`,
		Example: `  rolebroker runner join-token eks-production > join-token
  rolebroker runner join-token eks-production --expires-in 10m -o json`,
		Args: args("RUNNER"),
		RunE: func(cmd *cobra.Command, given []string) error {
			in, err := expires.in()
			if err != nil {
				return err
			}
			token, err := ask(cmd.Context(), a, "making the join token", func(ctx context.Context, c *client.Client) (api.JoinToken, error) {
				token, err := c.CreateJoinToken(ctx, given[0], api.JoinTokenRequest{ExpiresIn: in})
				return token, seeList(err, "rolebroker runner list")
			})
			if err != nil {
				return err
			}
			return a.showOnce(out, token, token.Token, fmt.Sprintf("Join token of runner %s, which is good once and %s. The runner reads it from the file of --join-token-file.",
				given[0], a.expires(&token.ExpiresAt)))
		},
	}
	cmd.Flags().StringVar(&expires.text, "expires-in", "", "`how long` it is good for, at most 24h (default: 1h)")
	out.flag(cmd)
	completeArgs(cmd, anyway(a.runnerNames))
	return cmd
}
