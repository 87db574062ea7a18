package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentCutOff(a *app) *cobra.Command {
	var (
		request    api.CutOffRequest
		print, yes bool
		out        output
	)
	cmd := &cobra.Command{
		Use:   "cut-off AGENT",
		Short: "Stop an agent at once, and end its keys in AWS",
		Long: `Stop an agent at once, on every server and runner: nothing is lent to it, its
sessions end, and so do its access requests. With --role, only that role is taken
from it.

Keys that it was lent before work in AWS until they expire, and the command prints
commands for the AWS CLI that end them: for each account, an inline policy on each
role that denies this agent's sessions until now, and nobody else's. Run them with
credentials of the account. Keys that were withheld never left the server: for these
there is nothing to run.

With --apply, the server puts the policies on the roles itself, where AWS lets it:
rolebroker integration setup INTEGRATION --with-cut-off prints the role for that.
The commands are then for the other roles only, and the command fails if there are
any. The agent is cut off in any case. The server has no such role where a runner
assumes the roles.

What happened, and what is still open, is on stderr; the commands are on stdout.
You can run the command again at any time: the policies then reach to that time.
With --print it cuts nothing off, and prints the commands of the last time again.
To lend again: rolebroker agent enable AGENT. The agent gets new keys, never old
ones.`,
		Example: `  rolebroker agent cut-off scout --reason "leaked its keys" --yes > cut-off.sh
  sh -e cut-off.sh

  # the server does it all
  rolebroker agent cut-off scout --apply

  # only one role
  rolebroker agent cut-off scout --role production/deployer`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, given []string) error {
			if print {
				return a.printCutOff(cmd, out, given[0], request)
			}
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
			if err := a.showCutOff(out, cut); err != nil || !request.Apply {
				return err
			}
			return notApplied(cut)
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
	f.BoolVar(&request.Apply, "apply", false, "have the server put the deny policies on the roles")
	f.BoolVar(&print, "print", false, "print what the last cut-off left to do, and change nothing")
	cmd.MarkFlagsMutuallyExclusive("print", "apply")
	cmd.MarkFlagsMutuallyExclusive("print", "reason")
	yesFlag(cmd, &yes)
	out.flag(cmd)
	complete(cmd, "role", a.qualifiedRoles)
	return cmd
}

// printCutOff shows the last cut-off of an agent again, and changes nothing.
func (a *app) printCutOff(cmd *cobra.Command, out output, agent string, request api.CutOffRequest) error {
	cut, err := ask(cmd.Context(), a, "reading the cut-off",
		func(ctx context.Context, c *client.Client) (api.CutOff, error) {
			cut, err := c.LastCutOff(ctx, agent, request.Role)
			return cut, seeList(err, listAgents)
		})
	if err != nil {
		return err
	}
	if out.forMachines() {
		return a.encode(out.value, cut)
	}
	what := "everything"
	if len(cut.Roles) > 0 {
		what = strings.Join(cut.Roles, ", ")
	}
	a.note("agent %s was cut off from %s %s by %s.", cut.Agent, what, a.when(&cut.At), cut.By)
	return a.showOpen(cut)
}

// notApplied fails if there are roles without the deny policy that they need.
func notApplied(cut api.CutOff) error {
	left, all := 0, 0
	for _, account := range cut.Accounts {
		for _, role := range account.Roles {
			all++
			if role.State != "applied" && account.Commands != "" {
				left++
			}
		}
	}
	if left == 0 {
		return nil
	}
	what, again := "agent "+cut.Agent+" is cut off", rolebroker.ShellCommand("rolebroker", "agent", "cut-off", cut.Agent)
	if cut.SessionID != "" {
		what = "session " + cut.SessionID + " is ended"
		again = rolebroker.ShellCommand("rolebroker", "session", "end", cut.SessionID)
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "%s, but the server could not put the deny policy on %d of %s",
		what, left, plural(all, "role")).
		WithSteps(rolebroker.Step{Text: "run the commands on stdout; this prints them again:", Command: again + " --print"},
			rolebroker.Step{Text: "the server may do it with a role that this prints:",
				Command: "rolebroker integration setup INTEGRATION --format cut-off"})
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
	return a.showOpen(cut)
}

// showOpen says what the server did in AWS and what is still open, and prints the commands that are left to run.
func (a *app) showOpen(cut api.CutOff) error {
	a.notePolicies(cut)
	a.noteOpen(cut)
	_, err := fmt.Fprint(a.out(), cutOffScript(cut))
	return err
}

// notePolicies says what the server did in AWS.
func (a *app) notePolicies(cut api.CutOff) {
	for _, account := range cut.Accounts {
		for _, role := range account.Roles {
			if role.State != "open" {
				a.note("%s", policyWords(role))
			}
		}
	}
}

// policyWords say what the server did with a deny policy.
func policyWords(role api.DeniedRole) string {
	words := "Role " + role.ARN + " " + rolebroker.PolicyState(role.State).InWords()
	if role.Problem != "" {
		words += ": " + role.Problem
	}
	return words
}

// noteOpen says what is still open after a cut-off.
func (a *app) noteOpen(cut api.CutOff) {
	switch {
	case cut.Withheld > 0:
		a.note("%s", withheldWords(cut))
	case len(cut.Accounts) == 0:
		a.note("No keys of it are known to work in AWS.")
	}
	for _, open := range cut.StillOpen {
		until := ""
		if open.Until != nil {
			until = " Until " + a.until(*open.Until) + "."
		}
		a.note("Still open: %s%s", open.What, until)
	}
	if hasCommands(cut) {
		a.note("The commands on stdout end its keys in AWS. IAM needs some seconds until a policy counts everywhere.")
	}
}

// withheldWords say that keys of sessions were withheld.
func withheldWords(cut api.CutOff) string {
	words := "The AWS keys of " + plural(cut.Withheld, "session") + " were withheld: none left rolebroker"
	if len(cut.Accounts) == 0 {
		return words + ", and nothing is to be run in AWS."
	}
	return words + ". What follows is about the others."
}

// hasCommands reports whether there is a command to run now.
func hasCommands(cut api.CutOff) bool {
	return slices.ContainsFunc(cut.Accounts, func(d api.DeniedAccount) bool { return d.Commands != "" })
}

// cutOffScript is the commands that put the deny policies on the roles, and as comments those that remove them later; empty if there is nothing to do.
func cutOffScript(cut api.CutOff) string {
	var put []string
	for _, account := range cut.Accounts {
		if account.Commands != "" {
			put = append(put, account.Commands)
		}
	}
	script := strings.Join(put, "\n\n")
	if len(put) > 1 {
		script = "# There are several accounts: run each part with credentials of its own account.\n\n" + script
	}
	if len(put) > 0 {
		script += "\n\n# IAM refuses a policy if the inline policies of a role have more than 10,240 characters together.\n"
	}
	return script + removalScript(cut)
}

// removalScript is the commands that remove the deny policies, as comments; empty if there are none.
func removalScript(cut api.CutOff) string {
	var remove []string
	for _, account := range cut.Accounts {
		if account.Remove != "" {
			remove = append(remove, "# "+strings.ReplaceAll(strings.TrimPrefix(account.Remove, "# "), "\n", "\n# ")+"\n")
		}
	}
	if len(remove) == 0 || cut.RemovableAfter == nil {
		return strings.Join(remove, "")
	}
	return "# From " + cut.RemovableAfter.UTC().Format("2006-01-02T15:04:05Z") + " on nothing is left to deny, and " +
		"these remove the policies:\n" + strings.Join(remove, "")
}
