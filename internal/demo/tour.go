package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// step is one thing that the agent does, and what has to come of it.
type step struct {
	why    string
	args   []string // of rolebroker exec
	expect string   // in what it prints
	fails  bool     // it has to exit non-zero
	means  string   // what has been shown
}

// tour lets the agent borrow, and prints what AWS says it is.
func (w *world) tour(ctx context.Context) error {
	w.printWorld()
	for i, s := range []step{
		{"The agent names no role. AWS says it is the default one:",
			nil, ":assumed-role/ReadOnly/" + agent, false, "the default role"},
		{"Its instructions name another role:",
			[]string{"--role", "deployer"}, ":assumed-role/Deployer/" + agent, false, "the named role"},
		{"It tries one that was never given to it:",
			[]string{"--role", "admin"}, "is not connected to a role", true, "refused, and the agent is told what it may have instead"},
		{"And one that somebody disabled:",
			[]string{"--role", "billing"}, "is disabled", true, "refused; there is no fallback to another role"},
	} {
		if err := w.show(ctx, s); err != nil {
			return fmt.Errorf("step %d of the tour: %w", i+1, err)
		}
	}
	return w.printSessions(ctx)
}

func (w *world) printWorld() {
	fmt.Fprintf(w.Out, `rolebroker lends AWS roles to AI agents. Everything here runs on this machine:
no AWS account is touched.

  server         %s, with SQLite in %s
  simulated AWS  %s, with STS and IAM
  integration    %s, three roles of account %s
  agent          %s, connected to %s

`, w.server.URL(), w.folder, w.awsURL, integration, customerAccount, agent, integration)
}

// show runs rolebroker whoami as the agent, prints both, and checks the outcome.
func (w *world) show(ctx context.Context, s step) error {
	fmt.Fprintf(w.Out, "%s\n\n  $ rolebroker %s\n", s.why, strings.Join(append(append([]string{"exec"}, s.args...), "--", "rolebroker", "whoami"), " "))
	command := exec.CommandContext(ctx, w.Self, append(append([]string{"exec"}, s.args...), "--", w.Self, "whoami")...)
	command.Env = w.agentEnvironment()
	output, err := command.CombinedOutput()
	for line := range strings.Lines(string(output)) {
		fmt.Fprintf(w.Out, "  %s", line)
	}
	var exited *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exited):
		return err
	case s.fails != (err != nil):
		return fmt.Errorf("rolebroker exec ended with %v", command.ProcessState)
	case !strings.Contains(string(output), s.expect):
		return fmt.Errorf("%q is missing in what it printed", s.expect)
	}
	fmt.Fprintf(w.Out, "  ✓ %s\n\n", s.means)
	return nil
}

// agentEnvironment is that of the agent's machine: it knows the server and its
// own token. AWS is the simulated one, whatever this process's settings are.
func (w *world) agentEnvironment() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "ROLEBROKER_")
	})
	return append(env, "ROLEBROKER_URL="+w.server.URL(), "ROLEBROKER_TOKEN="+w.token.Reveal(), "AWS_ENDPOINT_URL="+w.awsURL)
}

func (w *world) printSessions(ctx context.Context) error {
	sessions, err := w.admin.Sessions(ctx, api.SessionFilter{}, client.List{})
	if err != nil {
		return err
	}
	fmt.Fprintf(w.Out, "Every session is on record, under the name that CloudTrail shows:\n\n  $ rolebroker session list\n")
	table := tabwriter.NewWriter(w.Out, 2, 0, 3, ' ', 0)
	fmt.Fprintln(table, "  AGENT\tROLE\tSESSION NAME\tACCESS KEY\tUNTIL")
	for _, s := range sessions.Items {
		fmt.Fprintf(table, "  %s\t%s/%s\t%s\t%s\t%s\n", s.Agent, s.Integration, s.Role, s.SessionName, s.AccessKeyID, s.ExpiresAt.Local().Format("15:04:05"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(sessions.Items) != 2 {
		return rolebroker.Errorf(rolebroker.CodeInternal, "there are %d sessions on record; 2 were lent", len(sessions.Items))
	}
	fmt.Fprintln(w.Out)
	return nil
}

// invite says how to go on by hand.
func (w *world) invite() {
	fmt.Fprintf(w.Out, `It stays up until you press Ctrl-C. In another terminal, as the agent:

  export ROLEBROKER_URL=%[1]s ROLEBROKER_TOKEN=%[2]s AWS_ENDPOINT_URL=%[3]s
  rolebroker roles
  rolebroker exec -- aws sts get-caller-identity
  rolebroker exec -- aws --profile deployer sts get-caller-identity

As the administrator:

  export ROLEBROKER_URL=%[1]s ROLEBROKER_TOKEN=%[4]s
  rolebroker integration show %[5]s
  rolebroker integration update %[5]s --disable-role deployer
  rolebroker agent token list %[6]s

The server's log is %[7]s/server.log.
`, w.server.URL(), w.token.Reveal(), w.awsURL, w.key.Reveal(), integration, agent, w.folder)
}
