package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const listLive = "rolebroker session list --live"

func newSessionEnd(a *app) *cobra.Command {
	var (
		which      api.EndSessionsRequest
		how        api.EndSessionRequest
		print, yes bool
		out        output
	)
	cmd := &cobra.Command{
		Use:   "end {SESSION… | --agent AGENT | --role ROLE}",
		Short: "End sessions, so that nobody is given their credentials again",
		Long: `End sessions, so that nobody is given their credentials again: not by any server,
and not by any runner. The next request gets new credentials, if it is still
permitted; to forbid it, disable or disconnect the agent or the role.

Credentials that were handed out before stay valid in AWS until they expire; the
command says when. For sessions that are named, it prints commands for the AWS CLI
that end them earlier: a policy that denies what AWS issued for that role under that
session's name around that time. AWS cannot select one session more narrowly. With
--apply the server puts that policy on the role itself, where AWS lets it; with
--print the command prints it again, and ends nothing. For an agent, rolebroker
agent cut-off does the same.

AWS can also revoke the sessions of everybody: "Revoke active sessions" of the role
in IAM does. Afterwards, end the sessions here, so that every agent gets new
credentials at its next request instead of those that AWS refuses.

Name the sessions by their IDs, or choose all of an agent, all for a role, or those
of an agent for a role.`,
		Example: `  # a session of rolebroker session list --live
  rolebroker session end ses_3mzq7k4vprb5xw2tdn6hjc8ysa

  # after a role's sessions were revoked in IAM: everyone gets new credentials
  rolebroker session end --role production/deployer --yes

  # everything that an agent holds
  rolebroker session end --agent scout`,
		Args: func(_ *cobra.Command, sessions []string) error {
			chosen := which != (api.EndSessionsRequest{})
			switch {
			case chosen && (print || how.Apply):
				return usage("--apply and --print are for sessions that are named; rolebroker agent cut-off does it for an agent")
			case chosen && len(sessions) > 0:
				return usage("name sessions, or choose them with --agent and --role, not both")
			case !chosen && len(sessions) == 0:
				return usage("name the sessions to end, or choose them with --agent or --role; " +
					listLive + " lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, sessions []string) error {
			if print {
				return a.endEach(cmd.Context(), out, sessions, how, (*client.Client).EndedSession)
			}
			if err := a.confirm(yes, endQuestion(sessions, which)); err != nil {
				return err
			}
			if len(sessions) > 0 {
				return a.endEach(cmd.Context(), out, sessions, how,
					func(c *client.Client, ctx context.Context, id string) (api.EndedSession, error) {
						return c.EndSession(ctx, id, how)
					})
			}
			return a.endAll(cmd.Context(), out, which)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return offer(a.liveSessionIDs, typed)
		},
	}
	f := cmd.Flags()
	f.StringVar(&which.Agent, "agent", "", "end the sessions of `AGENT`, by name or ID")
	f.StringVar(&which.Role, "role", "", "end the sessions for `ROLE`: integration/role, ID or ARN")
	f.BoolVar(&how.Apply, "apply", false, "have the server put the deny policy on the role")
	f.BoolVar(&print, "print", false, "print what ending the sessions left to do, and change nothing")
	cmd.MarkFlagsMutuallyExclusive("print", "apply")
	yesFlag(cmd, &yes)
	out.flag(cmd)
	complete(cmd, "agent", a.agentNames)
	complete(cmd, "role", a.qualifiedRoles)
	return cmd
}

// endQuestion asks the person to confirm.
func endQuestion(sessions []string, which api.EndSessionsRequest) string {
	what := "End session " + strings.Join(sessions, ", ")
	switch {
	case len(sessions) > 1:
		what = fmt.Sprintf("End %d sessions", len(sessions))
	case which.Agent != "" && which.Role != "":
		what = "End all sessions of agent " + which.Agent + " for role " + which.Role
	case which.Agent != "":
		what = "End all sessions of agent " + which.Agent
	case which.Role != "":
		what = "End all sessions for role " + which.Role
	}
	return what + "? " + lentAlready
}

// endEach ends the sessions one by one, or reads how they ended, until one fails, and
// shows the others.
func (a *app) endEach(ctx context.Context, out output, ids []string, how api.EndSessionRequest,
	end func(*client.Client, context.Context, string) (api.EndedSession, error)) error {
	ended := []api.EndedSession{}
	_, err := ask(ctx, a, "ending sessions", func(ctx context.Context, c *client.Client) (none, error) {
		for _, id := range ids {
			session, err := end(c, ctx, id)
			if err != nil {
				return none{}, seeList(err, listLive)
			}
			ended = append(ended, session)
		}
		return none{}, nil
	})
	if out.forMachines() {
		err = errors.Join(a.encode(out.value, items[api.EndedSession]{ended}), err)
	}
	for _, s := range ended {
		if how.Apply {
			err = errors.Join(err, notApplied(s.CutOff))
		}
		if out.forMachines() {
			continue
		}
		left := "where its credentials were handed out before, they work until " + a.until(s.ExpiresAt)
		if s.CutOff.Withheld > 0 {
			left = "its AWS keys were withheld and never left rolebroker, so nothing is to be run in AWS"
		}
		a.note("ended session %s of agent %s for role %s/%s; %s", s.ID, s.Agent, s.Integration, s.Role, left)
		a.notePolicies(s.CutOff)
		if hasCommands(s.CutOff) {
			a.note("The commands on stdout end them earlier. IAM needs some seconds until a policy counts everywhere.")
		}
		fmt.Fprint(a.out(), cutOffScript(s.CutOff))
	}
	return err
}

// endAll ends the sessions that the flags choose.
func (a *app) endAll(ctx context.Context, out output, which api.EndSessionsRequest) error {
	ended, err := ask(ctx, a, "ending sessions", func(ctx context.Context, c *client.Client) (
		api.EndedSessions, error) {
		return c.EndSessions(ctx, which)
	})
	if err != nil {
		return err
	}
	switch {
	case out.forMachines():
		return a.encode(out.value, ended)
	case ended.ExpiresAt == nil:
		a.note("no session was live; nobody is given credentials from before")
	case ended.Ended == 1:
		a.note("ended 1 session; where its credentials were handed out before, they work until %s",
			a.until(*ended.ExpiresAt))
	default:
		a.note("ended %d sessions; where their credentials were handed out before, the last work until %s",
			ended.Ended, a.until(*ended.ExpiresAt))
	}
	return nil
}

// until writes when something ends, as in "2026-03-14T10:26:53Z, in 59 minutes".
func (a *app) until(at time.Time) string {
	return at.UTC().Format(time.RFC3339) + ", " + rolebroker.RelativeTime(at, a.Now())
}

// liveSessionIDs finds the sessions that may be ended.
func (a *app) liveSessionIDs(string) ([]string, error) {
	return a.quickly(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.Sessions(ctx, api.SessionFilter{Live: true}, client.List{})
		return words(page, err, func(s api.Session) string { return s.ID })
	})
}

// qualifiedRoles finds roles, as in production/deployer.
func (a *app) qualifiedRoles(typed string) ([]string, error) {
	integration, _, _ := strings.Cut(typed, "/")
	return a.quickly(func(ctx context.Context, c *client.Client) (references []string, err error) {
		page, err := c.Integrations(ctx, client.List{Search: integration})
		for _, in := range page.Items {
			for _, role := range in.Roles {
				references = append(references, in.Name+"/"+role.Name)
			}
		}
		return references, err
	})
}
