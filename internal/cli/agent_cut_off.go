package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentCutOff(a *app) *cobra.Command {
	var (
		request api.CutOffRequest
		yes     bool
		out     output
	)
	cmd := &cobra.Command{
		Use:   "cut-off AGENT",
		Short: "Stop an agent at once, and end its keys in AWS",
		Long: `Stop an agent at once, on every server and runner: nothing is lent to it, its
sessions end, and so do its access requests. With --role, only that role is taken
from it.

Keys that it was lent before work in AWS until they expire. The command prints
commands for the AWS CLI that end them: for each account, an inline policy on each
role that denies this agent's sessions until now, and nobody else's. Run them with
credentials of the account.

What happened, and what is still open, is on stderr; the commands are on stdout.
You can run the command again at any time: the policies then reach to that time.
To lend again: rolebroker agent update AGENT --disabled=false. The agent gets new
keys, never old ones.`,
		Example: `  rolebroker agent cut-off scout --reason "leaked its keys" --yes > cut-off.sh
  sh -e cut-off.sh

  # only one role
  rolebroker agent cut-off scout --role production/deployer`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := a.confirm(yes, cutOffQuestion(given[0], request)); err != nil {
				return err
			}
			cut, err := ask(cmd.Context(), a, "cutting off the agent",
				func(ctx context.Context, c *client.Client) (api.CutOff, error) {
					cut, err := c.CutOff(ctx, given[0], request)
					return cut, seeList(err, listAgents)
				})
			if err != nil {
				return err
			}
			return a.showCutOff(out, cut)
		},
		ValidArgsFunction: func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(a.agentNames, typed)
		},
	}
	f := cmd.Flags()
	f.StringVar(&request.Role, "role", "", "take only `ROLE` from it: a name, integration/role, ID or ARN")
	f.StringVar(&request.Reason, "reason", "", "`TEXT` that the audit trail keeps")
	yesFlag(cmd, &yes)
	out.flag(cmd)
	complete(cmd, "role", a.qualifiedRoles)
	return cmd
}

// cutOffQuestion asks the person to confirm.
func cutOffQuestion(agent string, request api.CutOffRequest) string {
	what := "Cut off agent " + agent
	if request.Role != "" {
		what += " from role " + request.Role
	}
	return what + "? Its processes lose access at once."
}

// showCutOff tells what a cut-off did and what it left open, and prints the commands
// that are left to run.
func (a *app) showCutOff(out output, cut api.CutOff) error {
	if out.forMachines() {
		return a.encode(out.value, cut)
	}
	from := "nothing is lent to it any more"
	if len(cut.Roles) > 0 {
		from = strings.Join(cut.Roles, ", ") + " is not lent to it any more"
	}
	a.note("agent %s is cut off: %s, on any server or runner. Ended: %s, %s.", cut.Agent, from,
		plural(cut.SessionsEnded, "session"), plural(cut.RequestsEnded, "access request"))
	a.noteOpen(cut)
	_, err := fmt.Fprint(a.out(), cutOffScript(cut))
	return err
}

// noteOpen says what is still open after a cut-off.
func (a *app) noteOpen(cut api.CutOff) {
	if len(cut.Accounts) == 0 {
		a.note("No keys of it are known to work in AWS.")
	}
	for _, open := range cut.StillOpen {
		until := ""
		if open.Until != nil {
			until = " Until " + a.until(*open.Until) + "."
		}
		a.note("Still open: %s%s", open.What, until)
	}
	if cutOffScript(cut) != "" {
		a.note("The commands on stdout end its keys in AWS. IAM needs some seconds until a policy counts everywhere.")
	}
}

// cutOffScript is the commands that put the deny policies on the roles, and as comments those that remove them later; empty if there is nothing to do.
func cutOffScript(cut api.CutOff) string {
	var put, remove []string
	for _, account := range cut.Accounts {
		if account.Commands != "" {
			put = append(put, account.Commands)
		}
		remove = append(remove, "# "+strings.ReplaceAll(strings.TrimPrefix(account.Remove, "# "), "\n", "\n# "))
	}
	if len(remove) == 0 {
		return ""
	}
	script := strings.Join(put, "\n\n")
	if len(put) > 1 {
		script = "# There are several accounts: run each part with credentials of its own account.\n\n" + script
	}
	if len(put) > 0 {
		script += "\n\n# IAM refuses a policy if the inline policies of a role have more than 10,240 characters together.\n"
	}
	if cut.RemovableAfter != nil {
		script += "# From " + cut.RemovableAfter.UTC().Format("2006-01-02T15:04:05Z") + " on nothing is left to deny, and " +
			"these remove the policies:\n"
	}
	return script + strings.Join(remove, "\n") + "\n"
}
