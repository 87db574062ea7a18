package cli

import (
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
	}, newSessionList(a), newSessionEnd(a))
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
who ended the session. With -o wide, TOKEN, ADDRESS, SERVICE ACCOUNT and POD are those
of the process that asked first; the agent's other processes share the session.
rolebroker audit list --session ID shows what the audit trail has about a session.

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
		header = append(header, "TOKEN", "ADDRESS", "SERVICE ACCOUNT", "POD", "REQUEST")
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
			cells = append(cells, orDash(s.TokenID), orDash(s.Address), serviceAccountOf(s), orDash(s.Pod), orDash(s.AccessRequest))
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
