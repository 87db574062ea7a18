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
	"github.com/rolebroker/rolebroker/internal/convert"
)

// limiting holds the flags that limit a connection.
type limiting struct {
	access, keys, approval choice
	policy                 string   // a file
	exempt                 string   // a file
	buckets                []string // that the agent reads without an approval
	fromCalls              bool
	only                   []string
	all                    bool
	allowed                []string // actions that return credentials
	none                   bool     // of these
}

func newAgentConnect(a *app) *cobra.Command {
	var l limiting
	cmd := &cobra.Command{
		Use:   "connect AGENT INTEGRATION",
		Short: "Let an agent borrow from an integration",
		Long: `Let an agent borrow the roles of an integration, or change what it may do with them.

The first integration that an agent is connected to becomes its default integration.
Connecting it again changes what the flags say, and nothing else.

--access is what the agent may do with the roles. AWS enforces it: it is sent as a
session policy whenever a role is assumed.
  full       Everything that the role allows.
  read-only  What AWS's ReadOnlyAccess allows too, but nothing that returns credentials.
  view-only  What AWS's ViewOnlyAccess allows too: to list, and hardly any data.
  policy     What the policy of --session-policy, or that of --from-calls, allows too.

--approval is what a person has to approve.
  none    Nothing.
  borrow  Using a role.
  write   Each change; reads pass. With --keys withheld.
  call    Each call, but for those that the policy of --exempt-policy allows, or that read
          a bucket of --exempt-bucket. With --keys withheld.

A change takes effect at the agent's next request. Credentials that were lent before
keep working until they expire.`,
		Example: `  rolebroker agent connect scout production --access read-only
  rolebroker agent connect scout production --only-role readonly --only-role auditor
  rolebroker agent connect scout production --session-policy policy.json
  rolebroker agent connect scout production --from-calls

  # it reads one bucket, and a person approves each other call
  rolebroker agent connect scout production --keys withheld --approval call --exempt-bucket reports

  rolebroker agent connect scout production --access full --all-roles`,
	}
	l.flags(cmd, a)
	return asking(a, cmd, "connecting the agent",
		func(ctx context.Context, c *client.Client, given []string) (api.Agent, error) {
			agent, err := agentOf(ctx, c, given[0])
			if err != nil {
				return agent, err
			}
			if !l.given(cmd) {
				agent, err = c.Connect(ctx, agent.ID, given[1])
				return agent, seeList(err, listIntegrations)
			}
			in, err := c.Integration(ctx, given[1])
			if err != nil {
				return agent, seeList(err, listIntegrations)
			}
			limits, err := l.limits(cmd, a, agent, in)
			if err == nil && l.fromCalls {
				err = l.learn(ctx, a, c, agent, in.ID, &limits)
			}
			if err != nil {
				return agent, err
			}
			agent, err = c.Limit(ctx, agent.ID, in.ID, limits, agent.ETag())
			return agent, renaming(err, "roles", func(int, string) string { return "--only-role" })
		}, a.showAgent)
}

func (l *limiting) flags(cmd *cobra.Command, a *app) {
	words := func(all []string) string { return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1] }
	accesses, approvals := stringsOf(rolebroker.Accesses()), stringsOf(rolebroker.Approvals())
	l.access.flag(cmd, "access", "", "let the agent do `ACCESS`: "+words(accesses), accesses...)
	cmd.Flags().StringVar(&l.policy, "session-policy", "",
		"the IAM policy in `FILE`, as JSON; - is stdin; implies --access policy")
	cmd.Flags().BoolVar(&l.fromCalls, "from-calls", false, "let it do what its calls of the last 30 days needed; "+
		"implies --access policy")
	cmd.Flags().StringArrayVar(&l.only, "only-role", nil, "let the agent borrow only `ROLE`; can be repeated")
	cmd.Flags().BoolVar(&l.all, "all-roles", false, "let the agent borrow every role of the integration")
	l.keys.flag(cmd, "keys", "", "AWS `KEYS` are lent to the agent, or withheld: only the gateway has them",
		stringsOf(rolebroker.AllKeys())...)
	cmd.Flags().StringArrayVar(&l.allowed, "allow-action", nil,
		"send `ACTION` though it returns credentials, as in sts:AssumeRole; can be repeated")
	cmd.Flags().BoolVar(&l.none, "allow-no-action", false, "have the gateway send nothing that returns credentials")
	l.approval.flag(cmd, "approval", "", "have a person approve `WHAT`: "+words(approvals), approvals...)
	cmd.Flags().StringVar(&l.exempt, "exempt-policy", "", "the IAM policy in `FILE`, as JSON, allows what needs no approval; "+
		"- is stdin")
	cmd.Flags().StringArrayVar(&l.buckets, "exempt-bucket", nil,
		"let it read the S3 bucket `NAME` without an approval; can be repeated")
	for _, name := range []string{"access", "keys", "approval"} { // without it, what there is stays
		cmd.Flags().Lookup(name).DefValue = ""
	}
	cmd.MarkFlagsMutuallyExclusive("only-role", "all-roles")
	cmd.MarkFlagsMutuallyExclusive("session-policy", "from-calls")
	cmd.MarkFlagsMutuallyExclusive("allow-action", "allow-no-action")
	cmd.MarkFlagsMutuallyExclusive("exempt-policy", "exempt-bucket")
	a.completeRoles(cmd, "only-role")
}

func stringsOf[T ~string](all []T) (words []string) {
	for _, one := range all {
		words = append(words, string(one))
	}
	return words
}

// given reports whether a flag limits the connection, or takes a limit away.
func (l *limiting) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"access", "session-policy", "from-calls", "only-role", "all-roles", "keys", "approval",
		"exempt-policy", "exempt-bucket", "allow-action", "allow-no-action"}, cmd.Flags().Changed)
}

// limits returns what a connection of the agent is limited to after the command.
func (l *limiting) limits(cmd *cobra.Command, a *app, agent api.Agent, in api.Integration) (
	limits api.LimitsRequest, _ error) {
	for _, c := range agent.Connections {
		if c.Integration == in.Name {
			limits = convert.LimitsRequest(c)
		}
	}
	changed := cmd.Flags().Changed
	if changed("session-policy") {
		policy, err := readPolicy(a, l.policy, "the session policy", rolebroker.ParseSessionPolicy)
		if err != nil {
			return limits, err
		}
		limits.Access, limits.SessionPolicy = string(rolebroker.AccessPolicy), policy
	}
	if changed("access") && l.fromCalls && l.access.value != string(rolebroker.AccessPolicy) {
		return limits, usage("--from-calls is for --access policy")
	}
	if changed("access") {
		limits.Access = l.access.value
		if limits.Access != string(rolebroker.AccessPolicy) && !changed("session-policy") {
			limits.SessionPolicy = ""
		}
	}
	if changed("only-role") {
		limits.Roles = &l.only
	}
	if l.all {
		limits.Roles = nil
	}
	if changed("keys") {
		limits.Keys = l.keys.value
	}
	if changed("allow-action") {
		limits.AllowedActions = l.allowed
	} else if l.none || l.keys.value == string(rolebroker.KeysLent) { // they are of withheld keys
		limits.AllowedActions = nil
	}
	if changed("approval") {
		limits.Approval = l.approval.value
	}
	if limits.Approval != string(rolebroker.ApprovalCall) && !changed("exempt-policy") && !changed("exempt-bucket") {
		limits.ExemptPolicy = "" // it belongs to the call approval
	}
	return limits, l.exemptions(cmd, a, in, &limits)
}

// exemptions sets what needs no approval.
func (l *limiting) exemptions(cmd *cobra.Command, a *app, in api.Integration, limits *api.LimitsRequest) error {
	var err error
	switch {
	case cmd.Flags().Changed("exempt-policy"):
		limits.ExemptPolicy, err = readPolicy(a, l.exempt, "the exempt policy", rolebroker.ParseExemptPolicy)
	case cmd.Flags().Changed("exempt-bucket"):
		var policy string
		policy, err = rolebroker.ReadBuckets(partitionOf(in), l.buckets)
		limits.ExemptPolicy = api.Policy(policy)
	}
	return err
}

// partitionOf is the partition of the roles of an integration.
func partitionOf(in api.Integration) string {
	for _, r := range in.Roles {
		if arn, err := rolebroker.ParseRoleARN(r.ARN); err == nil {
			return arn.Partition
		}
	}
	return "aws"
}

// readPolicy reads a policy from a file; - is stdin.
func readPolicy(a *app, file, what string, parse func(string) (string, []rolebroker.Field)) (api.Policy, error) {
	_, text, err := readText(file, a.stdin())
	if err != nil {
		return "", err
	}
	policy, wrong := parse(string(text))
	if len(wrong) > 0 {
		return "", &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: what + " is not valid",
			Fields: below(file, wrong)}
	}
	return api.Policy(policy), nil
}

// learn limits the connection to what the agent's calls need.
func (l *limiting) learn(ctx context.Context, a *app, c *client.Client, agent api.Agent, integration string,
	limits *api.LimitsRequest) error {
	learned, err := c.LearnedPolicy(ctx, agent.ID, api.Learning{Integration: integration, Session: true})
	if err == nil {
		err = usable(&learned, true)
	}
	if err != nil {
		return err
	}
	a.describeLearned(&learned)
	limits.Access, limits.SessionPolicy = string(rolebroker.AccessPolicy), learned.Policy
	return nil
}

// below puts wrong elements of a policy below the name of its file.
func below(file string, wrong []rolebroker.Field) []rolebroker.Field {
	if file == "-" {
		file = "stdin"
	}
	for i := range wrong {
		wrong[i].Path = strings.TrimSuffix(file+": "+strings.TrimPrefix(wrong[i].Path, "."), ": ")
	}
	return wrong
}

// limitWords describes what limits a connection, as in "access read-only, roles readonly".
func limitWords(l *api.LimitsRequest) string {
	access := l.Access
	if access == "" {
		access = string(rolebroker.AccessFull)
	}
	words := []string{"access " + access}
	if l.SessionPolicy != "" {
		policy, _ := rolebroker.ParseSessionPolicy(string(l.SessionPolicy))
		words = append(words, fmt.Sprintf("a session policy of %d characters (SHA-256 %.12s)", len(policy),
			rolebroker.HashPolicy(policy)))
	}
	if l.Roles != nil {
		words = append(words, "roles "+roleWords(*l.Roles))
	}
	if l.Keys != "" && l.Keys != string(rolebroker.KeysLent) {
		words = append(words, "keys "+l.Keys)
	}
	if len(l.AllowedActions) > 0 {
		words = append(words, "allowed actions "+strings.Join(l.AllowedActions, " "))
	}
	if l.Approval != "" && l.Approval != string(rolebroker.ApprovalNone) {
		words = append(words, "approval "+l.Approval)
	}
	if l.ExemptPolicy != "" {
		policy, _ := rolebroker.ParseExemptPolicy(string(l.ExemptPolicy))
		words = append(words, fmt.Sprintf("an exempt policy of %d characters (SHA-256 %.12s)", len(policy),
			rolebroker.HashPolicy(policy)))
	}
	return strings.Join(words, ", ")
}

// roleWords lists the roles that a connection is limited to; nil: all.
func roleWords(names []string) string {
	switch {
	case names == nil:
		return "all"
	case len(names) == 0:
		return "none"
	}
	return strings.Join(names, " ")
}

func newAgentDisconnect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disconnect AGENT INTEGRATION",
		Short: "Stop an agent from borrowing from an integration",
		Long: `Stop an agent from borrowing the roles of an integration. This takes effect at its
next request; credentials that were lent before keep working until they expire.

If the integration is the agent's default integration, the agent has no default
until you choose another one.`,
		Example: `  rolebroker agent disconnect scout production`,
	}
	completeArgs(cmd, anyway(a.agentNames), a.connectedNames)
	return revoking(a, cmd, revocation{
		doing: "disconnecting the agent",
		list:  "rolebroker agent show %s",
		remove: func(ctx context.Context, c *client.Client, agent api.Agent, integration string) error {
			return c.Disconnect(ctx, agent.ID, integration)
		},
		done: func(agent api.Agent, integration string) string {
			return "agent " + agent.Name + " cannot borrow from " + integration + " any more"
		},
	})
}
