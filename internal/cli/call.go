package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const listCalls = "rolebroker call list"

func newCall(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "call",
		Short: "See what agents asked AWS through the gateway",
		Long: `See what agents whose AWS keys are withheld asked AWS, and what was refused. The gateway
records each request, one that may change something before AWS gets it.`,
		Example: `  rolebroker call list --agent scout --since 1h
  rolebroker call list --denied`,
	}, newCallList(a), newCallShow(a), newCallExport(a))
}

func newCallList(a *app) *cobra.Command {
	var (
		filter  api.CallFilter
		denied  bool
		doing   = "reading calls"
		l       listFlags
		cmd     *cobra.Command
		choices = map[string][]string{"level": {"list", "read", "tagging", "write", "permissions"}}
	)
	cmd = &cobra.Command{
		Use:   "list",
		Short: "List calls, newest first",
		Long: `List the calls to AWS that went through the gateway, or were refused there, newest first.

LEVEL is the access level that AWS publishes for the operation: list, read, tagging,
write or permissions. What is not known has the highest. ANSWER is the HTTP status of
AWS's answer. It is "refused" if the gateway did not send the call, "none" if no answer
came, and "unknown" if the call is under way or the server ended before it had the
outcome: in both cases AWS may have done it. It is "handed out" for an AWS token, of
which nobody here sees the use. CloudTrail has the same AWS REQUEST ID.

A call that only reads is listed within a second. One that is refused again and again is
one line a minute, with how often.

With an agent token, the command lists that agent's own calls. Below rolebroker exec it
lists those with the roles and for the task of that exec.

TIME is how long ago, as in 2h or 14d, a date, which begins at midnight in UTC, or
an RFC 3339 time.`,
		Example: `  # what an agent changed today
  rolebroker call list --agent scout --level write --since 24h

  # what was refused, for a script
  rolebroker call list --denied -o json

  # what one session was used for
  rolebroker call list --session ses_3mzq7k4vprb5xw2tdn6hjc8ysa

  # who deleted items of a table
  rolebroker call list --service dynamodb --operation DeleteItem --since 14d`,
	}
	f := cmd.Flags()
	f.StringVar(&filter.Agent, "agent", "", "show only calls of `AGENT`, by name or ID")
	f.StringVar(&filter.Role, "role", "", "show only calls with `ROLE`: integration/role, name, ID or ARN")
	f.StringVar(&filter.Session, "session", "", "show only calls of the session with this `ID`")
	f.StringVar(&filter.Request, "request", "", "show only calls under the approval of `REQUEST`, by its ID")
	f.StringVar(&filter.Service, "service", "", "show only calls of `SERVICE`, as in dynamodb")
	f.StringVar(&filter.Operation, "operation", "", "show only calls of `OPERATION`, as in PutItem")
	f.StringVar(&filter.Level, "level", "", "show only calls of `LEVEL`: "+strings.Join(choices["level"], ", "))
	f.BoolVar(&denied, "denied", false, "show only calls that were refused")
	f.Var(a.timeFlag(&filter.Since), "since", "show only calls at `TIME` or later")
	f.Var(a.timeFlag(&filter.Until), "until", "show only calls before `TIME`")
	complete(cmd, "agent", a.agentNames)
	complete(cmd, "role", a.qualifiedRoles)
	complete(cmd, "level", oneOf(choices["level"]...))
	l.add(a, cmd)
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return nil } // below exec, too
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if denied {
			filter.Decision = "refused"
		}
		c, err := a.client()
		switch {
		case err != nil:
			return err
		case c.OfAgent() && (filter.Agent != "" || filter.Role != ""):
			return usage("--agent and --role are for people, with an API key; an agent lists its own calls")
		}
		return showList(cmd.Context(), a, l, doing, given,
			func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.Call, error] {
				return c.AllCalls(ctx, filter)
			},
			func(_ []string, calls []api.Call) *table {
				if filter == (api.CallFilter{}) {
					return a.callTable(calls).ifEmpty("There are no calls yet.")
				}
				return a.callTable(calls).ifEmpty("No call matches.")
			})
	}
	return cmd
}

func (a *app) callTable(calls []api.Call) *table {
	header := []string{"TIME", "AGENT", "ROLE", "CALL", "LEVEL", "RESOURCES", "ANSWER"}
	if a.wide {
		header = append(header, "ID", "TASK", "REGION", "ADDRESS", "SESSION", "REQUEST", "AWS REQUEST ID", "IN", "OUT")
	}
	t := newTable(append(header, "NOTE")...)
	for _, c := range calls {
		cells := []string{a.when(&c.BeganAt), cmp.Or(c.Agent, c.AgentID), roleOfCall(c), operationOf(c), c.Level,
			orDash(strings.Join(shortened(c.Resources), " ")), answerOf(c)}
		if a.wide {
			cells = append(cells, c.ID, orDash(c.Task), c.Region, orDash(c.Address), orDash(c.Session),
				orDash(c.AccessRequest), orDash(c.RequestID), count(c.BytesIn), count(c.BytesOut))
		}
		note, _, _ := strings.Cut(c.Reason, "; hint: ")
		if c.Times > 1 {
			note = count(c.Times) + " times: " + note
		}
		t.add(append(cells, note)...)
	}
	return t
}

// roleOfCall is integration/role, or the ID of a role that was gone.
func roleOfCall(c api.Call) string {
	if c.Role == "" {
		return c.RoleID
	}
	return c.Integration + "/" + c.Role
}

// operationOf is service:Operation.
func operationOf(c api.Call) string {
	return cmp.Or(c.Service, "?") + ":" + cmp.Or(c.Operation, "?")
}

// shortened are the first resources of a call.
func shortened(resources []string) []string {
	const most = 2
	if len(resources) <= most {
		return resources
	}
	return append(resources[:most:most], "and "+strconv.Itoa(len(resources)-most)+" more")
}

// answerOf says what came of a call.
func answerOf(c api.Call) string {
	switch c.Outcome {
	case "not_sent":
		return "refused"
	case "unanswered":
		return "none"
	case "handed_out":
		return "handed out"
	case "answered":
		return strconv.Itoa(c.Status)
	}
	return "unknown"
}

func newCallShow(a *app) *cobra.Command {
	return showing(a, &cobra.Command{
		Use:     "show CALL",
		Short:   "Show one call",
		Long:    "Show one call to AWS, by the ID that call list -o wide or -o json shows.",
		Args:    cobra.ExactArgs(1),
		Example: `  rolebroker call show cal_23u7vbcmq5xw3tdn6hjc8ysamk`,
	}, "call",
		func(ctx context.Context, c *client.Client, id string) (api.Call, error) {
			call, err := c.Call(ctx, id)
			return call, seeList(err, listCalls)
		},
		func(out output, c api.Call) error {
			return a.show(out, c, func() *table { return a.callDetails(c) })
		})
}

func (a *app) callDetails(c api.Call) *table {
	t := details("id", c.ID, "time", a.when(&c.BeganAt), "agent", cmp.Or(c.Agent, c.AgentID), "address",
		orDash(c.Address), "token", c.TokenID, "role", roleOfCall(c), "arn", orDash(c.ARN), "task", orDash(c.Task), "session",
		orDash(c.Session), "call", operationOf(c), "actions", orDash(strings.Join(c.Actions, " ")), "level", c.Level,
		"region", c.Region, "decision", c.Decision, "answer", answerOf(c))
	for _, r := range c.Resources {
		t.add("resource:", r)
	}
	if c.AccessRequest != "" {
		t.add("request:", c.AccessRequest)
	}
	if c.Reason != "" {
		t.add("reason:", c.Reason)
	}
	if c.Times > 1 {
		t.add("times:", count(c.Times))
	}
	if c.ValidUntil != nil {
		t.add("valid until:", a.when(c.ValidUntil))
	}
	if c.EndedAt != nil && c.Decision == "allowed" && c.ValidUntil == nil {
		t.add("took:", c.EndedAt.Sub(c.BeganAt).Round(time.Millisecond).String())
		t.add("bytes:", count(c.BytesIn)+" in, "+count(c.BytesOut)+" out")
		t.add("AWS request ID:", orDash(c.RequestID))
	}
	return t
}

func newCallExport(a *app) *cobra.Command {
	var since, until time.Time
	var file string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write calls as lines of JSON, the oldest first",
		Long: `Write calls as lines of JSON, the oldest first.

Six hours after an hour ends, the audit trail has an event call.digest with the number
of its calls and the SHA-256 of their export, which does not change any more. So whoever
has the trail can tell whether somebody altered the record of a call.

TIME is how long ago, as in 2h or 14d, a date, which begins at midnight in UTC, or
an RFC 3339 time.`,
		Example: `  rolebroker call export --since 7d --output calls.jsonl

  # what the audit trail says of an hour, and what the database has
  rolebroker audit list --action call.digest --since 2026-03-14 --until 2026-03-15
  rolebroker call export --since 2026-03-14T09:00:00Z --until 2026-03-14T10:00:00Z | sha256sum`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.writeExport(file, "exporting calls", func(to io.Writer) error {
				return c.ExportCalls(cmd.Context(), since, until, to)
			})
		},
	}
	f := cmd.Flags()
	f.Var(a.timeFlag(&since), "since", "begin with the first call at `TIME` or later")
	f.Var(a.timeFlag(&until), "until", "write only calls before `TIME`")
	f.StringVarP(&file, "output", "o", "", "write to `FILE`, which must not exist, not to stdout")
	return cmd
}

// writeExport has write write to a new file; without a name, or with -, to the standard output.
func (a *app) writeExport(file, doing string, write func(io.Writer) error) error {
	if file == "" || file == "-" {
		return write(a.Stdout)
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s exists; name another file", file)
	}
	if err != nil {
		return err
	}
	defer a.progress(doing)()
	return errors.Join(write(out), out.Sync(), out.Close())
}
