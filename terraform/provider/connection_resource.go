package provider

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// connectionResource is rolebroker_agent_connection.
type connectionResource struct{ fromServer }

var (
	_ resource.ResourceWithImportState = &connectionResource{}
	_ resource.ResourceWithModifyPlan  = &connectionResource{}
)

type connectionModel struct {
	ID            types.String `tfsdk:"id"`
	Agent         types.String `tfsdk:"agent"`       // as the configuration has it: a name or an ID
	Integration   types.String `tfsdk:"integration"` // likewise
	Default       types.Bool   `tfsdk:"default"`
	AgentID       types.String `tfsdk:"agent_id"`
	IntegrationID types.String `tfsdk:"integration_id"`
}

func (r *connectionResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent_connection"
}

func (r *connectionResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "This agent may borrow from this integration. Destroying it takes the integration away from the agent at once; what was lent already lives until it expires.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "The two IDs, with a `/` between them."},
			"agent": schema.StringAttribute{Required: true,
				MarkdownDescription: "The `id` of an agent, or its name."},
			"integration": schema.StringAttribute{Required: true,
				MarkdownDescription: "The `id` of an integration, or its name."},
			"default": schema.BoolAttribute{Optional: true,
				MarkdownDescription: "Makes the integration the agent's default: the one whose default role is used when the agent names none. At most one connection of an agent says so. " +
					"Where none does, the first connection that is made is the default until someone chooses another; with several connections, say it."},
			"agent_id":       schema.StringAttribute{Computed: true, MarkdownDescription: "The agent's ID."},
			"integration_id": schema.StringAttribute{Computed: true, MarkdownDescription: "The integration's ID."},
		},
	}
}

// ModifyPlan finds a second default, and keeps the IDs of a connection that
// stays between the same two.
func (r *connectionResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	var plan connectionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if plan.Default.ValueBool() && !plan.Agent.IsUnknown() && !plan.Integration.IsUnknown() && r.server != nil {
		if err := r.server.defaults.claim(plan.Agent.ValueString(), plan.Integration.ValueString()); err != nil {
			report(&resp.Diagnostics, "Two default integrations", atField("default", err), atRoot)
		}
	}
	if req.State.Raw.IsNull() {
		return
	}
	var state connectionModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if (plan.Agent.Equal(state.Agent) || plan.Agent.Equal(state.AgentID)) && (plan.Integration.Equal(state.Integration) || plan.Integration.Equal(state.IntegrationID)) {
		plan.ID, plan.AgentID, plan.IntegrationID = state.ID, state.AgentID, state.IntegrationID
		resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
	}
}

// atField is err said of one field.
func atField(field string, err error) error {
	e := rolebroker.AsError(err)
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the configuration is not valid", Hint: e.Hint,
		Fields: []rolebroker.Field{{Path: field, Message: e.Message}}}
}

func (r *connectionResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan connectionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	made, err := r.connect(ctx, plan)
	if made.ID.ValueString() != "" { // also when choosing it as the default then failed
		resp.Diagnostics.Append(resp.State.Set(ctx, made)...)
	}
	if err != nil {
		report(&resp.Diagnostics, "Connecting the agent "+plan.Agent.ValueString()+" to the integration "+plan.Integration.ValueString(), err, atRoot)
	}
}

// connect makes the connection, and its integration the default if it is to be.
func (r *connectionResource) connect(ctx context.Context, plan connectionModel) (connectionModel, error) {
	in, err := r.server.Integration(ctx, plan.Integration.ValueString())
	if err != nil {
		return plan, atMissing("integration", err)
	}
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		return plan, atMissing("agent", err)
	}
	if plan.Default.ValueBool() {
		if err := r.server.defaults.claim(agent.ID, in.ID); err != nil {
			return plan, atField("default", err)
		}
	}
	if _, err := r.server.Connect(ctx, agent.ID, in.ID); err != nil {
		return plan, err
	}
	plan.ID, plan.AgentID, plan.IntegrationID = types.StringValue(agent.ID+"/"+in.ID), types.StringValue(agent.ID), types.StringValue(in.ID)
	if plan.Default.ValueBool() {
		if err := r.choose(ctx, agent.ID, in); err != nil {
			plan.Default = types.BoolValue(false)
			return plan, err
		}
	}
	return plan, nil
}

// atMissing is err said of the field that names what is not there.
func atMissing(field string, err error) error {
	if !gone(err) {
		return err
	}
	return atField(field, err)
}

// choose makes the integration the agent's default.
func (r *connectionResource) choose(ctx context.Context, agentID string, in api.Integration) error {
	_, err := change(func() (api.Agent, error) { return r.server.Agent(ctx, agentID) },
		func(api.Agent) bool { return true },
		func(now api.Agent) bool { return now.DefaultIntegration == in.Name }, // also when the answer that said so got lost
		func(now api.Agent) (api.Agent, error) {
			return r.server.UpdateAgent(ctx, now.ID, api.AgentRequest{Name: now.Name, Description: now.Description, Disabled: now.Disabled,
				DefaultIntegration: &in.ID}, now.ETag())
		})
	return err
}

func (r *connectionResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state connectionModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	agent, err := r.server.Agent(ctx, first(state.AgentID, state.Agent))
	var in api.Integration
	if err == nil {
		in, err = r.server.Integration(ctx, first(state.IntegrationID, state.Integration))
	}
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the connection "+state.ID.ValueString(), err, nil)
	case !slices.ContainsFunc(agent.Connections, func(c api.Connection) bool { return c.Integration == in.Name }):
		resp.State.RemoveResource(ctx)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, state.take(agent, in))...)
	}
}

// first is the ID that is known, or else what refers to the thing.
func first(id, reference types.String) string {
	if id.ValueString() != "" {
		return id.ValueString()
	}
	return reference.ValueString()
}

// take is m as the server has it. A reference stays as it is while it still
// refers to the same thing.
func (m connectionModel) take(agent api.Agent, in api.Integration) connectionModel {
	m.ID, m.AgentID, m.IntegrationID = types.StringValue(agent.ID+"/"+in.ID), types.StringValue(agent.ID), types.StringValue(in.ID)
	if m.Agent.ValueString() != agent.ID {
		m.Agent = types.StringValue(agent.Name)
	}
	if m.Integration.ValueString() != in.ID {
		m.Integration = types.StringValue(in.Name)
	}
	if m.Default.ValueBool() && agent.DefaultIntegration != in.Name {
		m.Default = types.BoolValue(false)
	}
	return m
}

// Update follows references. They may lead to what they led to before, under a
// new name; then nothing is taken away, not even for a moment.
func (r *connectionResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state connectionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	summary := "Updating the connection of the agent " + plan.Agent.ValueString() + " to the integration " + plan.Integration.ValueString()
	made, err := r.connect(ctx, plan)
	if err == nil && !made.ID.Equal(state.ID) {
		err = r.disconnect(ctx, state)
	}
	if err != nil {
		report(&resp.Diagnostics, summary, err, atRoot)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, made)...)
}

func (r *connectionResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state connectionModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	if err := r.disconnect(ctx, state); err != nil {
		report(&resp.Diagnostics, "Disconnecting the agent "+state.Agent.ValueString()+" from the integration "+state.Integration.ValueString(), err, nil)
	}
}

// disconnect takes the integration away from the agent, if one of them is not
// gone already.
func (r *connectionResource) disconnect(ctx context.Context, state connectionModel) error {
	err := r.server.Disconnect(ctx, state.AgentID.ValueString(), state.IntegrationID.ValueString())
	if gone(err) {
		return nil
	}
	return err
}

// ImportState takes agent/integration, each a name or an ID.
func (r *connectionResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	agent, integration, ok := strings.Cut(req.ID, "/")
	if !ok || agent == "" || integration == "" || strings.Contains(integration, "/") {
		resp.Diagnostics.AddError("Importing a connection", "A connection is imported as AGENT/INTEGRATION, each a name or an ID, as in scout/production.")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("agent"), agent)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("integration"), integration)...)
}
