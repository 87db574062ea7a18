package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// agentResource is rolebroker_agent.
type agentResource struct{ fromServer }

var _ resource.ResourceWithImportState = &agentResource{}

type agentModel struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
	Disabled    types.Bool   `tfsdk:"disabled"`
}

func (r *agentResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent"
}

func (r *agentResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Who borrows. What it may borrow from is said by `rolebroker_agent_connection`.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "Stable for the life of the agent, also when it is renamed."},
			"name": schema.StringAttribute{Required: true, Validators: []validator.String{isName{}},
				MarkdownDescription: "Unique in a deployment, and what CloudTrail shows as the session name: letters, digits, `.`, `_` and `-`, at most 64. Changing it renames the agent in place."},
			"description": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters."},
			"disabled": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Nothing is lent to a disabled agent. What it has already lives until it expires. Default: false."},
		},
	}
}

func agentOf(a api.Agent) agentModel {
	return agentModel{types.StringValue(a.ID), types.StringValue(a.Name), types.StringValue(a.Description), types.BoolValue(a.Disabled)}
}

func (m agentModel) request() api.AgentRequest {
	return api.AgentRequest{Name: m.Name.ValueString(), Description: m.Description.ValueString(), Disabled: m.Disabled.ValueBool()}
}

// describes says whether the agent is as m has it, in all that m says.
func (m agentModel) describes(a api.Agent) bool {
	there := agentOf(a)
	return there.Name.Equal(m.Name) && there.Description.Equal(m.Description) && there.Disabled.Equal(m.Disabled)
}

// atRoot is where the fields are of what has no parts.
func atRoot(field string) path.Path { return path.Root(field) }

func (r *agentResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan agentModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	name := plan.Name.ValueString()
	made, err := r.server.CreateAgent(ctx, plan.request())
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		err = rolebroker.AsError(err).WithSteps(importIt("rolebroker_agent", name))
	}
	if err != nil {
		report(&resp.Diagnostics, "Creating the agent "+name, err, atRoot)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, agentOf(made))...)
}

func (r *agentResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state agentModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	a, err := r.server.Agent(ctx, state.ID.ValueString())
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the agent "+state.ID.ValueString(), err, nil)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, agentOf(a))...)
	}
}

func (r *agentResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state agentModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	updated, err := change(func() (api.Agent, error) { return r.server.Agent(ctx, state.ID.ValueString()) }, state.describes, plan.describes,
		func(now api.Agent) (api.Agent, error) {
			return r.server.UpdateAgent(ctx, now.ID, plan.request(), now.ETag())
		})
	if err != nil {
		report(&resp.Diagnostics, "Updating the agent "+state.Name.ValueString(), err, atRoot)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, agentOf(updated))...)
}

func (r *agentResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state agentModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	_, err := change(func() (api.Agent, error) { return r.server.Agent(ctx, state.ID.ValueString()) }, state.describes, nil,
		func(now api.Agent) (api.Agent, error) { return now, r.server.DeleteAgent(ctx, now.ID, now.ETag()) })
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Deleting the agent "+state.Name.ValueString(), err, nil)
	}
}

// ImportState takes a name or an ID.
func (r *agentResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}
