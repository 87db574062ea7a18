package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newSession(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:     "session",
		Short:   "See who holds what, until when",
		Long:    `See who holds what, until when. A session is one set of temporary credentials, lent to one agent for one role.`,
		Example: `  rolebroker session list --live`,
	}, newSessionList(a))
}

func newSessionList(a *app) *cobra.Command {
	var (
		out    output
		limit  limited
		filter api.SessionFilter
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sessions, the newest first",
		Long: `List sessions, the newest first: those that are live, those that have ended and
those that STS refused. Names are those of the time.

SESSION NAME and ACCESS KEY are what CloudTrail shows of a session. RUNNER is who
assumed the role, where the server did not.`,
		Example: `  # who holds what now
  rolebroker session list --live

  # what one agent did, for a script
  rolebroker session list --agent scout --limit 100 -o json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := ask(cmd.Context(), a, "reading sessions", func(ctx context.Context, c *client.Client) (items[api.Session], error) {
				return collect(limit, c.AllSessions(ctx, filter))
			})
			if err != nil {
				return err
			}
			return a.show(out, list, func() *table {
				if filter == (api.SessionFilter{}) {
					return a.sessionTable(list.Items).ifEmpty("No sessions yet.")
				}
				return a.sessionTable(list.Items).ifEmpty("No session matches.")
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&filter.Agent, "agent", "", "only of this agent, by `name` or ID")
	f.StringVar(&filter.Integration, "integration", "", "only of this integration, by `name` or ID")
	f.StringVar(&filter.Role, "role", "", "only of this role, by `name`, ID or ARN")
	f.BoolVar(&filter.Live, "live", false, "only those whose credentials may still work")
	complete(cmd, "agent", a.agentNames)
	complete(cmd, "integration", a.integrationNames)
	limit.flag(cmd)
	out.flag(cmd)
	return cmd
}

func (a *app) sessionTable(sessions []api.Session) *table {
	t := newTable("SESSION NAME", "ROLE", "STATE", "REQUESTED", "EXPIRES", "FETCHES", "ACCESS KEY", "RUNNER", "FAILURE")
	for _, s := range sessions {
		expires := a.when(&s.ExpiresAt, "-")
		if s.State == "failed" {
			expires = "-"
		}
		failure, _, _ := strings.Cut(s.Failure, ":") // STS's code; the rest is long
		t.add(s.SessionName, s.Integration+"/"+s.Role, sessionState(s), a.when(&s.RequestedAt, "-"), expires,
			count(s.Fetches), orDash(s.AccessKeyID), orDash(s.Runner), failure)
	}
	return t
}

// sessionState is the state as a person wonders about it.
func sessionState(s api.Session) string {
	switch {
	case s.State == "active" && s.Live:
		return "live"
	case s.State == "active":
		return "ended"
	}
	return s.State
}
