package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// The commands that list what a name or ID could have meant.
const (
	listAgents       = "rolebroker agent list"
	listIntegrations = "rolebroker integration list"
	listRunners      = "rolebroker runner list"
)

// agentOf, integrationOf and runnerOf find a thing by its name or ID.
func agentOf(ctx context.Context, c *client.Client, nameOrID string) (api.Agent, error) {
	agent, err := c.Agent(ctx, nameOrID)
	return agent, seeList(err, listAgents)
}

func integrationOf(ctx context.Context, c *client.Client, nameOrID string) (api.Integration, error) {
	in, err := c.Integration(ctx, nameOrID)
	return in, seeList(err, listIntegrations)
}

func runnerOf(ctx context.Context, c *client.Client, nameOrID string) (api.Runner, error) {
	r, err := c.Runner(ctx, nameOrID)
	return r, seeList(err, listRunners)
}

// ask asks the server a question, and shows progress when that takes long. doing
// says what is going on, as in "reading agents".
func ask[T any](ctx context.Context, a *app, doing string,
	question func(context.Context, *client.Client) (T, error)) (T, error) {
	c, err := a.client()
	if err != nil {
		var zero T
		return zero, err
	}
	defer a.progress(doing)()
	return question(ctx, c)
}

// asking makes cmd ask the server one question and show the answer, with
// --output.
func asking[T any](a *app, cmd *cobra.Command, doing string,
	question func(ctx context.Context, c *client.Client, given []string) (T, error),
	show func(output, T) error) *cobra.Command {
	var out output
	out.flag(cmd)
	a.utcFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		answer, err := ask(cmd.Context(), a, doing, func(ctx context.Context, c *client.Client) (T, error) {
			return question(ctx, c, given)
		})
		if err != nil {
			return err
		}
		return show(out, answer)
	}
	return cmd
}

// showing makes cmd show the thing that its argument names, with --output. kind is
// as in "agent".
func showing[T any](a *app, cmd *cobra.Command, kind string,
	find func(ctx context.Context, c *client.Client, nameOrID string) (T, error),
	show func(output, T) error) *cobra.Command {
	return asking(a, cmd, "reading the "+kind, func(ctx context.Context, c *client.Client, given []string) (T, error) {
		return find(ctx, c, given[0])
	}, show)
}

// deletion is how one kind of thing is deleted.
type deletion[T any] struct {
	kind    string // as in "agent", for progress
	find    func(ctx context.Context, c *client.Client, nameOrID string) (T, error)
	confirm func(T) string // the question to the person
	remove  func(ctx context.Context, c *client.Client, thing T) error
	done    func(T) // tells the person
}

// deleting makes cmd delete what its argument names, once a person or --yes has
// confirmed that.
func deleting[T any](a *app, cmd *cobra.Command, d deletion[T]) *cobra.Command {
	var yes bool
	yesFlag(cmd, &yes)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		thing, err := ask(cmd.Context(), a, "reading the "+d.kind,
			func(ctx context.Context, c *client.Client) (T, error) {
				return d.find(ctx, c, given[0])
			})
		if err != nil {
			return err
		}
		if err := a.confirm(yes, d.confirm(thing)); err != nil {
			return err
		}
		_, err = ask(cmd.Context(), a, "deleting the "+d.kind,
			func(ctx context.Context, c *client.Client) (none, error) {
				return none{}, d.remove(ctx, c, thing)
			})
		if err == nil {
			d.done(thing)
		}
		return err
	}
	return cmd
}

// yesFlag adds the flag that confirms what cannot be undone.
func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask for confirmation")
}

// none is the answer to a request that has none.
type none struct{}

// revocation takes something away from an agent.
type revocation struct {
	doing  string
	remove func(ctx context.Context, c *client.Client, agent api.Agent, what string) error
	list   string // the command that lists what there is; %s stands for the agent
	done   func(agent api.Agent, what string) string
	// confirm is the question to the person, for what cannot be undone; nil: it can, and nobody is asked.
	confirm func(agent, what string) string
}

// revoking makes cmd take its second argument away from the agent that its first
// one names.
func revoking(a *app, cmd *cobra.Command, r revocation) *cobra.Command {
	yes := r.confirm == nil
	if r.confirm != nil {
		yesFlag(cmd, &yes)
	}
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if !yes {
			if err := a.confirm(false, r.confirm(given[0], given[1])); err != nil {
				return err
			}
		}
		agent, err := ask(cmd.Context(), a, r.doing, func(ctx context.Context, c *client.Client) (api.Agent, error) {
			agent, err := agentOf(ctx, c, given[0])
			if err != nil {
				return agent, err
			}
			return agent, seeList(r.remove(ctx, c, agent, given[1]), fmt.Sprintf(r.list, agent.Name))
		})
		if err == nil {
			a.note("%s", r.done(agent, given[1]))
			a.stillLent("agent", agent.ID)
		}
		return err
	}
	return cmd
}

// lentAlready is said before something is taken away.
const lentAlready = "Credentials that were lent before keep working until they expire."

// stillLent says, after something was taken away, how to list what still works.
// It names the thing by its ID, because sessions keep the names that were in use
// when they began.
func (a *app) stillLent(flag, id string) {
	a.note("%s To list them: rolebroker session list --live --%s %s", lentAlready, flag, id)
}
