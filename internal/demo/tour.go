package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// step is one command of the agent and its expected result.
type step struct {
	why    string
	args   []string // of rolebroker exec
	expect string   // its output contains this
	fails  bool     // it exits non-zero
	means  string   // the explanation that is printed
}

// tour has the agent borrow roles, and prints the identity that AWS reports.
func (w *world) tour(ctx context.Context) error {
	w.printWorld()
	if err := w.printValidation(ctx); err != nil {
		return err
	}
	for i, s := range []step{
		{"The agent names no role, so it gets the default role:",
			nil, ":assumed-role/ReadOnly/" + agent, false, "the default role"},
		{"Its instructions name another role, so it gets that one:",
			[]string{"--role", "deployer"}, ":assumed-role/Deployer/" + agent, false, "the named role"},
		{"It asks for a role that its integration does not have:",
			[]string{"--role", "admin"}, "is not connected to a role", true,
			"refused; the message lists the roles that the agent may borrow"},
		{"It asks for a role that is disabled:",
			[]string{"--role", "billing"}, "is disabled", true, "refused; there is no fallback to another role"},
	} {
		if err := w.show(ctx, s); err != nil {
			return fmt.Errorf("step %d of the tour: %w", i+1, err)
		}
	}
	if err := w.printSessions(ctx); err != nil {
		return err
	}
	return w.contain(ctx)
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
	fmt.Fprintf(w.Out, "%s\n\n  $ rolebroker %s\n", s.why,
		strings.Join(append(append([]string{"exec"}, s.args...), "--", "rolebroker", "whoami"), " "))
	command := exec.CommandContext(ctx, w.Self, append(append([]string{"exec"}, s.args...), "--", w.Self, "whoami")...)
	command.Env = w.environment(w.token)
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

// environment returns the environment of a process that uses the token. It points
// to the demo's server and the simulated AWS, whatever the settings of this
// process are.
func (w *world) environment(token rolebroker.Secret) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "AWS_") || strings.HasPrefix(entry, "ROLEBROKER_")
	})
	return append(env, "ROLEBROKER_URL="+w.server.URL(), "ROLEBROKER_TOKEN="+token.Reveal(),
		"AWS_ENDPOINT_URL="+w.awsURL)
}

// printValidation validates all roles as the administrator. All are assumable.
func (w *world) printValidation(ctx context.Context) error {
	const why = "The server assumes every role before an agent asks for it, with and without its external ID:"
	_, err := w.administrate(ctx, why, "integration", "validate", integration)
	if err != nil {
		return fmt.Errorf("validating the roles: %w", err)
	}
	fmt.Fprintf(w.Out, "  ✓ the server can assume all of them, and only with the external ID of the integration\n\n")
	return nil
}

// printSessions prints the sessions as the administrator.
func (w *world) printSessions(ctx context.Context) error {
	output, err := w.administrate(ctx, "Every session is on record, under the name that CloudTrail shows:", "session",
		"list")
	if err != nil {
		return fmt.Errorf("listing the sessions: %w", err)
	}
	if n := strings.Count(output, "ASIA"); n != 2 {
		return fmt.Errorf("%d sessions with credentials are on record; 2 were lent", n)
	}
	fmt.Fprintln(w.Out)
	return nil
}

// administrate runs rolebroker as the administrator and prints the command and its
// output.
func (w *world) administrate(ctx context.Context, why string, args ...string) (string, error) {
	return w.run(ctx, w.key, why, args...)
}

// run is administrate with another token or key.
func (w *world) run(ctx context.Context, token rolebroker.Secret, why string, args ...string) (string, error) {
	output, err := w.runQuietly(ctx, token, why, args...)
	if err == nil {
		w.indent(output)
	}
	return output, err
}

// runQuietly is run that prints the output only if the command fails.
func (w *world) runQuietly(ctx context.Context, token rolebroker.Secret, why string, args ...string) (string, error) {
	fmt.Fprintf(w.Out, "%s\n\n  $ rolebroker %s\n", why, strings.Join(args, " "))
	command := exec.CommandContext(ctx, w.Self, args...)
	command.Env = w.environment(token)
	output, err := command.CombinedOutput()
	if err != nil {
		w.indent(string(output))
	}
	return string(output), err
}

func (w *world) indent(output string) {
	for line := range strings.Lines(output) {
		fmt.Fprintf(w.Out, "  %s", line)
	}
}

// printTroubles prints the server's warnings and errors, because its log is removed
// when the demo ends.
func (w *world) printTroubles() {
	log, err := os.ReadFile(w.logFile())
	if err != nil {
		return
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			fmt.Fprintf(w.Out, "  server: %s", line)
		}
	}
}

// invite prints how to continue by hand. It contains the demo's own secrets.
func (w *world) invite(ctx context.Context) error {
	link, err := w.server.SignInLink(ctx)
	if err != nil {
		return err
	}
	customer := w.aws.Account(customerAccount).AdminKey()
	fmt.Fprintf(w.Out, `It stays up until you press Ctrl-C. In a browser, with a link that works once:

  %[11]s

In another terminal, as the agent:

%[1]s  export ROLEBROKER_URL=%[2]s ROLEBROKER_TOKEN=%[3]s AWS_ENDPOINT_URL=%[4]s
  rolebroker roles
  rolebroker exec -- aws sts get-caller-identity
  rolebroker exec -- aws --profile deployer sts get-caller-identity
  rolebroker exec --role deployer -- aws s3 mb s3://mine   # waits for your approval

As the administrator:

%[1]s  export ROLEBROKER_URL=%[2]s ROLEBROKER_TOKEN=%[5]s
  rolebroker integration show %[6]s
  rolebroker integration setup %[6]s
  rolebroker integration update %[6]s --disable-role deployer
  rolebroker request list
  rolebroker call list
  rolebroker agent policy %[7]s --role %[6]s/deployer      # what its calls needed
  rolebroker agent token list %[7]s

As the administrator of account %[12]s, whose roles these are (break a trust policy, read why the validation fails, repair it):

%[1]s  export ROLEBROKER_URL=%[2]s ROLEBROKER_TOKEN=%[5]s
  export AWS_ACCESS_KEY_ID=%[13]s AWS_SECRET_ACCESS_KEY=%[14]s AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=%[4]s
  aws iam update-assume-role-policy --role-name %[15]s --policy-document \
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%[12]s"},"Action":"sts:AssumeRole"}}'
  rolebroker integration validate %[6]s
  aws iam get-role --role-name %[15]s --query Role.AssumeRolePolicyDocument > current.json &&
    rolebroker integration setup %[6]s --role %[16]s --current current.json --format aws-cli | bash -e

As the operator of a server of your own, on the same simulated AWS:

%[1]s  export AWS_ACCESS_KEY_ID=%[8]s AWS_SECRET_ACCESS_KEY=%[9]s AWS_ENDPOINT_URL=%[4]s
  rolebroker server --listen 127.0.0.1:8585

The server's log is %[10]s.
`, w.pathLine(), w.server.URL(), w.token.Reveal(), w.awsURL, w.key.Reveal(), integration, agent,
		w.operator.AccessKeyID, w.operator.SecretAccessKey, w.logFile(), link,
		customerAccount, customer.AccessKeyID, customer.SecretAccessKey, roles[0].iamName, roles[0].name)
	return nil
}

// pathLine returns a line that puts this binary on PATH, if it is not there.
func (w *world) pathLine() string {
	if found, err := exec.LookPath("rolebroker"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil && found == w.Self {
			return ""
		}
	}
	return "  export PATH=" + filepath.Dir(w.Self) + ":$PATH\n"
}
