package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAgentPolicy(a *app) *cobra.Command {
	var (
		from   api.Learning
		format choice
	)
	cmd := &cobra.Command{
		Use:   "policy AGENT",
		Short: "Write the IAM policy that an agent's calls need",
		Long: `Write the IAM policy that the calls of an agent through the gateway need, as they were
recorded. An action gets the resources that it was used on; from six on below one
parent, such as the objects of a folder, they become one pattern. The same calls give
the same policy, so you can keep it in a repository.

FORMAT is
  iam        The policy, for a role.
  session    The same within the 2,048 characters of a session policy. Where it would be
             longer, it becomes wider; stderr says how much.
  terraform  A resource aws_iam_policy.

The policy never has what manages permissions, iam:PassRole, and what returns
credentials, unless --include says so. stderr has the calls of that time that the
policy would have refused.

To set it: rolebroker agent connect AGENT INTEGRATION --from-calls.`,
		Example: `  rolebroker agent policy scout > policy.json

  # what the calls with one role in the last week need, as a session policy
  rolebroker agent policy scout --role production/deployer --since 7d --format session`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&from.Integration, "integration", "",
		"learn from calls with the roles of `INTEGRATION`; needed if the agent has several")
	f.StringVar(&from.Role, "role", "", "learn from calls with `ROLE` only, as in production/deployer")
	f.Var(a.timeFlag(&from.Since), "since", "learn from calls at `TIME` or later (default 30d)")
	format.flag(cmd, "format", "", "write `FORMAT`: iam, session or terraform", "iam", "session", "terraform")
	f.StringSliceVar(&from.Include, "include", nil,
		"put in `WHAT` too: permissions, pass-role or credentials; can be repeated")
	complete(cmd, "include", oneOf("permissions", "pass-role", "credentials"))
	complete(cmd, "integration", a.integrationNames)
	complete(cmd, "role", a.qualifiedRoles)
	return asking(a, cmd, "reading calls",
		func(ctx context.Context, c *client.Client, given []string) (api.LearnedPolicy, error) {
			if integration, role, qualified := strings.Cut(from.Role, "/"); qualified {
				from.Integration, from.Role = integration, role
			}
			from.Session = format.value == "session"
			learned, err := c.LearnedPolicy(ctx, given[0], from)
			if err != nil {
				return learned, seeList(err, listAgents)
			}
			return learned, usable(&learned, from.Session)
		},
		func(out output, p api.LearnedPolicy) error {
			a.describeLearned(&p)
			if out.forMachines() {
				return a.encode(out.value, p)
			}
			return a.writeLearned(format.value, &p)
		})
}

// usable returns an error if there is no policy, or no session policy where one is asked for.
func usable(p *api.LearnedPolicy, session bool) error {
	of := p.Integration
	if p.Role != "" {
		of += "/" + p.Role
	}
	switch {
	case p.Calls == 0:
		return rolebroker.Errorf(rolebroker.CodeNotFound, "agent %s sent no calls through the gateway with %s since %s",
			p.Agent, of, p.Since.Format(time.RFC3339)).
			WithHint("only the calls of a connection whose keys are withheld are known: rolebroker agent connect %s %s "+
				"--keys withheld", p.Agent, p.Integration)
	case p.Policy == "":
		return rolebroker.Errorf(rolebroker.CodeNotFound,
			"agent %s sent calls with %s that a learned policy has nothing for: %s", p.Agent, of, refusedWords(p)).
			WithHint("--include puts in what manages permissions, iam:PassRole, or what returns credentials")
	case session && !p.Fits:
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"the policy has %s characters even where each action is for any resource; a session policy has at most 2,048",
			count(int64(p.Characters))).
			WithHint("put the policy of rolebroker agent policy %s on the role itself", p.Agent)
	}
	return nil
}

// refusedWords lists the calls that a policy would refuse.
func refusedWords(p *api.LearnedPolicy) string {
	words := make([]string, len(p.WouldRefuse))
	for i, r := range p.WouldRefuse {
		words[i] = fmt.Sprintf("%s (%s times; %s)", r.Call, count(r.Calls), r.Reason)
	}
	return strings.Join(words, ", ")
}

// describeLearned tells the person what a policy was made of, and what it would refuse.
func (a *app) describeLearned(p *api.LearnedPolicy) {
	a.note("learned from %s calls since %s; the policy has %s characters.", count(p.Calls), a.when(&p.Since),
		count(int64(p.Characters)))
	if p.Newest {
		a.note("earlier calls do not count: only the newest %s do, and the policy refuses what only others needed.",
			count(rolebroker.MaxLearned))
	}
	if words := rolebroker.Widening(p.Wider).InWords(); words != "" {
		a.note("%s.", words)
	}
	for _, r := range p.WouldRefuse {
		a.note("it would have refused %s: %s calls, the last %s; %s.", r.Call, count(r.Calls), a.when(&r.LastAt), r.Reason)
	}
}

func (a *app) writeLearned(format string, p *api.LearnedPolicy) error {
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(p.Policy), "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	if format != "terraform" {
		_, err := a.Stdout.Write(text.Bytes())
		return err
	}
	name := p.Agent
	if p.Role != "" {
		name += "-" + p.Role
	}
	_, err := fmt.Fprintf(a.Stdout, "resource \"aws_iam_policy\" %q {\n  name = %q\n\n  policy = <<-JSON\n%s  JSON\n}\n",
		terraformName(name), name, indented(hclTemplate.Replace(text.String())))
	return err
}

// hclTemplate escapes what begins an interpolation or a directive.
//
// Source: Terraform, "Strings and Templates", "Escape Sequences".
var hclTemplate = strings.NewReplacer("${", "$${", "%{", "%%{")

func indented(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// terraformName is a name as the name of a resource.
func terraformName(name string) string {
	return "agent_" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
}
