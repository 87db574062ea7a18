package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// applyRule creates or replaces an approval rule. What the rule names may not be there yet in a dry run; the server
// refuses it otherwise.
func (p *applier) applyRule(ctx context.Context, request api.ApprovalRuleRequest, o *outcome) error {
	current, err := p.client.ApprovalRule(ctx, request.Name)
	isNew := rolebroker.CodeOf(err) == rolebroker.CodeNotFound
	if err != nil && !isNew {
		return err
	}
	if err := p.nameSubjects(ctx, &request); err != nil {
		return err
	}
	if request.Enabled == nil && !isNew { // as of an integration: what the document leaves out stays
		request.Enabled = &current.Enabled
	}
	request.ID = current.ID
	if o.Changes = ruleEdits(current, request); !isNew && len(o.Changes) > 0 {
		o.Action = toUpdate
	}
	if isNew {
		o.Action = toCreate
	}
	switch {
	case p.dryRun || o.Action == noAction:
		return nil
	case isNew:
		_, err = p.client.CreateApprovalRule(ctx, request)
	default:
		_, err = p.client.UpdateApprovalRule(ctx, current.ID, request, current.ETag())
	}
	return err
}

// nameSubjects replaces the IDs of the agent, the integration and the role of a rule by their names, and drops those
// beside a name: they may be of another deployment. A rule whose subject was deleted has an ID without a name, and must
// not become one about everything.
func (p *applier) nameSubjects(ctx context.Context, r *api.ApprovalRuleRequest) error {
	for _, of := range []struct {
		field string
		name  string
		id    *string
	}{{"agent", r.Agent, &r.AgentID}, {"integration", r.Integration, &r.IntegrationID}, {"role", r.Role, &r.RoleID}} {
		if of.name == "" && *of.id != "" {
			return rolebroker.Errorf(rolebroker.CodeInvalid, "the rule has %s_id without %[1]s: what it was about was deleted",
				of.field).WithHint("name another %s, or leave out both to approve for any", of.field)
		}
		*of.id = ""
	}
	if rolebroker.IsID(r.Agent) {
		agent, err := agentOf(ctx, p.client, r.Agent)
		if err != nil {
			return err
		}
		r.Agent = agent.Name
	}
	if !rolebroker.IsID(r.Integration) && !rolebroker.IsID(r.Role) {
		return nil
	}
	in, err := integrationOf(ctx, p.client, r.Integration)
	if err != nil {
		return err
	}
	r.Integration = in.Name
	for _, role := range in.Roles {
		if role.ID == r.Role {
			r.Role = role.Name
		}
	}
	return nil
}

// ruleEdits returns what a request changes of a rule; of the zero rule, what it has when it is created.
func ruleEdits(current api.ApprovalRule, request api.ApprovalRuleRequest) []edit {
	edits := []edit{}
	add := func(what, before, after string) {
		if before != after {
			edits = append(edits, edit{what, before, after})
		}
	}
	if current.ID != "" {
		add("state", agentState(!current.Enabled), agentState(!*request.Enabled))
		add("reason", quoted(current.Reason), quoted(request.Reason))
	}
	before := func(named string) string { // a new rule has none of them
		if current.ID == "" {
			return ""
		}
		return named
	}
	add("agent", before(named(current.Agent, current.AgentID)), named(request.Agent, ""))
	add("integration", before(named(current.Integration, current.IntegrationID)), named(request.Integration, ""))
	add("role", before(named(current.Role, current.RoleID)), named(request.Role, ""))
	add("access", before(cmp.Or(current.Access, "any")), cmp.Or(request.Access, "any"))
	add("max duration", before(inWords(current.MaxDuration)), inWords(request.MaxDuration))
	add("until", before(untilWords(current.Until)), untilWords(request.Until))
	return edits
}

// inWords is a duration in the form that the server has it in; the empty one is the default.
func inWords(duration string) string {
	d, err := time.ParseDuration(cmp.Or(duration, fmt.Sprint(rolebroker.DefaultGrant)))
	if err != nil {
		return duration
	}
	return rolebroker.ShortDuration(d)
}

func untilWords(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
