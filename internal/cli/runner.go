package cli

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// runs marks a command that has subcommands and also runs without one, for its
// usage line.
const runs = "rolebroker_runs"

func newRunner(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:         "runner",
		Short:       "Run a runner, which assumes roles in your cluster; manage runners",
		Annotations: map[string]string{runs: "true"},
	}, newRunnerList(a), newRunnerShow(a), newRunnerCreate(a), newRunnerUpdate(a), newRunnerDelete(a),
		newRunnerJoinToken(a))
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
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runners",
		Long: `List runners, sorted by name.

STATUS is "waiting" until a runner has joined, and "away" if the server has not
heard from it in the last seconds. REPLICAS counts its processes that were in contact
in the last minute. PENDING counts the sessions that it began while it could not reach
the server and has not reported yet. With -o wide, ISSUER is that of the service
accounts whose pods the runner may identify.`,
		Example: `  rolebroker runner list
  rolebroker runner list --search eks -o json`,
	}
	search := searchFlag(cmd, "their name or description")
	return listing(a, cmd, "reading runners",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.Runner, error] {
			return c.AllRunners(ctx, *search)
		}, a.runnersTable)
}

func (a *app) runnersTable(_ []string, runners []api.Runner) *table {
	columns := []string{"NAME", "STATUS", "REPLICAS", "SEEN", "METHOD", "VERSION", "PENDING"}
	if a.wide {
		columns = append(columns, "ISSUER")
	}
	t := newTable(append(columns, "DESCRIPTION")...)
	for _, r := range runners {
		row := []string{r.Name, r.Status, count(int64(r.Replicas)), a.when(r.SeenAt), orDash(r.Method),
			orDash(r.Program), count(int64(r.Pending))}
		if a.wide {
			row = append(row, orDash(r.Issuer))
		}
		t.add(append(row, r.Description)...)
	}
	return t.ifEmpty("There are no runners. Create one: rolebroker runner create --help")
}

func newRunnerShow(a *app) *cobra.Command {
	return showing(a, &cobra.Command{
		Use:     "show RUNNER",
		Short:   "Show a runner and its last report",
		Long:    `Show a runner, by its name or ID, and what it last reported about itself.`,
		Example: `  rolebroker runner show eks-production`,
	}, "runner", runnerOf, func(o output, r api.Runner) error {
		if err := a.showRunner(o, r); err != nil {
			return err
		}
		if r.ReportedIssuer != "" && r.ReportedIssuer != r.Issuer && !o.forMachines() {
			a.note("It reports that it verifies service-account tokens of %s. If that is the issuer of its cluster, "+
				"set it:", rolebroker.Quote(r.ReportedIssuer))
			a.note("rolebroker runner update %s --issuer URL", r.Name)
		}
		return nil
	})
}

func (a *app) showRunner(o output, r api.Runner) error {
	return a.show(o, r, func() *table {
		t := details("Name", r.Name, "Description", orDash(r.Description), "ID", r.ID, "Status", r.Status,
			"Replicas", count(int64(r.Replicas)),
			"Joined", a.when(r.JoinedAt), "Seen", a.when(r.SeenAt), "Version", orDash(r.Program),
			"Method", orDash(r.Method), "Identity", orDash(r.IdentityARN))
		if r.IdentityError != "" {
			t.add("Without identity:", r.IdentityError)
		}
		t.rows = append(t.rows, details("Issuer", orDash(r.Issuer), "Pending", count(int64(r.Pending)),
			"Created", a.when(&r.CreatedAt), "Updated", a.when(&r.UpdatedAt)).rows...)
		return t
	})
}
