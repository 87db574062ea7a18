package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// connectionResource is rolebroker_agent_connection.
type connectionResource struct{ onServer }

var (
	_ resource.ResourceWithIdentity    = &connectionResource{}
	_ resource.ResourceWithImportState = &connectionResource{}
	_ resource.ResourceWithModifyPlan  = &connectionResource{}

	_ resource.ResourceWithValidateConfig = &connectionResource{}
)

func newConnectionResource() resource.Resource {
	return &connectionResource{onServer{suffix: "agent_connection",
		identity: ofAgent("integration_id", "The ID of the integration.")}}
}

type connectionModel struct {
	ID            types.String `tfsdk:"id"`
	Agent         types.String `tfsdk:"agent"`       // as the configuration has it: a name or an ID
	Integration   types.String `tfsdk:"integration"` // likewise
	Default       types.Bool   `tfsdk:"default"`
	AgentID       types.String `tfsdk:"agent_id"`
	IntegrationID types.String `tfsdk:"integration_id"`
	Access        types.String `tfsdk:"access"`
	SessionPolicy types.String `tfsdk:"session_policy"` // as the configuration has it
	Roles         types.Set    `tfsdk:"roles"`          // names or IDs, as the configuration has them
	Keys          types.String `tfsdk:"keys"`
	Approval      types.String `tfsdk:"approval"`

	ExemptPolicy   types.String `tfsdk:"exempt_policy"` // as the configuration has it
	AllowedActions types.Set    `tfsdk:"allowed_actions"`
}

func (r *connectionResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Connects an agent to an integration, whose roles the agent may then borrow. " +
			"Destroying the " +
			"connection takes the roles away from the agent at once, but credentials that it already has are valid " +
			"until " +
			"they expire.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed: true, MarkdownDescription: "The two IDs, with a `/` between them.",
			},
			"agent": schema.StringAttribute{
				Required: true, MarkdownDescription: "The `id` of an agent, or its name.",
			},
			"integration": schema.StringAttribute{
				Required: true, MarkdownDescription: "The `id` of an integration, or its name.",
			},
			"default": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Makes the integration the agent's default: the agent gets its default role " +
					"when it names no role. At most one connection of an agent sets it to true. With false, the " +
					"connection does not become the default when it is created. Left out: it becomes the default " +
					"if it is the agent's first one. Terraform creates connections in no certain order, so set it " +
					"on each connection of an agent that has several; the plan warns otherwise.",
			},
			"access":         accessAttribute(),
			"session_policy": sessionPolicyAttribute(),
			"roles":          rolesAttribute(),
			"keys":           keysAttribute(),
			"approval":       approvalAttribute(),

			"exempt_policy":   exemptPolicyAttribute(),
			"allowed_actions": allowedActionsAttribute(),
			"agent_id":        schema.StringAttribute{Computed: true, MarkdownDescription: "The agent's ID."},
			"integration_id":  schema.StringAttribute{Computed: true, MarkdownDescription: "The integration's ID."},
		},
	}
}

// ModifyPlan refuses a second default, keeps the IDs of a connection whose two ends
// stay the same, and the limits that the configuration does not name, and warns if it
// widens the others.
func (r *connectionResource) ModifyPlan(
	ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse,
) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan, state connectionModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...); resp.Diagnostics.HasError() {
		return
	}
	if !req.State.Raw.IsNull() {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if r.server != nil && !plan.Default.IsUnknown() {
		r.checkDefault(ctx, plan, state, &resp.Diagnostics)
	}
	var config connectionModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &config)...); resp.Diagnostics.HasError() {
		return
	}
	plan = plan.keepLimits(config, state)
	if changes(ctx, req, &resp.Diagnostics, &connectionModel{}, &state) {
		if plan.joinsSame(state) {
			plan.ID, plan.AgentID, plan.IntegrationID = state.ID, state.AgentID, state.IntegrationID
		}
		r.warnOfWider(ctx, plan, state, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// checkDefault refuses a second default of an agent, and warns about an agent whose
// default would be the connection that happens to be first.
func (r *connectionResource) checkDefault(ctx context.Context, plan, state connectionModel, diags *diag.Diagnostics) {
	if plan.Default.Equal(types.BoolValue(false)) {
		return
	}
	agent, integration := someNewAgent, ""
	if !plan.Agent.IsUnknown() {
		agent = r.idOf(ctx, plan.Agent, state.Agent, state.AgentID,
			func(ctx context.Context, ref string) (string, error) {
				found, err := r.server.Agent(ctx, ref)
				return found.ID, err
			})
	}
	if !plan.Integration.IsUnknown() {
		integration = r.idOf(ctx, plan.Integration, state.Integration, state.IntegrationID,
			func(ctx context.Context, ref string) (string, error) {
				found, err := r.server.Integration(ctx, ref)
				return found.ID, err
			})
	}
	byChance, err := r.server.defaults.plans(agent, integration, plan.Default, state.ID.ValueString() == "")
	if err != nil {
		report(diags, "Two default integrations", atField("default", err), atRoot)
	}
	if byChance {
		diags.AddAttributeWarning(path.Root("default"), "No connection of the agent is its default",
			"The plan connects an agent to several integrations and does not say which one is its default. Terraform "+
				"creates the connections in no certain order, and the first one becomes the default: another one may be "+
				"it after the next destroy and apply. Set default = true on one connection of each agent, and default "+
				"= false on the others.")
	}
}

// idOf returns the ID to which a reference leads; the reference itself if that
// cannot be found out. before and id are the reference in the state and its ID.
func (r *connectionResource) idOf(ctx context.Context, reference, before, id types.String,
	find func(ctx context.Context, ref string) (string, error),
) string {
	if reference.Equal(before) || reference.Equal(id) {
		return id.ValueString()
	}
	if r.server.Client != nil {
		if found, err := find(ctx, reference.ValueString()); err == nil {
			return found
		}
	}
	return reference.ValueString()
}

// joinsSame returns whether the references of the plan are those of the state,
// or lead to its IDs.
func (m connectionModel) joinsSame(state connectionModel) bool {
	return (m.Agent.Equal(state.Agent) || m.Agent.Equal(state.AgentID)) &&
		(m.Integration.Equal(state.Integration) || m.Integration.Equal(state.IntegrationID))
}

// atField makes err the error of one field.
func atField(field string, err error) error {
	e := rolebroker.AsError(err)
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the configuration is not valid", Hint: e.Hint,
		Fields: []rolebroker.Field{{Path: field, Message: e.Message}}}
}

// atMissing makes a not_found the error of the field that names what is missing.
func atMissing(field string, err error) error {
	if !gone(err) {
		return err
	}
	return atField(field, err)
}

func (r *connectionResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan connectionModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}) {
		return
	}
	made, err := r.connect(ctx, plan, nil)
	if made.ID.ValueString() != "" { // also if making it the default failed afterwards
		resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, made)...)
	}
	if err != nil {
		report(&resp.Diagnostics, "Connecting the agent "+plan.Agent.ValueString()+" to the integration "+
			plan.Integration.ValueString(), err, atRoot)
	}
}

// connect makes the connection, and makes it the agent's default if the plan
// says so. before is the connection as the plan found it; nil if the plan creates it.
// The model that it returns has an ID once the connection exists.
func (r *connectionResource) connect(ctx context.Context, plan connectionModel, before *connectionModel) (
	connectionModel, error) {
	in, err := r.server.Integration(ctx, plan.Integration.ValueString())
	if err != nil {
		return plan, atMissing("integration", err)
	}
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		return plan, atMissing("agent", err)
	}
	if plan.Default.ValueBool() {
		if _, err := r.server.defaults.plans(agent.ID, in.ID, plan.Default, false); err != nil {
			return plan, atField("default", err)
		}
	}
	connected, err := r.limit(ctx, agent.ID, in, plan, before)
	if err != nil {
		return plan, err
	}
	plan.identify(agent, in)
	plan = plan.takeLimits(*connectionTo(connected, in), in)
	becameDefault := agent.DefaultIntegration == "" && connected.DefaultIntegration == in.Name
	if plan.Default.Equal(types.BoolValue(false)) && becameDefault {
		return plan, r.makeNoDefault(ctx, agent.ID, in)
	}
	if plan.Default.ValueBool() {
		if err := r.makeDefault(ctx, agent.ID, in); err != nil {
			plan.Default = types.BoolValue(false)
			return plan, err
		}
	}
	return plan, nil
}

// identify sets the IDs.
func (m *connectionModel) identify(agent api.Agent, in api.Integration) {
	m.ID = types.StringValue(agent.ID + "/" + in.ID)
	m.AgentID, m.IntegrationID = types.StringValue(agent.ID), types.StringValue(in.ID)
}

// makeDefault makes the integration the agent's default.
func (r *connectionResource) makeDefault(ctx context.Context, agentID string, in api.Integration) error {
	return r.setDefault(ctx, agentID, in.ID, func(now api.Agent) bool { return now.DefaultIntegration == in.Name })
}

// makeNoDefault leaves the agent without a default if the integration is it.
func (r *connectionResource) makeNoDefault(ctx context.Context, agentID string, in api.Integration) error {
	return r.setDefault(ctx, agentID, "", func(now api.Agent) bool { return now.DefaultIntegration != in.Name })
}

// setDefault changes the agent's default integration unless isDone, which may be so
// because the answer to an earlier request was lost.
func (r *connectionResource) setDefault(
	ctx context.Context, agentID, integrationID string, isDone func(now api.Agent) bool,
) error {
	_, err := change(
		func() (api.Agent, error) { return r.server.Agent(ctx, agentID) },
		func(api.Agent) bool { return true },
		isDone,
		func(now api.Agent) (api.Agent, error) {
			return r.server.UpdateAgent(ctx, now.ID, api.AgentRequest{
				Name:               now.Name,
				Description:        now.Description,
				Disabled:           now.Disabled,
				DefaultIntegration: &integrationID,
			}, now.ETag())
		})
	return err
}

func (r *connectionResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state connectionModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	agent, in, err := r.find(ctx, state)
	refresh(ctx, resp, "Reading the connection "+state.ID.ValueString(), err,
		func() connectionModel { return state.take(agent, in) })
}

// find reads the two ends of a connection. Codes: not_found (one of them is
// gone, or they are not connected), and those of reading.
func (r *connectionResource) find(
	ctx context.Context, m connectionModel) (agent api.Agent, in api.Integration, err error,
) {
	if agent, err = r.server.Agent(ctx, first(m.AgentID, m.Agent)); err != nil {
		return agent, in, err
	}
	if in, err = r.server.Integration(ctx, first(m.IntegrationID, m.Integration)); err != nil {
		return agent, in, err
	}
	if connectionTo(agent, in) == nil {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "agent %s is not connected to %s", agent.Name, in.Name)
	}
	return agent, in, err
}

// first returns the ID if it is known, else the reference.
func first(id, reference types.String) string {
	if id.ValueString() != "" {
		return id.ValueString()
	}
	return reference.ValueString()
}

// take returns the model with what the server has. A reference stays as it is
// while it leads to the same object.
func (m connectionModel) take(agent api.Agent, in api.Integration) connectionModel {
	m.identify(agent, in)
	m.Agent = sameAgent(agent, m.Agent)
	if m.Integration.ValueString() != in.ID {
		m.Integration = types.StringValue(in.Name)
	}
	if m.Default.ValueBool() && agent.DefaultIntegration != in.Name {
		m.Default = types.BoolValue(false)
	}
	if c := connectionTo(agent, in); c != nil {
		m = m.takeLimits(*c, in)
	}
	return m
}

// Update follows the references. If they lead to the same agent and integration
// under new names, the connection is never interrupted.
func (r *connectionResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state connectionModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&state, req.State}) {
		return
	}
	before := &state
	if !plan.joinsSame(state) {
		before = nil
	}
	made, err := r.connect(ctx, plan, before)
	if err == nil && !made.ID.Equal(state.ID) {
		err = r.disconnect(ctx, state)
	}
	if err != nil {
		report(&resp.Diagnostics, "Updating the connection of the agent "+plan.Agent.ValueString()+
			" to the integration "+
			plan.Integration.ValueString(), err, atRoot)
		return
	}
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, made)...)
}

func (r *connectionResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state connectionModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	if err := r.disconnect(ctx, state); err != nil {
		report(&resp.Diagnostics, "Disconnecting the agent "+state.Agent.ValueString()+" from the integration "+
			state.Integration.ValueString(), err, nil)
	}
}

// disconnect takes the integration away from the agent. It is no error if one of
// them is gone.
func (r *connectionResource) disconnect(ctx context.Context, state connectionModel) error {
	r.server.limiting.Lock()
	defer r.server.limiting.Unlock()
	err := r.server.Disconnect(ctx, state.AgentID.ValueString(), state.IntegrationID.ValueString())
	if gone(err) {
		return nil
	}
	return err
}

// ImportState takes an identity or AGENT/INTEGRATION, each a name or an ID.
func (r *connectionResource) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	agent, integration, _ := strings.Cut(req.ID, "/")
	if values := r.imported(ctx, req, &resp.Diagnostics); values != nil {
		agent, integration = values[0], values[1]
	}
	if agent == "" || integration == "" || strings.Contains(integration, "/") {
		resp.Diagnostics.AddError("Importing a connection",
			"The import ID of a connection is AGENT/INTEGRATION, each a name or an ID, as in scout/production.")
		return
	}
	importPair(ctx, resp, "agent", agent, "integration", integration)
}
