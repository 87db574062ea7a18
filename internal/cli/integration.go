package cli

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

func newIntegration(a *app) *cobra.Command {
	return group(&cobra.Command{
		Use:   "integration",
		Short: "Manage integrations: groups of AWS roles",
		Long: `Manage integrations. An integration is a named group of AWS roles that you grant to
agents as one. One of its roles is the default role.`,
		Example: `  rolebroker integration create production \
    --role name=readonly,arn=arn:aws:iam::444455556666:role/ReadOnly,region=us-east-1
  rolebroker integration list`,
	}, newIntegrationList(a), newIntegrationShow(a), newIntegrationCreate(a), newIntegrationUpdate(a),
		newIntegrationDelete(a),
		newIntegrationValidate(a), newIntegrationSetup(a), newIntegrationRotate(a))
}

func newIntegrationList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List integrations",
		Long: `List integrations, sorted by name. STATE sums up the enabled roles: the newest of its
validation, the last loan and the last refusal of an agent is the state of a role.`,
		Example: `  rolebroker integration list
  rolebroker integration list --search prod -o yaml`,
	}
	search := searchFlag(cmd, "their name, description or roles: names, accounts, ARNs")
	return listing(a, cmd, "reading integrations",
		func(ctx context.Context, c *client.Client, _ []string) iter.Seq2[api.Integration, error] {
			return c.AllIntegrations(ctx, *search)
		}, a.integrationsTable)
}

func (a *app) integrationsTable(_ []string, integrations []api.Integration) *table {
	t := newTable("NAME", "ENABLED", "ROLES", "DEFAULT ROLE", "MODE", "STATE", "UPDATED", "DESCRIPTION")
	for _, in := range integrations {
		t.add(in.Name, yesNo(in.Enabled), roleCount(in), in.DefaultRole, in.AssumptionMode, a.summary(in),
			a.when(&in.UpdatedAt), in.Description)
	}
	return t.ifEmpty("There are no integrations. Create one: rolebroker integration create --help")
}

// roleCount counts the roles, and the enabled ones if not all are enabled.
func roleCount(in api.Integration) string {
	enabled := enabledRoles(in)
	if enabled == len(in.Roles) {
		return fmt.Sprint(enabled)
	}
	return fmt.Sprintf("%d of %d enabled", enabled, len(in.Roles))
}

func newIntegrationShow(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show INTEGRATION",
		Short: "Show an integration, its roles and its agents",
		Long: `Show an integration, by its name or ID, its roles, and the agents that are
connected to it. With -o json or -o yaml the agents are left out: agent list
--integration lists them.

The newest of its validation, the last loan and the last refusal of an agent is the
state of a role.

You can edit what -o yaml prints and pass it to rolebroker integration update -f.`,
		Example: `  rolebroker integration show production
  rolebroker integration show production -o yaml > production.yaml`,
	}
	return showing(a, cmd, "integration", integrationOf, func(o output, in api.Integration) error {
		if err := a.showIntegration(o, in); err != nil {
			return err
		}
		if err := a.showAgentsOf(cmd.Context(), o, in); err != nil {
			return err
		}
		if len(notable(resultsOf(in))) > 0 && !o.forMachines() {
			a.note("What to change: rolebroker integration validate %s", in.Name)
		}
		return nil
	})
}

// showIntegration writes an integration and, below its roles, a line about each
// role that has a problem.
func (a *app) showIntegration(o output, in api.Integration) error {
	err := a.show(o, in, func() *table {
		t := details("Name", in.Name, "Description", orDash(in.Description), "ID", in.ID,
			"Enabled", yesNo(in.Enabled), "Assumption mode", in.AssumptionMode)
		if in.AssumptionMode == "cluster" {
			t.add("Runner:", orDash(in.Runner))
		}
		t.add("External ID:", in.ExternalID)
		if in.NextExternalID != "" {
			t.add("Next external ID:", in.NextExternalID)
		}
		t.rows = append(t.rows, details("Attribution", attribution(in),
			"Created", a.when(&in.CreatedAt), "Updated", a.when(&in.UpdatedAt)).rows...)
		return t.then(a.roleTable(in))
	})
	if err == nil && !o.forMachines() {
		_, err = io.WriteString(a.out(), headlines(resultsOf(in)))
		a.notePaused(in)
	}
	return err
}

// shownAgents bounds the agents that are named below an integration.
const shownAgents = 20

// showAgentsOf writes for people which agents are connected to an integration.
func (a *app) showAgentsOf(ctx context.Context, o output, in api.Integration) error {
	if o.forMachines() {
		return nil
	}
	agents, err := ask(ctx, a, "reading agents", func(ctx context.Context, c *client.Client) (items[api.Agent], error) {
		return collect(c.AgentsOf(ctx, in.ID, ""), shownAgents+1)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out(), "\nAgents: %s\n", agentsInWords(in, agents.Items))
	return err
}

// agentsInWords lists the agents of an integration, or says how to list or connect them.
func agentsInWords(in api.Integration, agents []api.Agent) string {
	var names []string
	for _, agent := range agents[:min(len(agents), shownAgents)] {
		names = append(names, agent.Name)
	}
	switch listed := strings.Join(names, ", "); {
	case len(agents) == 0:
		return "none. Connect one: rolebroker agent connect AGENT " + in.Name
	case len(agents) > shownAgents:
		return listed + ", and more: rolebroker agent list --integration " + in.Name
	default:
		return listed
	}
}

// notePaused says what agents do not get because it is disabled, and how to enable it.
func (a *app) notePaused(in api.Integration) {
	if !in.Enabled {
		a.note("%s is disabled: no agent gets its roles. "+
			"Enable it: rolebroker integration update %[1]s --enabled", in.Name)
	}
	for _, role := range in.Roles {
		if role.Name == in.DefaultRole && !role.Enabled {
			a.note("The default role %s is disabled: an agent that names no role gets none. "+
				"Enable it: rolebroker integration update %s --enable-role %[1]s", role.Name, in.Name)
		}
	}
}

// attribution says how AssumeRole calls carry the name of the agent.
func attribution(in api.Integration) string {
	how := "session name"
	if in.SessionTags {
		how += ", session tags"
	}
	if in.SourceIdentity {
		how += ", source identity"
	}
	return how
}
