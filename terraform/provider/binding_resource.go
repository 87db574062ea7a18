package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// bindingResource is rolebroker_agent_binding.
type bindingResource struct{ agentPart }

var (
	_ resource.ResourceWithImportState    = &bindingResource{}
	_ resource.ResourceWithModifyPlan     = &bindingResource{}
	_ resource.ResourceWithValidateConfig = &bindingResource{}
)

func newBindingResource() resource.Resource {
	return &bindingResource{agentPart{
		onServer: onServer{suffix: "agent_binding", identity: ofAgent("id", "The ID of the binding.")},
		noun:     "binding", prefix: "bnd_", lists: "rolebroker agent bindings AGENT",
	}}
}

type bindingModel struct {
	ID             types.String `tfsdk:"id"`
	Agent          types.String `tfsdk:"agent"` // as the configuration has it: a name or an ID
	AgentID        types.String `tfsdk:"agent_id"`
	Issuer         types.String `tfsdk:"issuer"`
	Namespace      types.String `tfsdk:"namespace"`
	ServiceAccount types.String `tfsdk:"service_account"`
	Labels         types.Map    `tfsdk:"labels"`
}

func (r *bindingResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	replace := []planmodifier.String{stringplanmodifier.RequiresReplace()}
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Binds a Kubernetes service account to an agent. Pods that run as the service account get " +
			"the agent's credentials from the runner of their cluster, with the token of the service account. They " +
			"need " +
			"no agent token.\n\n" +
			"A service account is one agent: a binding by its name comes before one by labels, and that before one of " +
			"the whole namespace. An agent may have several service accounts. Any change replaces " +
			"the binding. Destroying it takes effect at once, but credentials that pods already have are valid until " +
			"they expire.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep, MarkdownDescription: "The ID of the binding.",
			},
			"agent": schema.StringAttribute{
				Required: true,
				MarkdownDescription: "The `id` of the agent, or its name. Use the `id`, which stays the same when the " +
					"agent is renamed.",
			},
			"agent_id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep, MarkdownDescription: "The agent's ID.",
			},
			"issuer": schema.StringAttribute{
				Required: true, PlanModifiers: replace,
				MarkdownDescription: "The issuer of the service account's tokens, as their claim `iss` has it: the " +
					"`issuer` of the cluster's `rolebroker_runner`.",
			},
			"namespace": schema.StringAttribute{
				Required: true, PlanModifiers: replace,
				MarkdownDescription: "The namespace of the service account. Anyone who may create pods in it can run " +
					"them as any of its service accounts.",
			},
			"service_account": schema.StringAttribute{
				Required: true, PlanModifiers: replace,
				MarkdownDescription: "The name of the service account. `*` binds every service account of the " +
					"namespace, also those that are made later, or those that have the `labels`.",
			},
			"labels": schema.MapAttribute{
				Optional: true, ElementType: types.StringType,
				PlanModifiers: []planmodifier.Map{mapplanmodifier.RequiresReplace()},
				MarkdownDescription: "With the service account `*`: the labels that a service account must have. " +
					"Anyone who may label service accounts in the namespace can choose among its agents.",
			},
		},
	}
}

// account is the service account, as far as it is known.
func (m bindingModel) account() rolebroker.ServiceAccount {
	return rolebroker.ServiceAccount{
		Issuer:    m.Issuer.ValueString(),
		Namespace: m.Namespace.ValueString(),
		Name:      m.ServiceAccount.ValueString(),
	}
}

// binding is what is bound, as far as it is known.
func (m bindingModel) binding() rolebroker.Token {
	labels := rolebroker.Labels{}
	for key, value := range m.Labels.Elements() {
		if text, ok := value.(types.String); ok && !text.IsUnknown() {
			labels[key] = text.ValueString()
		}
	}
	return rolebroker.Token{Account: m.account(), Labels: labels}
}

// labelsOf are labels as the state has them: null if there are none and there were none.
func labelsOf(labels map[string]string, before types.Map) types.Map {
	if len(labels) == 0 && len(before.Elements()) == 0 {
		return before
	}
	all := map[string]attr.Value{}
	for key, value := range labels {
		all[key] = types.StringValue(value)
	}
	return types.MapValueMust(types.StringType, all)
}

// ValidateConfig checks the known values by the server's own rules.
func (r *bindingResource) ValidateConfig(
	ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse,
) {
	var m bindingModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	binding := m.binding()
	err := binding.CheckBinding()
	if err == nil {
		return
	}
	unknown := map[string]bool{
		"issuer":          m.Issuer.IsUnknown(),
		"namespace":       m.Namespace.IsUnknown(),
		"service_account": m.ServiceAccount.IsUnknown(),
		"labels":          m.Labels.IsUnknown() || m.ServiceAccount.IsUnknown(),
	}
	for _, f := range rolebroker.AsError(err).Fields {
		if !unknown[f.Path] {
			resp.Diagnostics.AddAttributeError(path.Root(f.Path), "The service account is not valid",
				f.Path+": "+sentence(f.Message))
		}
	}
}

// ModifyPlan replaces the binding when it gets another agent.
func (r *bindingResource) ModifyPlan(
	ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse,
) {
	var plan, state bindingModel
	if changes(ctx, req, &resp.Diagnostics, &plan, &state) && r.moved(ctx, plan.Agent, state.Agent, state.AgentID) {
		replaceForAgent(ctx, resp)
	}
}

func (r *bindingResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan bindingModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}) {
		return
	}
	agent, made, err := r.bind(ctx, plan)
	if err != nil {
		binding := plan.binding()
		report(&resp.Diagnostics, "Binding the agent "+plan.Agent.ValueString()+" to "+binding.Selects(), err, atRoot)
		return
	}
	if made.Runner == "" {
		resp.Diagnostics.AddWarning("No runner is believed about the issuer of a binding",
			"The server believes no runner about tokens of the issuer "+made.Issuer+", so the pods of "+
				"rolebroker_agent_binding are refused until a rolebroker_runner has that issuer. Write issuer = "+
				"rolebroker_runner.NAME.issuer to make the runner first.")
	}
	plan.ID, plan.AgentID = types.StringValue(made.ID), types.StringValue(agent.ID)
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, plan)...)
}

// bind makes the binding. It refuses one that existed before, which somebody
// else made. One that exists only after a failed request is this one: the answer
// to the request was lost.
func (r *bindingResource) bind(ctx context.Context, plan bindingModel) (api.Agent, api.Binding, error) {
	agent, err := r.server.Agent(ctx, plan.Agent.ValueString())
	if err != nil {
		return agent, api.Binding{}, atMissing("agent", err)
	}
	account, binding := plan.account(), plan.binding()
	isThis := func(b api.Binding) bool {
		return rolebroker.ServiceAccount{Issuer: b.Issuer, Namespace: b.Namespace, Name: b.ServiceAccount} == account &&
			maps.Equal(b.Labels, binding.Labels)
	}
	before, err := r.find(ctx, agent.ID, isThis)
	switch {
	case err == nil:
		return agent, before, rolebroker.Errorf(rolebroker.CodeConflict,
			"%s is bound to agent %s already", binding.Selects(), agent.Name).
			WithSteps(importIt("rolebroker_agent_binding", agent.ID+"/"+before.ID))
	case !gone(err):
		return agent, before, err
	}
	made, err := r.server.Bind(ctx, agent.ID,
		api.BindingRequest{Issuer: account.Issuer, Namespace: account.Namespace, ServiceAccount: account.Name,
			Labels: binding.Labels})
	if code := rolebroker.CodeOf(err); code == rolebroker.CodeConflict || code == rolebroker.CodeUnavailable {
		if there, problem := r.find(ctx, agent.ID, isThis); problem == nil {
			return agent, there, nil
		}
	}
	return agent, made, err
}

// find finds a binding of an agent. Codes: not_found (there is no such binding,
// or no such agent), and those of reading.
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
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	agent, err := r.server.Agent(ctx, first(state.AgentID, state.Agent))
	var now api.Binding
	if err == nil {
		now, err = r.find(ctx, agent.ID, func(b api.Binding) bool { return b.ID == state.ID.ValueString() })
	}
	refresh(ctx, resp, "Reading the binding "+state.ID.ValueString(), err, func() bindingModel {
		return bindingModel{
			ID:             types.StringValue(now.ID),
			Agent:          sameAgent(agent, state.Agent),
			AgentID:        types.StringValue(agent.ID),
			Issuer:         types.StringValue(now.Issuer),
			Namespace:      types.StringValue(now.Namespace),
			ServiceAccount: types.StringValue(now.ServiceAccount),
			Labels:         labelsOf(now.Labels, state.Labels),
		}
	})
}

func (r *bindingResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state bindingModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	err := r.server.Unbind(ctx, state.AgentID.ValueString(), state.ID.ValueString())
	if err != nil && !gone(err) {
		binding := state.binding()
		report(&resp.Diagnostics, "Unbinding the agent "+state.Agent.ValueString()+" from "+binding.Selects(), err, nil)
	}
}
