package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker/client"
)

// completeTimeout is how long a person who pressed Tab is kept waiting.
const completeTimeout = time.Second

// candidates finds what could be meant by what was typed so far. An error is
// not shown: there is nowhere to show it.
type candidates func(typed string) ([]string, error)

// complete offers candidates for a flag.
func complete(cmd *cobra.Command, flag string, find candidates) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return offer(find, typed)
	}) // it fails for a flag that does not exist, and the tests complete every one
}

// completeArgs offers candidates for each argument in turn.
func completeArgs(cmd *cobra.Command, finders ...func(given []string) candidates) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(given) >= len(finders) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(finders[len(given)](given), typed)
	}
}

func offer(find candidates, typed string) ([]string, cobra.ShellCompDirective) {
	found, err := find(typed)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var matching []string
	for _, name := range found {
		if strings.HasPrefix(name, typed) {
			matching = append(matching, name)
		}
	}
	return matching, cobra.ShellCompDirectiveNoFileComp
}

// anyway is a finder that does not care what other arguments there are.
func anyway(find candidates) func([]string) candidates {
	return func([]string) candidates { return find }
}

// quickly asks the server, but not for long.
func (a *app) quickly(question func(context.Context, *client.Client) ([]string, error)) ([]string, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	return question(ctx, c)
}

func (a *app) integrationNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		page, err := c.Integrations(ctx, client.List{Search: typed})
		for _, in := range page.Items {
			names = append(names, in.Name)
		}
		return names, err
	})
}

func (a *app) agentNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		page, err := c.Agents(ctx, client.List{Search: typed})
		for _, agent := range page.Items {
			names = append(names, agent.Name)
		}
		return names, err
	})
}

func (a *app) runnerNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		page, err := c.Runners(ctx, client.List{Search: typed})
		for _, r := range page.Items {
			names = append(names, r.Name)
		}
		return names, err
	})
}

// issuers are those about which a runner is believed.
func (a *app) issuers(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (issuers []string, err error) {
		page, err := c.Runners(ctx, client.List{})
		for _, r := range page.Items {
			if r.Issuer != "" {
				issuers = append(issuers, r.Issuer)
			}
		}
		return issuers, err
	})
}

// connectedNames are the integrations that the agent, the first argument, is
// connected to.
func (a *app) connectedNames(given []string) candidates {
	return func(string) ([]string, error) {
		return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
			agent, err := c.Agent(ctx, given[0])
			for _, connection := range agent.Connections {
				names = append(names, connection.Integration)
			}
			return names, err
		})
	}
}

// tokenIDs are the tokens of the agent, the first argument.
func (a *app) tokenIDs(given []string) candidates {
	return func(string) ([]string, error) {
		return a.quickly(func(ctx context.Context, c *client.Client) (ids []string, err error) {
			page, err := c.Tokens(ctx, given[0], client.List{})
			for _, token := range page.Items {
				ids = append(ids, token.ID)
			}
			return ids, err
		})
	}
}

// bindingIDs are the bindings of the agent, the first argument.
func (a *app) bindingIDs(given []string) candidates {
	return func(string) ([]string, error) {
		return a.quickly(func(ctx context.Context, c *client.Client) (ids []string, err error) {
			page, err := c.Bindings(ctx, given[0], client.List{})
			for _, b := range page.Items {
				ids = append(ids, b.ID)
			}
			return ids, err
		})
	}
}

func (a *app) apiKeyNames(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		page, err := c.APIKeys(ctx, client.List{})
		for _, key := range page.Items {
			names = append(names, key.Name)
		}
		return names, err
	})
}

// references are what the agent whose token is given may borrow.
func (a *app) references(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		offers, err := c.Roles(ctx)
		for _, offer := range offers {
			names = append(names, offer.Reference)
		}
		return names, err
	})
}

// rolesOf completes a flag with the roles of the integration that the command's
// first argument names.
func (a *app) rolesOf(cmd *cobra.Command, flag string) { a.rolesIn(cmd, flag, "", "", 0) }

// roleChanges completes a flag with the beginning of a change of each of these
// roles.
func (a *app) roleChanges(cmd *cobra.Command, flag string) {
	a.rolesIn(cmd, flag, "name=", ",", cobra.ShellCompDirectiveNoSpace)
}

func (a *app) rolesIn(cmd *cobra.Command, flag, before, after string, also cobra.ShellCompDirective) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(given) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := offer(func(string) ([]string, error) {
			return a.quickly(func(ctx context.Context, c *client.Client) (words []string, err error) {
				in, err := c.Integration(ctx, given[0])
				for _, role := range in.Roles {
					words = append(words, before+role.Name+after)
				}
				return words, err
			})
		}, typed)
		return found, directive | also
	})
}

// describePlainly takes the marks of values out of the usage of all flags, which
// shells show as it is.
func describePlainly(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, sub := range cmd.Commands() {
		describePlainly(sub)
	}
}
