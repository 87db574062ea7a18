package cli

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentToken(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke the tokens of an agent",
		Long: `Create, list and revoke the tokens of an agent. The processes of an agent
authenticate with a token. An agent may have several tokens, so that you can
replace one while another is in use.`,
		Example: `  rolebroker agent token create scout --label laptop
  rolebroker agent token list scout`,
	}, newAgentTokenCreate(a), newAgentTokenList(a), newAgentTokenRevoke(a))
}

func newAgentTokenCreate(a *app) *cobra.Command {
	var (
		request api.TokenRequest
		expires expiry
		agent   string
	)
	cmd := &cobra.Command{
		Use:   "create AGENT",
		Short: "Create a token for an agent",
		Long: `Create a token for an agent and print it to stdout. It is shown only once; the
server stores its hash. A file gets it without a newline at its end, as AWS SDKs
want it in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.`,
		Example: `  rolebroker agent token create scout --label laptop --expires-in 30d

  (umask 077; rolebroker agent token create scout > scout-token)
  ROLEBROKER_TOKEN= ROLEBROKER_TOKEN_FILE=scout-token \
    rolebroker exec -- aws sts get-caller-identity`,
		PreRunE: func(_ *cobra.Command, given []string) (err error) {
			agent = given[0]
			request.ExpiresIn, err = expires.in()
			return err
		},
	}
	cmd.Flags().StringVar(&request.Label, "label", "", "`TEXT` that tells it from other tokens")
	expires.flag(cmd, "no expiry")
	return asking(a, cmd, "creating the token",
		func(ctx context.Context, c *client.Client, _ []string) (api.NewToken, error) {
			token, err := c.CreateToken(ctx, agent, request)
			return token, seeList(err, listAgents)
		},
		func(o output, token api.NewToken) error {
			return a.showOnce(o, token, token.Token, fmt.Sprintf(
				"Token %s of agent %s, which %s. Pass it to the agent's processes in ROLEBROKER_TOKEN.",
				token.ID, agent, a.expires(token.ExpiresAt)))
		})
}

func newAgentTokenList(a *app) *cobra.Command {
	return listing(a, &cobra.Command{
		Use:   "list AGENT",
		Short: "List the tokens of an agent",
		Long: `List the tokens of an agent, including expired and revoked ones. The server does
not store the tokens themselves, so it cannot show them.`,
		Example: `  rolebroker agent token list scout`,
	}, "reading tokens",
		func(ctx context.Context, c *client.Client, given []string) iter.Seq2[api.Token, error] {
			return c.AllTokens(ctx, given[0])
		}, a.tokenTable)
}

func (a *app) tokenTable(given []string, tokens []api.Token) *table {
	t := newTable("ID", "LABEL", "STATUS", "CREATED", "LAST USED", "EXPIRES")
	for _, token := range tokens {
		t.add(token.ID, orDash(token.Label), token.Status, a.when(&token.CreatedAt), a.when(token.UsedAt),
			a.when(token.ExpiresAt))
	}
	return t.ifEmpty("Agent %s has no tokens. Create one: rolebroker agent token create %s", given[0], given[0])
}

func newAgentTokenRevoke(a *app) *cobra.Command {
	return revoking(a, &cobra.Command{
		Use:   "revoke AGENT TOKEN-ID",
		Short: "Revoke a token of an agent",
		Long: `Revoke a token of an agent, by its ID, for good. It stops working at once;
credentials that its holder was lent before keep working until they expire.`,
		Example: `  rolebroker agent token list scout
  rolebroker agent token revoke scout tok_2mzq7k4vprb5xw3tdn6hjc8ysa
  rolebroker agent token revoke scout tok_2mzq7k4vprb5xw3tdn6hjc8ysa --yes`,
	}, revocation{
		doing: "revoking the token",
		list:  "rolebroker agent token list %s",
		confirm: func(agent, id string) string {
			return "Revoke token " + id + " of agent " + agent + " for good? " + lentAlready
		},
		remove: func(ctx context.Context, c *client.Client, agent api.Agent, id string) error {
			return c.RevokeToken(ctx, agent.ID, id)
		},
		done: func(agent api.Agent, id string) string { return "revoked token " + id + " of agent " + agent.Name },
	})
}
