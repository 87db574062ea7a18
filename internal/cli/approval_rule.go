package cli

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

const listRules = "rolebroker approval-rule list"

func ruleOf(ctx context.Context, c *client.Client, nameOrID string) (api.ApprovalRule, error) {
	rule, err := c.ApprovalRule(ctx, nameOrID)
	return rule, seeList(err, listRules)
}

func newApprovalRule(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "approval-rule",
		Short: "Manage the rules that approve access requests",
		Long: `Manage the rules that approve what nobody has to look at, as soon as an agent asks for
it. The request names the rule that approved it, and each use is an audit event.
Making and deleting rules needs an admin key.`,
		Example: `  rolebroker approval-rule create staging-reads --integration staging --access read-only \
    --reason "reading staging harms nobody"
  rolebroker approval-rule list`,
	}, newApprovalRuleList(a), newApprovalRuleShow(a), newApprovalRuleCreate(a), newApprovalRuleUpdate(a),
		newApprovalRuleDelete(a))
}

func newApprovalRuleList(a *app) *cobra.Command {
	return listing(a, &cobra.Command{
		Use:   "list",
		Short: "List approval rules",
		Long: `List approval rules, sorted by name. A rule is about requests that match all of AGENT,
ROLE and ACCESS, for no longer than UP TO. ACCESS includes narrower ones.`,
		Example: `  rolebroker approval-rule list`,
	}, "reading approval rules",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.ApprovalRule, error] {
			return c.AllApprovalRules(ctx)
		},
		func(_ []string, rules []api.ApprovalRule) *table {
			t := newTable("NAME", "STATE", "AGENT", "ROLE", "ACCESS", "UP TO", "UNTIL", "REASON")
			for _, r := range rules {
				t.add(r.Name, a.ruleState(r), ruleAgent(r), ruleRole(r), cmp.Or(r.Access, "any"), r.MaxDuration,
					a.when(r.Until), r.Reason)
			}
			return t.ifEmpty("There are no approval rules: a person decides every access request.")
		})
}

// ruleState says whether a rule approves anything.
func (a *app) ruleState(r api.ApprovalRule) string {
	switch {
	case !r.Enabled:
		return "disabled"
	case r.Until != nil && !a.Now().Before(*r.Until):
		return "over"
	case ofDeleted(r.Agent, r.AgentID) || ofDeleted(r.Integration, r.IntegrationID) || ofDeleted(r.Role, r.RoleID):
		return "idle" // what it is about was deleted
	}
	return "active"
}

// ofDeleted reports whether an ID is that of something that was deleted: it has no name any more.
func ofDeleted(name, id string) bool { return name == "" && id != "" }

// named is the name of what a rule is about; of what was deleted it is the ID.
func named(name, id string) string {
	if ofDeleted(name, id) {
		return id + " (deleted)"
	}
	return cmp.Or(name, "any")
}

func ruleAgent(r api.ApprovalRule) string { return named(r.Agent, r.AgentID) }

func ruleRole(r api.ApprovalRule) string {
	if r.RoleID == "" && r.IntegrationID == "" {
		return "any"
	}
	return named(r.Integration, r.IntegrationID) + "/" + named(r.Role, r.RoleID)
}

func newApprovalRuleShow(a *app) *cobra.Command {
	return showing(a, &cobra.Command{
		Use:     "show RULE",
		Short:   "Show an approval rule",
		Long:    `Show an approval rule, by its name or ID.`,
		Example: `  rolebroker approval-rule show staging-reads`,
	}, "approval rule", ruleOf, a.showRule)
}

func (a *app) showRule(out output, r api.ApprovalRule) error {
	return a.show(out, r, func() *table {
		return details("name", r.Name, "id", r.ID, "state", a.ruleState(r), "agent", ruleAgent(r), "role", ruleRole(r),
			"access", cmp.Or(r.Access, "any"), "up to", r.MaxDuration, "until", a.when(r.Until), "reason", r.Reason,
			"created", a.when(&r.CreatedAt), "updated", a.when(&r.UpdatedAt))
	})
}

// ruleFlags are what a rule is made of.
type ruleFlags struct {
	api.ApprovalRuleRequest
	until      time.Time
	everything bool
}

func (r *ruleFlags) add(a *app, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&r.Reason, "reason", "", "`TEXT`: why nobody has to look at these requests")
	f.StringVar(&r.Agent, "agent", "", "only requests of `AGENT`, by name or ID")
	f.StringVar(&r.Integration, "integration", "", "only requests for roles of `INTEGRATION`, by name or ID")
	f.StringVar(&r.Role, "role", "", "only requests for `ROLE`: integration/role, or a name with --integration")
	f.StringVar(&r.Access, "access", "",
		"only requests for `ACCESS` or a narrower one: full, read-only, view-only or policy")
	f.StringVar(&r.MaxDuration, "max-duration", "", "only requests for at most `DURATION`, as in 30m (default 1h)")
	f.BoolVar(&r.everything, "everything", false, "approve every request of every agent, up to --max-duration")
	complete(cmd, "agent", a.agentNames)
	complete(cmd, "integration", a.integrationNames)
	complete(cmd, "role", a.qualifiedRoles)
	complete(cmd, "access", oneOf("full", "read-only", "view-only", "policy"))
}

func newApprovalRuleCreate(a *app) *cobra.Command {
	var rule ruleFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create an approval rule",
		Long: `Create a rule that approves access requests as soon as agents ask. It approves requests
that match all of --agent, --integration, --role and --access. A request for longer
than --max-duration waits for a person. --access includes narrower accesses. Of a request to
change something, a rule approves all changes of the task.

TIME is how long from now, as in 12h or 30d, a date, which begins at midnight in UTC,
or an RFC 3339 time.`,
		Example: `  rolebroker approval-rule create staging-reads --integration staging --access read-only \
    --reason "reading staging harms nobody"
  rolebroker approval-rule create release-week --agent scout --role production/deployer \
    --max-duration 30m --until 7d --reason "release 17, as decided on Monday"`,
		PreRunE: func(_ *cobra.Command, given []string) error {
			rule.Name = given[0]
			if !rule.until.IsZero() {
				rule.Until = &rule.until
			}
			return rule.check()
		},
	}
	rule.add(a, cmd)
	cmd.Flags().Var(laterFlag{at: &rule.until, now: a.Now}, "until", "end the rule at `TIME` (default never)")
	return asking(a, cmd, "creating the approval rule",
		func(ctx context.Context, c *client.Client, _ []string) (api.ApprovalRule, error) {
			return c.CreateApprovalRule(ctx, rule.ApprovalRuleRequest)
		}, a.showRule)
}

func newApprovalRuleUpdate(a *app) *cobra.Command {
	var (
		given    ruleFlags
		name     string
		disabled bool
	)
	cmd := &cobra.Command{
		Use:   "update RULE",
		Short: "Change an approval rule",
		Long: `Change the given settings of an approval rule and leave the others as they are. If
someone else changes the rule at the same time, the command fails and changes nothing.
An empty --agent, --integration, --role or --access no longer narrows the rule.

A disabled rule approves nothing. What a rule approved stays approved until it ends.`,
		Example: `  rolebroker approval-rule update release-week --max-duration 20m --until 14d
  rolebroker approval-rule update release-week --disabled
  rolebroker approval-rule update staging-reads --until never`,
	}
	given.add(a, cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "rename it to `NAME`")
	f.BoolVar(&disabled, "disabled", false, "approve nothing by it; --disabled=false approves again")
	f.Var(laterFlag{at: &given.until, now: a.Now, never: true}, "until", "end the rule at `TIME`, or never")
	return asking(a, cmd, "changing the approval rule",
		func(ctx context.Context, c *client.Client, args []string) (api.ApprovalRule, error) {
			now, err := ruleOf(ctx, c, args[0])
			if err != nil {
				return now, err
			}
			rule := ruleFlags{ApprovalRuleRequest: convert.ApprovalRuleRequest(now)}
			wide := !rule.isNarrow()
			rule.change(given, cmd.Flags().Changed)
			rule.everything = given.everything || wide && !rule.isNarrow()
			set(&rule.Name, name, cmd.Flags().Changed("name"))
			if enabled := !disabled; cmd.Flags().Changed("disabled") {
				rule.Enabled = &enabled
			}
			if err := rule.check(); err != nil {
				return now, err
			}
			return c.UpdateApprovalRule(ctx, now.ID, rule.ApprovalRuleRequest, now.ETag())
		}, a.showRule)
}

// change takes over what the command line gives. A name that changes has another ID.
func (r *ruleFlags) change(given ruleFlags, changed func(flag string) bool) {
	set(&r.Reason, given.Reason, changed("reason"))
	set(&r.Access, given.Access, changed("access"))
	set(&r.MaxDuration, given.MaxDuration, changed("max-duration"))
	if changed("agent") {
		r.Agent, r.AgentID = given.Agent, ""
	}
	if changed("integration") {
		r.Integration, r.IntegrationID, r.RoleID = given.Integration, "", ""
	}
	if changed("role") {
		r.Role, r.RoleID = given.Role, ""
		if strings.Contains(given.Role, "/") && !changed("integration") {
			r.Integration, r.IntegrationID = "", ""
		}
	}
	switch {
	case !changed("until"):
	case given.until.IsZero():
		r.Until = nil
	default:
		r.Until = &given.until
	}
}

// isNarrow reports whether the rule is not about everything.
func (r *ruleFlags) isNarrow() bool { return r.Agent+r.Integration+r.Role+r.Access != "" }

// check takes a role with its integration apart, and refuses a rule about everything unless that is asked for.
func (r *ruleFlags) check() error {
	if r.Reason == "" {
		return usage("--reason is missing: why nobody has to look at these requests")
	}
	if in, role, qualified := strings.Cut(r.Role, "/"); qualified {
		if r.Integration != "" && r.Integration != in {
			return usage("--integration is %s, but --role is of %s", rolebroker.Quote(r.Integration),
				rolebroker.Quote(in))
		}
		r.Integration, r.Role = in, role
	}
	switch narrow := r.isNarrow(); {
	case r.Role != "" && r.Integration == "":
		return usage("--role is without its integration: write --role INTEGRATION/%s", rolebroker.ShellWord(r.Role))
	case !narrow && !r.everything:
		return usage("the rule would approve every request of every agent: narrow it with --agent, --integration, --role " +
			"or --access; or confirm it with --everything")
	case narrow && r.everything:
		return usage("--everything goes with none of --agent, --integration, --role and --access")
	}
	return nil
}

func newApprovalRuleDelete(a *app) *cobra.Command {
	return deleting(a, &cobra.Command{
		Use:   "delete RULE",
		Short: "Delete an approval rule",
		Long: `Delete an approval rule, by its name or ID. What it approved stays approved until it
ends: rolebroker request list --state approved lists that.`,
		Example: `  rolebroker approval-rule delete release-week`,
	}, deletion[api.ApprovalRule]{
		kind:    "approval rule",
		find:    ruleOf,
		confirm: func(r api.ApprovalRule) string { return "Delete the approval rule " + r.Name + "? " + stillApproved },
		remove: func(ctx context.Context, c *client.Client, r api.ApprovalRule) error {
			return c.DeleteApprovalRule(ctx, r.ID, r.ETag())
		},
		done: func(r api.ApprovalRule) {
			a.note("deleted approval rule %s. %s To list it: rolebroker request list --state approved", r.Name, stillApproved)
		},
	})
}

const stillApproved = "What it approved stays approved until it ends."

// ruleNames finds the names of all approval rules.
func (a *app) ruleNames(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) (names []string, err error) {
		for rule, err := range c.AllApprovalRules(ctx) {
			if err != nil {
				return names, err
			}
			names = append(names, rule.Name)
		}
		return names, nil
	})
}
