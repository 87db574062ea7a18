package cli

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newSession(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "session",
		Short: "See which agent holds credentials for which role, and end that",
		Long: `See which agent holds credentials for which role, and until when; end sessions. A
session is one set of temporary credentials, lent to one agent for one role.`,
		Example: `  rolebroker session list --live
  rolebroker session end --role production/deployer`,
	}, newSessionList(a), newSessionShow(a), newSessionEnd(a))
}

const listSessions = "rolebroker session list"

func newSessionShow(a *app) *cobra.Command {
	return showing(a, &cobra.Command{
		Use:   "show SESSION",
		Short: "Show one session, with what explains it",
		Long: `Show one session, by the ID that session list shows: who borrowed what, from where, until
when; who approved it; the last change of the connection before it began, which is what
allowed it; its newest calls through the gateway; and the newest events about it.

Names are those of that time. What retention deleted since is not shown: "-" says that
nothing is on record.`,
		Args:    cobra.ExactArgs(1),
		Example: `  rolebroker session show ses_3mzq7k4vprb5xw2tdn6hjc8ysa`,
		ValidArgsFunction: func(_ *cobra.Command, given []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(a.sessionIDs, typed)
		},
	}, "session",
		func(ctx context.Context, c *client.Client, id string) (api.SessionDetails, error) {
			s, err := c.Session(ctx, id)
			return s, seeList(err, listSessions)
		},
		func(out output, s api.SessionDetails) error {
			return a.show(out, s, func() *table { return a.sessionDetails(s) })
		})
}

// sessionIDs finds the newest sessions.
func (a *app) sessionIDs(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Sessions(ctx, api.SessionFilter{}, client.List{})
		return words(page, err, func(s api.Session) string { return s.ID })
	})
}

func (a *app) sessionDetails(s api.SessionDetails) *table {
	agent := s.Agent
	if s.AgentDeleted {
		agent += " (deleted since)"
	}
	access := orDash(s.Access)
	if s.Narrowed {
		access += ", narrowed by the process"
	}
	t := details("id", s.ID, "state", sessionState(s.Session), "agent", agent, "role", s.Integration+"/"+s.Role,
		"arn", s.ARN, "region", s.Region, "access", access, "keys", keysOf(s.Session), "task", orDash(s.Task),
		"session name", s.SessionName, "token", orDash(s.TokenID), "address", orDash(s.Address),
		"request", orDash(s.BegunBy), "requested",
		a.when(&s.RequestedAt), "expires", a.until(s.ExpiresAt), "fetches", count(s.Fetches))
	if s.FetchedAt != nil {
		t.add("fetched:", a.when(s.FetchedAt))
	}
	if s.Runner != "" {
		t.add("runner:", s.Runner)
	}
	if s.ServiceAccount != "" {
		t.add("service account:", serviceAccountOf(s.Session))
		t.add("pod:", orDash(s.Pod))
	}
	t.add("access key:", orDash(s.AccessKeyID))
	t.add("AWS request ID:", orDash(s.RequestID))
	if s.Failure != "" {
		t.add("refused:", s.Failure)
	}
	if s.EndedAt != nil {
		t.add("ended by:", s.EndedBy+", "+a.when(s.EndedAt))
	}
	t.add("approval:", a.approvalOf(s))
	t.add("allowed by:", a.changeBehind(s.AllowedBy))
	if len(s.Calls) > 0 {
		t.then(a.callTable(s.Calls)).next.then(a.eventsOf(s))
	} else {
		t.then(a.eventsOf(s))
	}
	if s.MoreCalls {
		a.note("there are older calls: rolebroker call list --session %s", s.ID)
	}
	if s.MoreEvents {
		a.note("there are older events: rolebroker audit list --session %s", s.ID)
	}
	return t
}

// keysOf says whether the keys of a session were handed out.
func keysOf(s api.Session) string {
	if s.Keys == "" {
		return "not on record"
	}
	return s.Keys
}

// eventsOf are the events about a session.
func (a *app) eventsOf(s api.SessionDetails) *table {
	return a.auditTable(s.Events).ifEmpty("No event about it is on record.")
}

// approvalOf says who approved what a session is under.
func (a *app) approvalOf(s api.SessionDetails) string {
	switch {
	case s.AccessRequest == "":
		return "none was needed"
	case s.Approval == nil:
		return s.AccessRequest + ", which is not on record any more"
	}
	return s.AccessRequest + ", by " + decider(*s.Approval) + ", " + a.when(s.Approval.DecidedAt) + ": " + s.Approval.Reason
}

// changeBehind says which change of the connection allowed a session.
func (a *app) changeBehind(e *api.AuditEvent) string {
	if e == nil {
		return "-"
	}
	return e.Action + " by " + cmp.Or(e.Actor.Name, e.Actor.ID, e.Actor.Kind) + ", " + a.when(&e.Time) + ", event " + e.ID
}

func newSessionList(a *app) *cobra.Command {
	var filter api.SessionFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sessions, newest first",
		Long: `List sessions, newest first: live ones, expired ones and those that STS refused.
Agents, integrations and roles have the names that they had at the time. A session
in the state "ended" was ended by a person: nobody gets its credentials any more,
but they may still work where they were handed out before, until they expire.

CloudTrail shows the values in SESSION NAME and ACCESS KEY. RUNNER is the runner
that assumed the role; it is "-" if the server did. NOTE says why STS refused, or
who ended the session. With -o wide, KEYS says whether the agent was handed the keys;
withheld ones never left the server or the runner. TOKEN, ADDRESS, SERVICE ACCOUNT and
POD are those of the process that asked first; the agent's other processes share the
session.
rolebroker session show ID has all about one session: its approval, the change that
allowed it, its calls and its events.

TIME is how long ago, as in 2h or 14d, a date, which begins at midnight in UTC, or
an RFC 3339 time.

--token takes the ID of an agent token, as agent token list shows it, or of a
binding: it selects the sessions that began with it. The agent's other tokens may
have been given the same credentials.

--request takes the ID of an access request, as request list shows it: it selects what
the agent was lent under that approval. With -o wide, REQUEST is that ID.

--role takes what ROLE shows, a role's name, its ID or its ARN. Filters by name also
find sessions of what was deleted since; those from before a rename have the
earlier name. A name that neither exists nor is on record is an error.`,
		Example: `  # who holds credentials now
  rolebroker session list --live

  # who was lent a role in the last two weeks
  rolebroker session list --role production/deployer --since 14d

  # what was lent of an account on one day, with times as CloudTrail writes them
  rolebroker session list --account 444455556666 --since 2026-03-14 --until 2026-03-15 --utc

  # what one agent held at three o'clock
  rolebroker session list --agent scout --at 2026-03-14T15:00:00Z

  # what one agent did, for a script
  rolebroker session list --agent scout --limit 100 -o json`,
	}
	f := cmd.Flags()
	f.StringVar(&filter.Agent, "agent", "", "show only sessions of `AGENT`, by name or ID")
	f.StringVar(&filter.Integration, "integration", "", "show only sessions of `INTEGRATION`, by name or ID")
	f.StringVar(&filter.Role, "role", "", "show only sessions of `ROLE`: integration/role, name, ID or ARN")
	f.Var(tokenIDFlag{&filter.Token}, "token", "show only sessions that began with the token or binding `ID`")
	f.StringVar(&filter.Request, "request", "", "show only sessions under the approval of `REQUEST`, by its ID")
	f.Var(accountFlag{&filter.Account}, "account", "show only sessions for roles of the AWS `ACCOUNT`")
	f.Var(a.timeFlag(&filter.Since), "since", "show only sessions requested at `TIME` or later")
	f.Var(a.timeFlag(&filter.Until), "until", "show only sessions requested before `TIME`")
	f.BoolVar(&filter.Live, "live", false, "show only sessions whose credentials may still work")
	f.Var(a.timeFlag(&filter.At), "at", "show only sessions whose credentials could work at `TIME`")
	for _, other := range []string{"live", "since", "until"} {
		cmd.MarkFlagsMutuallyExclusive("at", other)
	}
	cmd.MarkFlagsMutuallyExclusive("request", "token")
	complete(cmd, "agent", a.agentNames)
	complete(cmd, "integration", a.integrationNames)
	complete(cmd, "role", a.qualifiedRoles)
	return listing(a, cmd, "reading sessions",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.Session, error] {
			return c.AllSessions(ctx, filter)
		},
		func(_ []string, sessions []api.Session) *table {
			if filter == (api.SessionFilter{}) {
				return a.sessionTable(sessions).ifEmpty("There are no sessions yet.")
			}
			return a.sessionTable(sessions).ifEmpty("No session matches.")
		})
}

func (a *app) sessionTable(sessions []api.Session) *table {
	header := []string{"ID", "SESSION NAME", "ROLE", "STATE", "REQUESTED", "EXPIRES", "FETCHES", "ACCESS KEY",
		"RUNNER"}
	if a.wide {
		header = append(header, "KEYS", "TOKEN", "ADDRESS", "SERVICE ACCOUNT", "POD", "REQUEST")
	}
	t := newTable(append(header, "NOTE")...)
	for _, s := range sessions {
		expires := a.when(&s.ExpiresAt)
		if s.State == "failed" {
			expires = "-"
		}
		note, _, _ := strings.Cut(s.Failure, ":") // the code of STS; the rest is long
		if s.EndedAt != nil {
			note = "ended " + a.when(s.EndedAt) + " by " + s.EndedBy
		}
		cells := []string{s.ID, s.SessionName, s.Integration + "/" + s.Role, sessionState(s), a.when(&s.RequestedAt),
			expires, count(s.Fetches), orDash(s.AccessKeyID), orDash(s.Runner)}
		if a.wide {
			cells = append(cells, orDash(s.Keys), orDash(s.TokenID), orDash(s.Address), serviceAccountOf(s),
				orDash(s.Pod), orDash(s.AccessRequest))
		}
		t.add(append(cells, note)...)
	}
	return t
}

// serviceAccountOf is the service account of the session's pod, as namespace/name.
func serviceAccountOf(s api.Session) string {
	if s.ServiceAccount == "" {
		return "-"
	}
	return s.Namespace + "/" + s.ServiceAccount
}

// sessionState tells live sessions from those that a person ended or that expired,
// which the API does in other fields.
func sessionState(s api.Session) string {
	switch {
	case s.EndedAt != nil && s.Live:
		return "ended"
	case s.State == "active" && s.Live:
		return "live"
	case s.State == "active":
		return "expired"
	}
	return s.State
}
