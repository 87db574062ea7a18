package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// runs marks a command that holds others and does something without them, for
// its usage.
const runs = "rolebroker_runs"

func newRunner(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:         "runner",
		Short:       "Run a runner, which assumes roles in your cluster; manage runners",
		Annotations: map[string]string{runs: "true"},
	}, newRunnerList(a), newRunnerShow(a), newRunnerCreate(a), newRunnerUpdate(a), newRunnerDelete(a), newRunnerJoinToken(a))
	runnerRun(a, cmd)
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if len(given) > 0 {
			return noCommand(cmd, given[0])
		}
		return nil
	}
	return cmd
}

func newRunnerList(a *app) *cobra.Command {
	var (
		out    output
		limit  limited
		search string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runners",
		Long: `List runners by name. One that is waiting has not joined yet, one that is away was
not heard of in the last seconds. PENDING are sessions that it began while it
could not reach the server, and has not told yet.`,
		Example: `  rolebroker runner list
  rolebroker runner list --search eks -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, "reading runners", func(ctx context.Context, c *client.Client) (items[api.Runner], error) {
				return collect(limit, c.AllRunners(ctx, search))
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table { return a.runnersTable(list.Items) })
		},
	}
	cmd.Flags().StringVar(&search, "search", "", "only those whose name contains `text`")
	limit.flag(cmd)
	out.flag(cmd)
	return cmd
}

func (a *app) runnersTable(runners []api.Runner) *table {
	t := newTable("NAME", "STATUS", "SEEN", "METHOD", "VERSION", "PENDING", "DESCRIPTION")
	for _, r := range runners {
		t.add(r.Name, r.Status, a.when(r.SeenAt, "never"), orDash(r.Method), orDash(r.Program), count(int64(r.Pending)), r.Description)
	}
	return t.ifEmpty("There are no runners. Make one: rolebroker runner create --help")
}

func newRunnerShow(a *app) *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:     "show RUNNER",
		Short:   "Show a runner, and what it says of itself",
		Long:    `Show a runner, by its name or ID, and what it says of itself.`,
		Example: `  rolebroker runner show eks-production`,
		Args:    args("RUNNER"),
		RunE: func(cmd *cobra.Command, given []string) error {
			r, err := ask(cmd.Context(), a, "reading the runner", func(ctx context.Context, c *client.Client) (api.Runner, error) {
				return runnerOf(ctx, c, given[0])
			})
			if err != nil {
				return err
			}
			if err := a.showRunner(out, r); err != nil {
				return err
			}
			if r.ReportedIssuer != "" && r.ReportedIssuer != r.Issuer && out.String() == "table" {
				a.note("It verifies service-account tokens of %s. If that is the issuer of its cluster, have it believed about them:", r.ReportedIssuer)
				a.note("rolebroker runner update %s --issuer %s", r.Name, rolebroker.ShellQuote(r.ReportedIssuer))
			}
			return nil
		},
	}
	completeArgs(cmd, anyway(a.runnerNames))
	out.flag(cmd)
	return cmd
}

// runnerOf finds a runner by name or ID.
func runnerOf(ctx context.Context, c *client.Client, nameOrID string) (api.Runner, error) {
	r, err := c.Runner(ctx, nameOrID)
	return r, seeList(err, "rolebroker runner list")
}

func (a *app) showRunner(o output, r api.Runner) error {
	return a.show(o, r, func() *table {
		t := details("Name", r.Name, "Description", orDash(r.Description), "ID", r.ID, "Status", r.Status, "Joined", a.when(r.JoinedAt, "never"),
			"Seen", a.when(r.SeenAt, "never"), "Version", orDash(r.Program), "Method", orDash(r.Method), "Identity", orDash(r.IdentityARN))
		if r.IdentityError != "" {
			t.add("Without identity:", r.IdentityError)
		}
		t.rows = append(t.rows, details("Issuer", orDash(r.Issuer), "Pending", count(int64(r.Pending)),
			"Created", a.when(&r.CreatedAt, "-"), "Updated", a.when(&r.UpdatedAt, "-")).rows...)
		return t
	})
}
