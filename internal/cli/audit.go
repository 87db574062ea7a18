package cli

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newAudit(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "audit",
		Short: "See who changed what, and what was refused",
		Long: `See who changed what, from where, and what was refused. Each change is stored together
with its audit event, in one transaction. The events are a trail whose checkpoints are
signed: verify finds what was altered or dropped in the database.`,
		Example: `  rolebroker audit list --subject scout --since 7d`,
	}, newAuditList(a), newAuditExport(a), newAuditVerify(a), newAuditCheckpoint(a), newAuditKey(a))
}

func newAuditList(a *app) *cobra.Command {
	var filter api.AuditFilter
	var outcome choice
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List audit events, newest first",
		Long: `List audit events, newest first: changes and refusals, through the API, the web app,
this command and Terraform, and what agents borrowed or were refused. Permitted reads
leave no event. Events of callers who were not identified are in the log of the
server only.

When an agent borrows a role, session.begin is recorded before STS is asked, and
session.assume has the answer with the access key ID. Credentials that are handed out
again leave no event. An agent that is refused again and again leaves one event a
minute, whose field "times" says how often.

ACTOR is the name that the API key, runner or agent had at the time. SUBJECTS are what
the action concerns. CHANGE shows the fields that got other values; -o json has them
whole. The values are not secrets. With -o wide, TOKEN is the token that the caller
showed, and REQUEST the ID of the request. Each request has one: its answer has it in
the header X-Request-Id, errors and the log of the server have it too. A client may
choose it, so it proves nothing.

--follow prints new events as they get their places in the trail, about a second after
they happened, also after a restart of the server. -o json then writes one event a line.

TIME is how long ago, as in 2h or 14d, a date, which begins at midnight in UTC, or
an RFC 3339 time.`,
		Example: `  # who connected or changed an agent in the last week
  rolebroker audit list --subject scout --since 7d

  # what was refused, for a script
  rolebroker audit list --outcome refused -o json

  # watch what is refused from now on
  rolebroker audit list --follow --outcome refused

  # what an agent borrowed and was refused, and from where
  rolebroker audit list --actor scout --since 1d

  # what is known about one session
  rolebroker audit list --session ses_3mzq7k4vprb5xw2tdn6hjc8ysa

  # what one request did, whose answer had this X-Request-Id
  rolebroker audit list --request-id 7mzq2k4vprb5xw3tdn6hjc8ysa

  # what came from one address
  rolebroker audit list --address 192.0.2.7 --since 7d

  # every integration that one API key deleted
  rolebroker audit list --actor terraform --action integration.delete`,
	}
	f := cmd.Flags()
	f.StringVar(&filter.Actor, "actor", "", "show only events of the API key, runner or agent `NAME`, or with that ID")
	f.StringVar(&filter.Action, "action", "", "show only `ACTION`, as in agent.connect, or all of a noun, as in agent")
	f.StringVar(&filter.Subject, "subject", "", "show only events that concern `NAME`, or what has that ID")
	f.StringVar(&filter.Subject, "session", "", "show only events of the session with this `ID`")
	cmd.MarkFlagsMutuallyExclusive("subject", "session")
	outcome.flag(cmd, "outcome", "", "show only events with this `OUTCOME`: any, done or refused", "any", "done",
		"refused")
	f.StringVar(&filter.Token, "token", "", "show only events of the agent token, binding or runner's key with this `ID`")
	f.StringVar(&filter.Address, "address", "", "show only events whose request came from the IP `ADDRESS`")
	f.StringVar(&filter.Request, "request-id", "", "show only events that were recorded for the request with this `ID`")
	f.Var(a.timeFlag(&filter.Since), "since", "show only events at `TIME` or later")
	f.Var(a.timeFlag(&filter.Until), "until", "show only events before `TIME`")
	selected := func() api.AuditFilter {
		if outcome.value != "any" {
			filter.Outcome = outcome.value
		}
		return filter
	}
	listing(a, cmd, "reading audit events",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.AuditEvent, error] {
			return c.AllAuditEvents(ctx, selected())
		},
		func(_ []string, events []api.AuditEvent) *table {
			return a.auditTable(events).ifEmpty("No event matches.")
		})
	return followAudit(a, cmd, selected)
}

func (a *app) auditTable(events []api.AuditEvent) *table {
	header := []string{"TIME", "ACTOR", "ADDRESS", "ACTION", "OUTCOME", "SUBJECTS"}
	if a.wide {
		header = append(header, "TOKEN", "REQUEST")
	}
	t := newTable(append(header, "CHANGE")...)
	for _, e := range events {
		actor := cmp.Or(e.Actor.Name, e.Actor.ID, e.Actor.Kind)
		cells := []string{a.when(&e.Time), actor, orDash(e.Actor.Address), e.Action, e.Outcome, orDash(subjectsOf(e))}
		if a.wide {
			cells = append(cells, orDash(e.Actor.Token), orDash(e.RequestID))
		}
		t.add(append(cells, orDash(strings.Join(slices.DeleteFunc([]string{e.Reason, changeOf(e)}, isEmpty), "; ")))...)
	}
	return t
}

func isEmpty(text string) bool { return text == "" }

// subjectsOf names what an event concerns.
func subjectsOf(e api.AuditEvent) string {
	var named []string
	for _, s := range e.Subjects {
		named = append(named, s.Kind+" "+cmp.Or(s.Name, s.ID))
	}
	return strings.Join(named, ", ")
}

// changeOf shows the fields that changed, at most four of them.
func changeOf(e api.AuditEvent) string {
	const most = 4
	fields := map[string]bool{}
	for _, facts := range []map[string]string{e.Before, e.After} {
		for field := range facts {
			fields[field] = true
		}
	}
	var changes []string
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if len(changes) == most {
			changes = append(changes, count(int64(len(fields)-most))+" more")
			break
		}
		before, had := e.Before[field]
		after, has := e.After[field]
		switch {
		case !had:
			changes = append(changes, field+" = "+short(after))
		case !has:
			changes = append(changes, field+" was "+short(before))
		default:
			changes = append(changes, field+": "+short(before)+" → "+short(after))
		}
	}
	return strings.Join(changes, "; ")
}

// short is a value as a table shows it.
func short(value string) string {
	const most = 40
	if value == "" {
		return `""`
	}
	if r := []rune(value); len(r) > most {
		return string(r[:most]) + "…"
	}
	return value
}
