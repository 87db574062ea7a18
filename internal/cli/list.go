package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/client"
)

// listing makes cmd list what read returns, with --limit and --output. If the
// command takes an argument, it is the agent whose things are listed.
func listing[T any](a *app, cmd *cobra.Command, doing string,
	read func(ctx context.Context, c *client.Client, given []string) iter.Seq2[T, error],
	tableOf func(given []string, listed []T) *table) *cobra.Command {
	var l listFlags
	l.add(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		return showList(cmd.Context(), a, l, doing, given, read, tableOf)
	}
	return cmd
}

// listFlags are the flags of a list.
type listFlags struct {
	out   output
	limit int
}

func (l *listFlags) add(a *app, cmd *cobra.Command) {
	cmd.Flags().IntVar(&l.limit, "limit", 0, "show at most `N` (0 = all)")
	l.out.listFlag(cmd)
	a.utcFlag(cmd)
}

// showList lists what read returns.
func showList[T any](ctx context.Context, a *app, l listFlags, doing string, given []string,
	read func(ctx context.Context, c *client.Client, given []string) iter.Seq2[T, error],
	tableOf func(given []string, listed []T) *table) error {
	if l.limit < 0 {
		return usage("--limit is %d; it must not be negative", l.limit)
	}
	list, err := ask(ctx, a, doing, func(ctx context.Context, c *client.Client) (items[T], error) {
		return collect(read(ctx, c, given), l.limit)
	})
	switch {
	case err != nil && len(given) > 0:
		return seeList(err, listAgents)
	case err != nil:
		return err
	}
	a.wide = l.out.value == "wide"
	return a.show(l.out, list, func() *table { return tableOf(given, list.Items) })
}

// collect reads a list to its end, or to the limit; 0 is no limit.
func collect[T any](all iter.Seq2[T, error], limit int) (items[T], error) {
	list := items[T]{Items: []T{}}
	for item, err := range all {
		if err != nil {
			return list, err
		}
		list.Items = append(list.Items, item)
		if len(list.Items) == limit {
			break
		}
	}
	return list, nil
}

// searchFlag adds --search, which selects things by a part of their texts.
func searchFlag(cmd *cobra.Command, texts string) *string {
	return cmd.Flags().String("search", "", "show only those with `TEXT` in "+texts)
}
