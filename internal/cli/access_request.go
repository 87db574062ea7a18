package cli

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const listRequests = "rolebroker request list"

// patience is how long to wait for the decision on an access request; 0 is not at all.
type patience struct{ time.Duration }

// Set implements pflag.Value.
func (p *patience) Set(text string) (err error) {
	if p.Duration, err = time.ParseDuration(text); err != nil || p.Duration < 0 {
		return fmt.Errorf("write a duration, as in 10m")
	}
	return nil
}

// String implements pflag.Value.
func (p *patience) String() string {
	if p.Duration == 0 {
		return ""
	}
	return rolebroker.ShortDuration(p.Duration)
}

// Type implements pflag.Value.
func (*patience) Type() string { return "duration" }

func (p *patience) flag(cmd *cobra.Command, help string) {
	cmd.Flags().Var(p, "wait", help)
}

func newRequest(a *app) *cobra.Command {
	var (
		question api.AccessRequestRequest
		wait     patience
		out      output
	)
	cmd := &cobra.Command{
		Use:         "request [ROLE]",
		Annotations: map[string]string{runs: "yes"},
		Short:       "Ask for a role that needs an approval, and decide what agents ask",
		Long: `Ask, as the agent whose token is given, for a role that needs a person's approval.
ROLE is a role reference; without it, it is the default role. Asking again for the
same role and task returns the same request.

Where a person approves single calls, each call that needs it asks by itself. Once one
was denied, --again asks for that call once more, with a reason.

An approval is for that role and that task only, and its time starts when somebody
approves. --wait waits for the decision; the command then fails if the request is
denied or expires. A request that is interrupted stays: ask again to go on waiting.

People, with an API key, list, approve and deny requests with the commands below. An
agent follows its own requests with list and show.`,
		Example: `  rolebroker request deployer --task release-17 --for 30m --reason "release 17" --wait 10m
  rolebroker request --again req_6mzq7k4vprb2xw3tdn5hjc8ysa --reason "the report needs it" --wait 10m
  rolebroker request list --state pending
  rolebroker request approve req_6mzq7k4vprb2xw3tdn5hjc8ysa --for 10m`,
		RunE: func(cmd *cobra.Command, given []string) error {
			if len(given) == 1 {
				question.Role = given[0]
			}
			if question.Reason == "" {
				return usage("--reason is missing: what the role is needed for, in words that a person can decide by")
			}
			asked, err := a.requestAccess(cmd.Context(), question, wait.Duration)
			if asked.ID == "" {
				return err
			}
			if shown := a.show(out, asked, func() *table { return a.myRequest(asked) }); shown != nil {
				return shown
			}
			return err
		},
		ValidArgsFunction: func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(a.references, typed)
		},
	}
	f := cmd.Flags()
	f.StringVar(&question.Reason, "reason", "", "`TEXT` for the person who decides")
	f.StringVar(&question.Duration, "for", "", "ask for `DURATION`, as in 30m (default 1h)")
	f.StringVar(&question.Again, "again", "", "ask once more for the call of `REQUEST`, with its role and task")
	f.StringVar(&question.Task, "task", "", "`NAME` of the only task that the approval is for")
	wait.flag(cmd, "wait for the decision, at most `DURATION`")
	out.flag(cmd)
	cmd.AddCommand(newRequestList(a), newRequestShow(a), newRequestApprove(a), newRequestDeny(a), newRequestEnd(a))
	return cmd
}

// longPoll is how long one question about the decision waits at most.
const longPoll = 25 * time.Second

// requestAccess asks for a role, and waits for the decision. It returns the request, also with the error that says that
// it is not approved. Codes: approval_required (there is no decision yet), denied (it is denied or over).
func (a *app) requestAccess(
	ctx context.Context, question api.AccessRequestRequest, wait time.Duration,
) (asked api.MyAccessRequest, err error) {
	if asked, err = ask(ctx, a, "asking for access", func(ctx context.Context, c *client.Client) (
		api.MyAccessRequest, error) {
		return c.RequestAccess(ctx, question)
	}); err != nil || wait == 0 {
		return asked, err
	}
	if asked.State == string(rolebroker.RequestPending) {
		a.note("a person has to approve %s: %s", asked.Role, asked.URL)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	deadline := a.Now().Add(wait)
	doing := "waiting for the decision on " + asked.ID
	asked, err = ask(ctx, a, doing, func(ctx context.Context, c *client.Client) (api.MyAccessRequest, error) {
		now := asked
		for now.State == string(rolebroker.RequestPending) && a.Now().Before(deadline) {
			if now, err = c.MyAccessRequest(ctx, asked.ID, min(longPoll, deadline.Sub(a.Now()))); err != nil {
				return asked, err
			}
		}
		return now, nil
	})
	if ctx.Err() != nil {
		return asked, interrupted(asked)
	}
	return asked, cmp.Or(err, undecided(asked))
}

// interrupted is the error of a command that was interrupted while it waited for a decision. Shells give 130 to a
// command that Ctrl-C ends.
func interrupted(asked api.MyAccessRequest) error {
	return codeError{130, rolebroker.Errorf(rolebroker.CodeApproval,
		"interrupted: nobody has decided access request %s yet, and it stays pending until %s", asked.ID,
		asked.ExpiresAt.UTC().Format(time.RFC3339)).
		WithSteps(rolebroker.Step{Text: "the same command goes on waiting; to see the decision:",
			Command: "rolebroker request show " + asked.ID})}
}

// approvalWait holds the flags of a command that waits for an approval before it borrows.
type approvalWait struct {
	wait   patience
	reason string
}

func (w *approvalWait) flags(cmd *cobra.Command) {
	w.wait.flag(cmd, "if the role needs an approval, ask for it and wait at most `DURATION`")
	cmd.Flags().StringVar(&w.reason, "reason", "", "`TEXT` for the person who approves, with --wait")
}

// check refuses one of the flags without the other.
func (w *approvalWait) check() error {
	if (w.wait.Duration == 0) != (w.reason == "") {
		return usage("--wait and --reason go together: how long to wait for an approval, and what the role is needed for")
	}
	return nil
}

// approved asks for the role if it needs an approval, and waits for the decision. A role that the agent may not borrow
// is left to the server to refuse. Codes: approval_required, denied.
func (a *app) approved(ctx context.Context, borrow borrowing, w approvalWait) error {
	if w.wait.Duration == 0 {
		return nil
	}
	offers, err := ask(ctx, a, "reading the roles",
		func(ctx context.Context, c *client.Client) ([]rolebroker.Offer, error) { return c.Roles(ctx) })
	if err != nil {
		return err
	}
	if offer, found := rolebroker.FindOffer(offers, borrow.role); !found || !offer.NeedsApproval {
		return nil
	}
	_, err = a.requestAccess(ctx,
		api.AccessRequestRequest{Role: borrow.role, Task: borrow.task, Reason: w.reason}, w.wait.Duration)
	return err
}

// undecided returns why a request gives no access; nil if it does.
func undecided(r api.MyAccessRequest) error {
	switch r.State {
	case string(rolebroker.RequestApproved):
		return nil
	case string(rolebroker.RequestPending):
		return rolebroker.Errorf(rolebroker.CodeApproval, "nobody has decided access request %s yet", r.ID).
			WithHint("a person decides at %s", r.URL)
	case string(rolebroker.RequestDenied):
		return rolebroker.Errorf(rolebroker.CodeDenied, "%s denied access request %s: %s",
			rolebroker.Quote(r.DecidedBy), r.ID, r.Note)
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "access request %s is %s", r.ID, r.State).
		WithHint("ask again: the same command makes another request")
}

func (a *app) myRequest(r api.MyAccessRequest) *table {
	t := details("id", r.ID, "state", r.State, "role", r.Role, "access", r.Access, "for", r.Duration)
	if r.Task != "" {
		t.add("task:", r.Task)
	}
	if r.Reason != "" { // a server of an earlier version does not say
		t.add("reason:", r.Reason)
	}
	addCalls(t, r.About, r.Call, r.GrantedActions, r.GrantedResources)
	if r.DecidedBy != "" {
		t.add("decided by:", r.DecidedBy)
	}
	if r.Note != "" {
		t.add("note:", r.Note)
	}
	if r.EndsAt != nil {
		t.add("ends:", a.until(*r.EndsAt))
	}
	if r.State == string(rolebroker.RequestPending) {
		t.add("expires:", a.until(r.ExpiresAt))
		t.add("decide at:", r.URL)
	}
	return t
}

func newRequestList(a *app) *cobra.Command {
	var (
		filter api.AccessRequestFilter
		l      listFlags
	)
	const doing = "reading access requests"
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List access requests, newest first",
		Long: `List what agents asked for, newest first. Names are those at that time.

With an agent token, the command lists that agent's own requests, the newest 100.
Below rolebroker exec, it lists those for the roles and the task of the command.

TIME is how long ago, as in 2h or 14d, a date, which begins at midnight in UTC, or
an RFC 3339 time.`,
		Example: `  rolebroker request list --state pending
  rolebroker request list --agent scout --since 14d -o json`,
	}
	f := cmd.Flags()
	f.StringVar(&filter.State, "state", "",
		"show only requests that are `STATE`: pending, approved, denied, expired or ended")
	f.StringVar(&filter.Agent, "agent", "", "show only requests of `AGENT`, by name or ID")
	f.Var(a.timeFlag(&filter.Since), "since", "show only requests made at `TIME` or later")
	complete(cmd, "state", oneOf("pending", "approved", "denied", "expired", "ended"))
	complete(cmd, "agent", a.agentNames)
	l.add(a, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		switch {
		case err != nil:
			return err
		case !c.OfAgent():
			return showList(cmd.Context(), a, l, doing, nil,
				func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.AccessRequest, error] {
					return c.AllAccessRequests(ctx, filter)
				}, a.accessRequestTable)
		case filter.Agent != "" || !filter.Since.IsZero():
			return usage("--agent and --since are for people, with an API key; an agent lists its own newest requests")
		}
		return showList(cmd.Context(), a, l, doing, nil,
			func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.MyAccessRequest, error] {
				return eachOf(c.MyAccessRequests(ctx, filter.State))
			}, a.myRequestTable)
	}
	return cmd
}

// eachOf is the sequence of a list that is read already.
func eachOf[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range all {
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

const noSuchRequest = "There is no such access request."

func (a *app) accessRequestTable(_ []string, requests []api.AccessRequest) *table {
	t := newTable("ID", "AGENT", "ROLE", "ACCESS", "FOR", "TASK", "STATE", "ASKED", "DECIDED BY", "REASON")
	for _, r := range requests {
		t.add(r.ID, r.Agent, r.Integration+"/"+r.Role, cmp.Or(r.GrantedAccess, r.Access),
			cmp.Or(r.GrantedDuration, r.Duration), orDash(r.Task), r.State, a.when(&r.CreatedAt), decider(r), r.Reason)
	}
	return t.ifEmpty(noSuchRequest)
}

func (a *app) myRequestTable(_ []string, requests []api.MyAccessRequest) *table {
	t := newTable("ID", "ROLE", "ACCESS", "FOR", "TASK", "STATE", "ASKED", "DECIDED BY", "REASON")
	for _, r := range requests {
		t.add(r.ID, r.Role, r.Access, r.Duration, orDash(r.Task), r.State, a.when(&r.CreatedAt), orDash(r.DecidedBy),
			r.Reason)
	}
	return t.ifEmpty(noSuchRequest)
}

// decider is who decided a request, and how.
func decider(r api.AccessRequest) string {
	switch {
	case r.BreakGlass:
		return r.DecidedBy + " (broke the glass)"
	case r.ByRule:
		return "rule " + r.DecidedBy
	}
	return orDash(r.DecidedBy)
}

// showAccessRequest shows one request.
func (a *app) showAccessRequest(out output, r api.AccessRequest) error {
	return a.show(out, r, func() *table {
		t := details("id", r.ID, "state", r.State, "agent", r.Agent, "role", r.Integration+"/"+r.Role, "access", r.Access,
			"for", r.Duration, "task", orDash(r.Task), "reason", r.Reason, "asked", a.when(&r.CreatedAt))
		addCalls(t, r.About, r.Call, r.GrantedActions, r.GrantedResources)
		if r.State == string(rolebroker.RequestPending) {
			t.add("expires:", a.until(r.ExpiresAt))
		}
		if r.DecidedAt != nil {
			t.add("decided by:", decider(r)+", "+a.when(r.DecidedAt))
		}
		if r.GrantedDuration != "" {
			t.add("granted:", r.GrantedAccess+" for "+r.GrantedDuration)
		}
		switch {
		case r.EndedAt != nil:
			t.add("ended by:", r.EndedBy+", "+a.when(r.EndedAt))
			if !rolebroker.Approval(r.About).IsOfCalls() && r.EndsAt != nil && a.Now().Before(*r.EndsAt) {
				t.add("keys work:", "those lent before, until "+a.until(*r.EndsAt))
			}
		case r.EndsAt != nil:
			t.add("ends:", a.until(*r.EndsAt))
		}
		if r.Note != "" {
			t.add("note:", r.Note)
		}
		return t
	})
}

// addCalls adds what a request about calls is about.
func addCalls(t *table, about string, call *api.AskedCall, actions, resources []string) {
	switch rolebroker.Approval(about) {
	case rolebroker.ApprovalWrite:
		t.add("about:", "what the agent changes with the role; it may read without an approval")
	case rolebroker.ApprovalCall:
		t.add("about:", "what the agent calls with the role, but for what its exempt policy allows")
	default:
		return
	}
	if call != nil {
		t.add("call:", call.Summary)
		t.add("as a call:", call.Service+" "+call.Operation+", in "+call.Region+", of the level "+call.Level)
	}
	if actions != nil {
		t.add("only actions:", strings.Join(actions, " "))
	}
	if resources != nil {
		t.add("only on:", strings.Join(resources, " "))
	}
}

// aboutRequest makes a command about the request that its argument names.
func aboutRequest(a *app, cmd *cobra.Command, doing string,
	do func(ctx context.Context, c *client.Client, id string) (api.AccessRequest, error)) *cobra.Command {
	a.completeRequests(cmd)
	return asking(a, cmd, doing, func(ctx context.Context, c *client.Client, given []string) (api.AccessRequest, error) {
		r, err := do(ctx, c, given[0])
		return r, seeList(err, listRequests)
	}, a.showAccessRequest)
}

// completeRequests completes the argument of cmd with the requests that wait for a decision.
func (a *app) completeRequests(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(a.openRequestIDs, typed)
	}
}

// openRequestIDs finds the requests that wait for a decision.
func (a *app) openRequestIDs(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		if c.OfAgent() {
			own, err := c.MyAccessRequests(ctx, string(rolebroker.RequestPending))
			return words(api.List[api.MyAccessRequest]{Items: own}, err, func(r api.MyAccessRequest) string { return r.ID })
		}
		page, err := c.AccessRequests(ctx, api.AccessRequestFilter{State: string(rolebroker.RequestPending)}, client.List{})
		return words(page, err, func(r api.AccessRequest) string { return r.ID })
	})
}

// shownRequest is an access request as people see it, or as the agent that made it does.
type shownRequest struct {
	people api.AccessRequest
	mine   *api.MyAccessRequest // nil: people ask
}

func newRequestShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show REQUEST",
		Short: "Show an access request",
		Long: `Show an access request: what the agent asked for, and what became of it. With an agent
token, the command shows requests of that agent only.`,
		Example: `  rolebroker request show req_6mzq7k4vprb2xw3tdn5hjc8ysa`,
	}
	a.completeRequests(cmd)
	return asking(a, cmd, "reading the access request", readRequest, func(out output, r shownRequest) error {
		if r.mine == nil {
			return a.showAccessRequest(out, r.people)
		}
		return a.show(out, r.mine, func() *table { return a.myRequest(*r.mine) })
	})
}

// readRequest reads the request that an argument names, as the owner of the token may see it.
func readRequest(ctx context.Context, c *client.Client, given []string) (shown shownRequest, err error) {
	if c.OfAgent() {
		mine, err := c.MyAccessRequest(ctx, given[0], 0)
		return shownRequest{mine: &mine}, seeList(err, listRequests)
	}
	shown.people, err = c.AccessRequest(ctx, given[0])
	return shown, seeList(err, listRequests)
}

func newRequestApprove(a *app) *cobra.Command {
	var with api.ApproveRequest
	cmd := &cobra.Command{
		Use:   "approve REQUEST",
		Short: "Approve an access request",
		Long: `Approve an access request. The agent may then borrow that role for that task, from now
until the time is over. An approval can be shorter and narrower than what the agent
asked for, and never longer or wider.

On a connection with approval write or call, a request is about a call. It is approved for
the IAM actions and resources of that call, and for any resource if the call does not
name all of them; with --action and --resource, for those that you name; with
--all-calls, for all that the agent changes or calls with the role for the task. A
request of the agent's own, which is about no call, is approved for all of it.

The API key that owns the agent does not approve. If nobody else can in time,
--break-glass does, with --note for the reason; the record says so.`,
		Example: `  rolebroker request approve req_6mzq7k4vprb2xw3tdn5hjc8ysa --for 10m --access read-only

  # only one action on one table, of all that the agent wants to do
  rolebroker request approve req_6mzq7k4vprb2xw3tdn5hjc8ysa --action dynamodb:PutItem \
    --resource arn:aws:dynamodb:eu-west-1:444455556666:table/jobs`,
	}
	f := cmd.Flags()
	f.BoolVar(&with.AllCalls, "all-calls", false, "approve all calls of the task, and not only the one that asked")
	f.StringArrayVar(&with.Actions, "action", nil, "approve only the IAM `ACTION`, as in dynamodb:PutItem (repeatable)")
	f.StringArrayVar(&with.Resources, "resource", nil, "approve only the resource `ARN`, where * is any text (repeatable)")
	cmd.MarkFlagsMutuallyExclusive("all-calls", "action")
	cmd.MarkFlagsMutuallyExclusive("all-calls", "resource")
	f.StringVar(&with.Duration, "for", "", "approve it for `DURATION`, as in 10m (default as long as asked)")
	f.StringVar(&with.Access, "access", "", "grant the narrower `ACCESS` only: read-only or view-only")
	f.StringVar(&with.Note, "note", "", "`TEXT` for the record and the agent")
	f.BoolVar(&with.BreakGlass, "break-glass", false, "approve it although your key owns the agent")
	complete(cmd, "access", oneOf("read-only", "view-only"))
	return aboutRequest(a, cmd, "approving the request",
		func(ctx context.Context, c *client.Client, id string) (api.AccessRequest, error) {
			return c.ApproveRequest(ctx, id, with)
		})
}

func newRequestDeny(a *app) *cobra.Command {
	var with api.DenyRequest
	cmd := &cobra.Command{
		Use:     "deny REQUEST",
		Short:   "Deny an access request",
		Long:    `Deny an access request. The agent sees the reason.`,
		Example: `  rolebroker request deny req_6mzq7k4vprb2xw3tdn5hjc8ysa --reason "not before Monday"`,
	}
	cmd.Flags().StringVar(&with.Reason, "reason", "", "`TEXT` that the agent sees")
	return aboutRequest(a, cmd, "denying the request",
		func(ctx context.Context, c *client.Client, id string) (api.AccessRequest, error) {
			if with.Reason == "" {
				return api.AccessRequest{}, usage("--reason is missing: the agent and its people see it")
			}
			return c.DenyRequest(ctx, id, with)
		})
}

func newRequestEnd(a *app) *cobra.Command {
	return aboutRequest(a, &cobra.Command{
		Use:   "end REQUEST",
		Short: "End what was granted before its time",
		Long: `End a grant before its time. The agent's next request is refused, on every server and
runner. Credentials that it has work in AWS until the grant would have ended:
rolebroker session list --request REQUEST shows which, and rolebroker session end
SESSION prints what ends them earlier.`,
		Example: `  rolebroker request end req_6mzq7k4vprb2xw3tdn5hjc8ysa`,
	}, "ending the grant", func(ctx context.Context, c *client.Client, id string) (api.AccessRequest, error) {
		return c.EndRequest(ctx, id)
	})
}
