package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// completeTimeout is how long a person who pressed Tab waits at most.
const completeTimeout = time.Second

// candidates finds the words that what was typed so far could become. Its error
// is not shown: there is nowhere to show it.
type candidates func(typed string) ([]string, error)

// complete offers candidates for a flag.
func complete(cmd *cobra.Command, flag string, find candidates) {
	_ = cmd.RegisterFlagCompletionFunc(flag, // it fails for an unknown flag only
		func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return offer(find, typed)
		})
}

// oneOf offers these words.
func oneOf(words ...string) candidates { return func(string) ([]string, error) { return words, nil } }

// completeByName offers candidates for the arguments of a command by their names
// in its usage, unless it has completion of its own.
func (a *app) completeByName(cmd *cobra.Command) {
	if cmd.ValidArgsFunction != nil || cmd.HasSubCommands() {
		return
	}
	known := map[string]func(given []string) candidates{
		"AGENT": anyway(a.agentNames), "INTEGRATION": anyway(a.integrationNames), "RUNNER": anyway(a.runnerNames),
		"RULE": anyway(a.ruleNames), "TOKEN-ID": a.tokenIDs, "BINDING-ID": a.bindingIDs,
	}
	var finders []func(given []string) candidates
	for _, name := range argumentNames(cmd) {
		if find, ok := known[strings.Trim(name, "[]")]; ok {
			finders = append(finders, find)
		}
	}
	if len(finders) > 0 {
		completeArgs(cmd, finders...)
	}
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

// anyway ignores the arguments before the one to complete.
func anyway(find candidates) func([]string) candidates {
	return func([]string) candidates { return find }
}

// quickly asks the server, and gives up after completeTimeout.
func (a *app) quickly(question func(context.Context, *client.Client) ([]string, error)) ([]string, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	return question(ctx, c)
}

// words returns a word for each item on a page; an empty word is left out.
func words[T any](page api.List[T], err error, word func(T) string) (found []string, _ error) {
	for _, item := range page.Items {
		if w := word(item); w != "" {
			found = append(found, w)
		}
	}
	return found, err
}

func (a *app) integrationNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Integrations(ctx, client.List{Search: typed})
		return words(page, err, func(in api.Integration) string { return in.Name })
	})
}

func (a *app) agentNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Agents(ctx, client.List{Search: typed})
		return words(page, err, func(agent api.Agent) string { return agent.Name })
	})
}

func (a *app) runnerNames(typed string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Runners(ctx, client.List{Search: typed})
		return words(page, err, func(r api.Runner) string { return r.Name })
	})
}

// issuers finds the issuers that the server trusts runners with.
func (a *app) issuers(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Runners(ctx, client.List{})
		return words(page, err, func(r api.Runner) string { return r.Issuer })
	})
}

// connectedNames finds the integrations of the agent in the first argument.
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

// tokenIDs finds the tokens of the agent in the first argument.
func (a *app) tokenIDs(given []string) candidates {
	return func(string) ([]string, error) {
		return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
			page, err := c.Tokens(ctx, given[0], client.List{})
			return words(page, err, func(token api.Token) string { return token.ID })
		})
	}
}

// bindingIDs finds the bindings of the agent in the first argument.
func (a *app) bindingIDs(given []string) candidates {
	return func(string) ([]string, error) {
		return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
			page, err := c.Bindings(ctx, given[0], client.List{})
			return words(page, err, func(b api.Binding) string { return b.ID })
		})
	}
}

// apiKeyNames finds the names of all API keys.
func (a *app) apiKeyNames(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.APIKeys(ctx, client.List{})
		return words(page, err, func(key api.APIKey) string { return key.Name })
	})
}

// references finds the roles that this agent may borrow.
func (a *app) references(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		offers, err := c.Roles(ctx)
		for _, offer := range offers {
			names = append(names, offer.Reference)
		}
		return names, err
	})
}

// completeRoles completes a flag with the roles of the integration in the last
// argument.
func (a *app) completeRoles(cmd *cobra.Command, flag string) { a.completeRolesIn(cmd, flag, "", "", 0) }

// completeRoleChanges completes a flag with the beginning of a change of each of
// these roles, as in name=readonly,.
func (a *app) completeRoleChanges(cmd *cobra.Command, flag string) {
	a.completeRolesIn(cmd, flag, "name=", ",", cobra.ShellCompDirectiveNoSpace)
}

func (a *app) completeRolesIn(cmd *cobra.Command, flag, before, after string, also cobra.ShellCompDirective) {
	complete := func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(given) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := offer(func(string) ([]string, error) {
			return a.quickly(func(ctx context.Context, c *client.Client) (words []string, err error) {
				in, err := c.Integration(ctx, given[len(given)-1])
				for _, role := range in.Roles {
					words = append(words, before+role.Name+after)
				}
				return words, err
			})
		}, typed)
		return found, directive | also
	}
	_ = cmd.RegisterFlagCompletionFunc(flag, complete) // it fails for an unknown flag only
}

// describePlainly removes the back quotes around the values in the help of all
// flags, because shells show that help as it is.
func describePlainly(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	for _, sub := range cmd.Commands() {
		describePlainly(sub)
	}
}
