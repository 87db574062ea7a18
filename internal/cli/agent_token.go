package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentToken(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke an agent's tokens",
		Long: `Make, list and revoke an agent's tokens. A token is how an agent's processes show
who they are; an agent may have several, so that one can be replaced while
another is in use.`,
		Example: `  rolebroker agent token create scout --label laptop
  rolebroker agent token list scout`,
	}, newAgentTokenCreate(a), newAgentTokenList(a), newAgentTokenRevoke(a))
}

func newAgentTokenCreate(a *app) *cobra.Command {
	var (
		out     output
		request api.TokenRequest
		expires expiry
	)
	cmd := &cobra.Command{
		Use:   "create AGENT",
		Short: "Make a token for an agent",
		Long: `Make a token for an agent and print it to stdout. It is shown this once; only its
hash is stored.`,
		Example: `  rolebroker agent token create scout --label laptop --expires-in 30d

  export ROLEBROKER_TOKEN=$(rolebroker agent token create scout)
  rolebroker exec -- aws sts get-caller-identity`,
		Args: args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) (err error) {
			if request.ExpiresIn, err = expires.in(); err != nil {
				return err
			}
			token, err := ask(cmd.Context(), a, "making the token", func(ctx context.Context, c *client.Client) (api.NewToken, error) {
				token, err := c.CreateToken(ctx, given[0], request)
				return token, seeList(err, "rolebroker agent list")
			})
			if err != nil {
				return err
			}
			return a.showOnce(out, token, token.Token, fmt.Sprintf("Token %s of agent %s, which %s. Its processes find it in ROLEBROKER_TOKEN.",
				token.ID, given[0], a.expires(token.ExpiresAt)))
		},
	}
	cmd.Flags().StringVar(&request.Label, "label", "", "`text` to know it by later")
	expires.flag(cmd)
	out.flag(cmd)
	completeArgs(cmd, anyway(a.agentNames))
	return cmd
}

func newAgentTokenList(a *app) *cobra.Command {
	var (
		out   output
		limit limited
	)
	cmd := &cobra.Command{
		Use:     "list AGENT",
		Short:   "List an agent's tokens",
		Long:    `List an agent's tokens, expired and revoked ones too. The tokens themselves are not stored and cannot be shown.`,
		Example: `  rolebroker agent token list scout`,
		Args:    args("AGENT"),
		RunE: func(cmd *cobra.Command, given []string) error {
			list, err := ask(cmd.Context(), a, "reading tokens", func(ctx context.Context, c *client.Client) (items[api.Token], error) {
				tokens, err := collect(limit, c.AllTokens(ctx, given[0]))
				return tokens, seeList(err, "rolebroker agent list")
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.tokenTable(given[0], list.Items) })
		},
	}
	limit.flag(cmd)
	out.flag(cmd)
	completeArgs(cmd, anyway(a.agentNames))
	return cmd
}

func (a *app) tokenTable(agent string, tokens []api.Token) *table {
	t := newTable("ID", "LABEL", "STATUS", "CREATED", "LAST USED", "EXPIRES")
	for _, token := range tokens {
		t.add(token.ID, orDash(token.Label), token.Status, a.when(&token.CreatedAt, "-"), a.when(token.UsedAt, "never"), a.when(token.ExpiresAt, "never"))
	}
	return t.ifEmpty("Agent %s has no tokens. Make one: rolebroker agent token create %s", agent, agent)
}

func newAgentTokenRevoke(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke AGENT TOKEN-ID",
		Short: "Revoke a token of an agent",
		Long: `Revoke a token of an agent, by its ID. It stops working at once; what was lent to
its holder already works until it expires.`,
		Example: `  rolebroker agent token list scout
  rolebroker agent token revoke scout tok_2mzq7k4vprb5xw3tdn6hjc8ysa`,
		Args: args("AGENT", "TOKEN-ID"),
		RunE: func(cmd *cobra.Command, given []string) error {
			agent, err := ask(cmd.Context(), a, "revoking the token", func(ctx context.Context, c *client.Client) (api.Agent, error) {
				agent, err := agentOf(ctx, c, given[0])
				if err != nil {
					return agent, err
				}
				return agent, seeList(c.RevokeToken(ctx, agent.ID, given[1]), "rolebroker agent token list "+agent.Name)
			})
			if err == nil {
				a.note("revoked token %s of agent %s", given[1], agent.Name)
				a.stillLent("agent", agent.ID)
			}
			return err
		},
	}
	completeArgs(cmd, anyway(a.agentNames), a.tokenIDs)
	return cmd
}
