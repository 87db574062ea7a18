package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// bindingResource is rolebroker_agent_binding.
type bindingResource struct{ fromServer }

var (
	_ resource.ResourceWithImportState    = &bindingResource{}
	_ resource.ResourceWithModifyPlan     = &bindingResource{}
	_ resource.ResourceWithValidateConfig = &bindingResource{}
)

type bindingModel struct {
	ID             types.String `tfsdk:"id"`
	Agent          types.String `tfsdk:"agent"` // as the configuration has it: a name or an ID
	AgentID        types.String `tfsdk:"agent_id"`
	Issuer         types.String `tfsdk:"issuer"`
	Namespace      types.String `tfsdk:"namespace"`
	ServiceAccount types.String `tfsdk:"service_account"`
}

func (r *bindingResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent_binding"
}

func (r *bindingResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	replace := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A Kubernetes service account is an agent: pods that run as it borrow with its token, from the runner of their cluster, and need no agent token.\n\n" +
			"A service account is one agent; an agent may be several service accounts. Nothing of a binding changes in place: it is replaced. Destroying it takes effect at once; what was lent already lives until it expires.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: keep, MarkdownDescription: "Of the binding."},
			"agent": schema.StringAttribute{Required: true,
				MarkdownDescription: "The `id` of the agent, or its name. Use the `id`, which renaming does not change."},
			"agent_id": schema.StringAttribute{Computed: true, PlanModifiers: keep, MarkdownDescription: "The agent's ID."},
			"issuer": schema.StringAttribute{Required: true, PlanModifiers: replace,
				MarkdownDescription: "Of the service account's tokens, as their claim `iss` has it: the `issuer` of the cluster's `rolebroker_runner`."},
			"namespace": schema.StringAttribute{Required: true, PlanModifiers: replace,
				MarkdownDescription: "Of the service account. Whoever may make pods in it can run as any of its service accounts."},
			"service_account": schema.StringAttribute{Required: true, PlanModifiers: replace,
				MarkdownDescription: "Its name."},
		},
	}
}

// account is the service account, as far as it is known.
func (m bindingModel) account() rolebroker.ServiceAccount {
	return rolebroker.ServiceAccount{Issuer: m.Issuer.ValueString(), Namespace: m.Namespace.ValueString(), Name: m.ServiceAccount.ValueString()}
}

// ValidateConfig says what is wrong with what is known, by the server's own
// rules.
func (r *bindingResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m bindingModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	unknown := map[string]bool{"issuer": m.Issuer.IsUnknown(), "namespace": m.Namespace.IsUnknown(), "service_account": m.ServiceAccount.IsUnknown()}
	if err := m.account().Check(); err != nil {
		for _, f := range rolebroker.AsError(err).Fields {
			if !unknown[f.Path] {
				resp.Diagnostics.AddAttributeError(path.Root(f.Path), "The service account is not valid", f.Path+": "+sentence(f.Message))
			}
		}
	}
}

// ModifyPlan replaces the binding when it is another agent's.
func (r *bindingResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return
	}
	var plan, state bindingModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || r.server.isStill(ctx, plan.Agent, state.Agent, state.AgentID) {
		return
	}
	ofAnother(ctx, resp)
}

func (r *bindingResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan bindingModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	agent, made, err := r.bind(ctx, plan)
	if err != nil {
		report(&resp.Diagnostics, "Binding the agent "+plan.Agent.ValueString()+" to the service account "+plan.account().String(), err, atRoot)
		return
	}
	plan.ID, plan.AgentID = types.StringValue(made.ID), types.StringValue(agent.ID)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// bind makes the binding. One that was there before stays what it was, of
// whoever made it; one that is there only afterwards is this one, of whose
// making the answer got lost.
func (r *bindingResource) bind(ctx context.Context, plan bindingModel) (api.Agent, api.Binding, error) {
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		return agent, api.Binding{}, atMissing("agent", err)
	}
	isThis := func(b api.Binding) bool {
		return rolebroker.ServiceAccount{Issuer: b.Issuer, Namespace: b.Namespace, Name: b.ServiceAccount} == plan.account()
	}
	before, err := r.find(ctx, agent.ID, isThis)
	switch {
	case err == nil:
		return agent, before, rolebroker.Errorf(rolebroker.CodeConflict, "the service account %s is agent %s already", plan.account(), agent.Name).
			WithSteps(importIt("rolebroker_agent_binding", agent.ID+"/"+before.ID))
	case !gone(err):
		return agent, before, err
	}
	made, err := r.server.Bind(ctx, agent.ID, api.BindingRequest{Issuer: plan.Issuer.ValueString(), Namespace: plan.Namespace.ValueString(), ServiceAccount: plan.ServiceAccount.ValueString()})
	if code := rolebroker.CodeOf(err); code == rolebroker.CodeConflict || code == rolebroker.CodeUnavailable {
		if there, problem := r.find(ctx, agent.ID, isThis); problem == nil {
			return agent, there, nil
		}
	}
	return agent, made, err
}

// find is the one binding of an agent of which is is true. Codes: also
// not_found (there is none, or no such agent).
func (r *bindingResource) find(ctx context.Context, agent string, is func(api.Binding) bool) (api.Binding, error) {
	for b, err := range r.server.AllBindings(ctx, agent) {
		if err != nil || is(b) {
			return b, err
		}
	}
	return api.Binding{}, rolebroker.Errorf(rolebroker.CodeNotFound, "the agent %s has no such binding", agent)
}

func (r *bindingResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state bindingModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	agent, err := r.server.Agent(ctx, first(state.AgentID, state.Agent))
	var there api.Binding
	if err == nil {
		there, err = r.find(ctx, agent.ID, func(b api.Binding) bool { return b.ID == state.ID.ValueString() })
	}
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the binding "+state.ID.ValueString(), err, nil)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, bindingModel{types.StringValue(there.ID), sameAgent(agent, state.Agent), types.StringValue(agent.ID),
			types.StringValue(there.Issuer), types.StringValue(there.Namespace), types.StringValue(there.ServiceAccount)})...)
	}
}

// Update is for another way of writing the same agent only.
func (r *bindingResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan bindingModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

func (r *bindingResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state bindingModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	if err := r.server.Unbind(ctx, state.AgentID.ValueString(), state.ID.ValueString()); err != nil && !gone(err) {
		report(&resp.Diagnostics, "Unbinding the agent "+state.Agent.ValueString()+" from the service account "+state.account().String(), err, nil)
	}
}

// ImportState takes agent/binding: the agent's name or ID, and the binding's ID.
func (r *bindingResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	agent, id, ok := strings.Cut(req.ID, "/")
	if !ok || agent == "" || !strings.HasPrefix(id, "bnd_") {
		resp.Diagnostics.AddError("Importing a binding", "A binding is imported as AGENT/ID, as in scout/bnd_2mzq7k4vprb5xw3tdn6hjc8ysa; rolebroker agent bindings AGENT lists the IDs.")
		return
	}
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("agent"), agent)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), id)...)
}
