package cli

import (
	"context"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// applier applies documents to a server.
type applier struct {
	client *client.Client
	mode   validateMode
	dryRun bool
	made   []string // the names of the integrations in the documents
}

// apply applies one document, unless nothing would change or this is a dry run.
func (p *applier) apply(ctx context.Context, d document) outcome {
	o := outcome{File: d.file, Document: d.number, Kind: d.kind(), Name: d.name(), Action: noAction, Changes: []edit{}}
	var err error
	switch {
	case d.integration != nil:
		err = p.applyIntegration(ctx, *d.integration, &o)
	case d.rule != nil:
		err = p.applyRule(ctx, *d.rule, &o)
	default:
		err = p.applyAgent(ctx, *d.agent, &o)
	}
	if err != nil {
		o.failed(err)
	}
	return o
}

func (p *applier) applyIntegration(ctx context.Context, request api.IntegrationRequest, o *outcome) error {
	current, err := p.integration(ctx, request)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return p.createIntegration(ctx, request, o)
	case err != nil:
		return err
	}
	if o.Changes, err = p.changesOf(ctx, current, &request); err != nil || len(o.Changes) == 0 {
		return err
	}
	if o.Action = toUpdate; p.dryRun {
		return nil
	}
	updated, err := p.client.UpdateIntegration(ctx, current.ID, request, current.ETag(), p.mode.String(),
		p.mode.wait.options()...)
	o.Problems = p.problemsOf(updated)
	return namingRoles(err, request.Roles)
}

func (p *applier) createIntegration(ctx context.Context, request api.IntegrationRequest, o *outcome) error {
	o.Action = toCreate
	asNew(&request)
	for _, role := range request.Roles {
		o.Changes = append(o.Changes, edit{What: "role " + role.Name, After: roleInWords(role)})
	}
	if p.dryRun {
		return nil
	}
	created, err := p.client.CreateIntegration(ctx, request, p.mode.String(), p.mode.wait.options()...)
	o.Problems = p.problemsOf(created)
	return namingRoles(err, request.Roles)
}

// problemsOf are the findings about the roles of an integration that was saved; none if it was saved without validation:
// those on record may be old.
func (p *applier) problemsOf(in api.Integration) (problems []string) {
	if p.mode.String() == api.ValidateSkip {
		return nil
	}
	for _, r := range notable(resultsOf(in)) {
		problems = append(problems, r.Name+": "+r.Message)
	}
	return problems
}

func roleInWords(role api.RoleRequest) string {
	words := role.ARN + " in " + role.Region
	if role.Enabled != nil && !*role.Enabled {
		words += ", disabled"
	}
	return words
}

// integration finds the integration of a document by its name. Codes: not_found, conflict (the ID is of another one).
func (p *applier) integration(ctx context.Context, request api.IntegrationRequest) (api.Integration, error) {
	in, err := p.client.Integration(ctx, request.Name)
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound || request.ID == "" {
		return in, err
	}
	other, err := p.client.Integration(ctx, request.ID)
	if err != nil {
		return other, err
	}
	return other, renamedOrCopied(kindIntegration, request.Name, other.Name)
}

// renamedOrCopied refuses a document with a new name and the ID of something else: its author may have renamed that, or
// copied its file.
func renamedOrCopied(kind, name, other string) error {
	return rolebroker.Errorf(rolebroker.CodeConflict, "there is no %s %s, and the id is that of %s", kind, name, other).
		WithSteps(rolebroker.Step{Text: "to rename it", Command: "rolebroker " + kind + " update " + other + " --name " + name},
			rolebroker.Step{Text: "to make another one, remove the id from the file"})
}

// changesOf returns what a request changes. It removes from the request the IDs that this server does not have: those
// of another one, from which the file is.
func (p *applier) changesOf(
	ctx context.Context, current api.Integration, request *api.IntegrationRequest,
) ([]edit, error) {
	if request.ID != "" && request.ID != current.ID {
		request.ExternalID = ""
	}
	request.ID = current.ID
	for i := range request.Roles {
		id := request.Roles[i].ID
		if !slices.ContainsFunc(current.Roles, func(r api.Role) bool { return r.ID == id }) {
			request.Roles[i].ID = ""
		}
	}
	if rolebroker.IsID(request.Runner) {
		runner, err := p.client.Runner(ctx, request.Runner)
		if err != nil {
			return nil, seeList(err, listRunners)
		}
		request.Runner = runner.Name
	}
	was, err := convert.FromIntegration(current)
	if err != nil {
		return nil, err
	}
	will, _ := convert.FromRequest(*request) // readDocuments has checked it
	if will.EnabledOpen {
		will.Enabled = was.Enabled
	}
	if will.SourceIdentityOpen {
		will.SourceIdentity = was.SourceIdentity
	}
	edits := editsOf(was.Differences(&will), *request)
	if request.ExternalID != "" && request.ExternalID != current.ExternalID { // the server may refuse it
		edits = append(edits, edit{"external ID", current.ExternalID, request.ExternalID})
	}
	return edits, nil
}

// editsOf are the differences as edits. A role that is added is shown with its ARN.
func editsOf(differences []rolebroker.Difference, request api.IntegrationRequest) []edit {
	edits := []edit{}
	for _, d := range differences {
		e := edit{What: d.Field, Before: d.Before, After: d.After}
		switch {
		case d.Field == "" && d.Before == "":
			i := slices.IndexFunc(request.Roles, func(r api.RoleRequest) bool { return r.Name == d.Role })
			e = edit{What: "role " + d.Role, After: roleInWords(request.Roles[i])}
		case d.Field == "":
			e = edit{What: "role " + d.Role, Before: d.Role}
		case d.Role != "":
			e.What = "role " + d.Role + ", " + d.Field
		}
		edits = append(edits, e)
	}
	return edits
}

func (p *applier) applyAgent(ctx context.Context, request api.AgentRequest, o *outcome) error {
	if err := p.nameIntegrations(ctx, &request); err != nil {
		return err
	}
	current, err := p.agent(ctx, request)
	isNew := rolebroker.CodeOf(err) == rolebroker.CodeNotFound
	switch {
	case isNew:
		o.Action = toCreate
	case err != nil:
		return err
	}
	if o.Changes = agentEdits(current, request); !isNew && len(o.Changes) > 0 {
		o.Action = toUpdate
	}
	request.ID = current.ID
	switch {
	case p.dryRun || o.Action == noAction:
		return nil
	case isNew:
		_, err = p.client.CreateAgent(ctx, request)
	default:
		_, err = p.client.UpdateAgent(ctx, current.ID, request, current.ETag())
	}
	return err
}

// agent finds the agent of a document, as integration does.
func (p *applier) agent(ctx context.Context, request api.AgentRequest) (api.Agent, error) {
	agent, err := p.client.Agent(ctx, request.Name)
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound || request.ID == "" {
		return agent, err
	}
	other, err := p.client.Agent(ctx, request.ID)
	if err != nil {
		return other, err
	}
	return other, renamedOrCopied(kindAgent, request.Name, other.Name)
}

// nameIntegrations replaces the IDs of integrations by their names. An integration has to exist, or in a dry run to be
// in another document.
func (p *applier) nameIntegrations(ctx context.Context, request *api.AgentRequest) error {
	name := func(nameOrID string) (string, error) {
		in, err := p.client.Integration(ctx, nameOrID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound && p.dryRun && slices.Contains(p.made, nameOrID) {
			return nameOrID, nil
		}
		return in.Name, seeList(err, listIntegrations)
	}
	var err error
	if request.Connections != nil {
		named := slices.Clone(*request.Connections)
		for i := range named {
			if named[i].Integration, err = name(named[i].Integration); err != nil {
				return err
			}
		}
		request.Connections = &named
	}
	if request.DefaultIntegration == nil || *request.DefaultIntegration == "" {
		return nil
	}
	byDefault, err := name(*request.DefaultIntegration)
	request.DefaultIntegration = &byDefault
	return err
}

// agentEdits returns what a request changes of an agent; of the zero agent, what it has when it is created.
func agentEdits(current api.Agent, request api.AgentRequest) []edit {
	edits := []edit{}
	add := func(what, before, after string) {
		if before != after {
			edits = append(edits, edit{what, before, after})
		}
	}
	isNew := current.ID == ""
	if !isNew {
		add("name", current.Name, request.Name)
		add("description", quoted(current.Description), quoted(request.Description))
		add("state", agentState(current.Disabled), agentState(request.Disabled))
	}
	if request.Owner != "" && request.Owner != current.OwnerID {
		add("owner", current.Owner, request.Owner)
	}
	had, has := integrationsOf(current), integrationsOf(current)
	limits := map[string]*api.LimitsRequest{}
	if request.Connections != nil {
		has = nil
		for _, c := range *request.Connections {
			has, limits[c.Integration] = append(has, c.Integration), c.Limits()
		}
	}
	for _, in := range had {
		if !slices.Contains(has, in) {
			edits = append(edits, edit{What: "connection to " + in, Before: in})
		}
	}
	for _, in := range has {
		if !slices.Contains(had, in) {
			edits = append(edits, edit{What: "connection to " + in})
		}
	}
	for _, c := range current.Connections {
		if after := limits[c.Integration]; after != nil {
			before := convert.LimitsRequest(c)
			add("limits of "+c.Integration, limitWords(&before), limitWords(after))
		}
	}
	add("default integration", orNone(current.DefaultIntegration), orNone(defaultAfter(current, request, has)))
	return edits
}

// defaultAfter is the default integration of an agent after a request, by the rules of the server.
func defaultAfter(current api.Agent, request api.AgentRequest, connected []string) string {
	switch {
	case request.DefaultIntegration != nil:
		return *request.DefaultIntegration
	case current.ID == "" && len(connected) > 0:
		return connected[0]
	case !slices.Contains(connected, current.DefaultIntegration):
		return ""
	}
	return current.DefaultIntegration
}

func integrationsOf(agent api.Agent) (names []string) {
	for _, c := range agent.Connections {
		names = append(names, c.Integration)
	}
	return names
}

func agentState(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return "“" + s + "”"
}
