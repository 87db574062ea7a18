package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/boolplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

type agentModel struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
	Disabled    types.Bool   `tfsdk:"disabled"`
	Owner       types.String `tfsdk:"owner"`
}

func agentOf(a api.Agent) agentModel {
	return agentModel{
		ID:          types.StringValue(a.ID),
		Name:        types.StringValue(a.Name),
		Description: types.StringValue(a.Description),
		Disabled:    types.BoolValue(a.Disabled),
		Owner:       types.StringValue(a.Owner),
	}
}

func (m agentModel) id() string   { return m.ID.ValueString() }
func (m agentModel) name() string { return m.Name.ValueString() }

func (m agentModel) request() api.AgentRequest {
	return api.AgentRequest{
		Name:        m.Name.ValueString(),
		Description: m.Description.ValueString(),
		Disabled:    m.Disabled.ValueBool(),
		Owner:       m.Owner.ValueString(), // empty: the server leaves it as it is
	}
}

// agentResource is rolebroker_agent.
type agentResource struct {
	namedResource[api.Agent, api.AgentRequest, agentModel]
}

var _ resource.ResourceWithModifyPlan = &agentResource{}

// ModifyPlan counts new agents, for the check of their default integrations, and warns
// if the plan enables one that is disabled.
func (r *agentResource) ModifyPlan(
	ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse,
) {
	if r.server != nil && req.State.Raw.IsNull() && !req.Plan.Raw.IsNull() {
		r.server.defaults.createsAgent()
	}
	var plan, state agentModel
	if changes(ctx, req, &resp.Diagnostics, &plan, &state) && state.Disabled.ValueBool() && !plan.Disabled.ValueBool() {
		resp.Diagnostics.AddAttributeWarning(path.Root("disabled"), "The plan enables agent "+state.name(),
			r.whyDisabled(ctx, state)+" Leave disabled out, and the agent stays as it is.")
	}
}

// whyDisabled says that the agent is disabled, and whether somebody cut it off.
func (r *agentResource) whyDisabled(ctx context.Context, m agentModel) string {
	if r.server == nil || r.server.Client == nil {
		return "It is disabled now."
	}
	agent, err := r.server.Agent(ctx, m.id())
	if err != nil || agent.CutOff == nil {
		return "It is disabled now."
	}
	return fmt.Sprintf("It is also cut off since %s, by %s, and stays so.",
		agent.CutOff.At.UTC().Format(time.RFC3339), strings.TrimSuffix(agent.CutOff.By+": "+agent.CutOff.Reason, ": "))
}

func newAgentResource() resource.Resource {
	return &agentResource{namedResource[api.Agent, api.AgentRequest, agentModel]{
		onServer: onServer{suffix: "agent", identity: byName("agent")},
		schema:   agentSchema(),
		model:    agentOf,
		calls: func(s *server) calls[api.Agent, api.AgentRequest] {
			return calls[api.Agent, api.AgentRequest]{s.Agent, s.CreateAgent, s.UpdateAgent, s.DeleteAgent}
		},
	}}
}

func agentSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "An AI agent. `rolebroker_agent_connection` connects it to the integrations whose " +
			"roles it " +
			"may borrow.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed:            true,
				PlanModifiers:       []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "The agent's ID. Renaming the agent does not change it.",
			},
			"name": schema.StringAttribute{
				Required:   true,
				Validators: []validator.String{isName()},
				MarkdownDescription: "Unique in a deployment. CloudTrail shows it as the session name. Letters, " +
					"digits, " +
					"`.`, `_` and `-`, at most 64. Changing it renames the agent in place.",
			},
			"description": schema.StringAttribute{
				Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters.",
			},
			"owner": schema.StringAttribute{
				Optional: true, Computed: true,
				Validators:    []validator.String{isName()},
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "The name of the API key whose holder answers for the agent, and does not approve " +
					"its access requests. Without it, it is the key that creates the agent, and stays what others " +
					"make it. Empty if that key was deleted.",
			},
			"disabled": schema.BoolAttribute{
				Optional: true, Computed: true,
				PlanModifiers: []planmodifier.Bool{boolplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "A disabled agent gets no credentials. Credentials that it already has are valid " +
					"until they expire. Left out: the agent stays as it is; a new one is not disabled. An agent that " +
					"somebody cut off stays cut off, whatever this says.",
			},
		},
	}
}
