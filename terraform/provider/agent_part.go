package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// agentPart is what tokens and bindings share. Each belongs to one agent, which
// the attribute agent names by name or ID; agent_id is the agent's ID.
type agentPart struct {
	onServer
	noun   string // as in "token"
	prefix string // of its IDs, as in "tok_"
	lists  string // the command that lists the IDs
}

// Update keeps the plan. The only change that does not replace the resource is
// another reference to the same agent.
func (r *agentPart) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
	resp.Diagnostics.Append(identify(ctx, resp.State, resp.Identity)...)
}

// ImportState takes an identity or AGENT/ID: the agent's name or ID, and the ID of the
// part.
func (r *agentPart) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	agent, id, _ := strings.Cut(req.ID, "/")
	if values := r.imported(ctx, req, &resp.Diagnostics); values != nil {
		agent, id = values[0], values[1]
	}
	if agent == "" || !strings.HasPrefix(id, r.prefix) {
		resp.Diagnostics.AddError("Importing a "+r.noun, fmt.Sprintf(
			"The import ID of a %s is AGENT/ID, as in scout/%s2mzq7k4vprb5xw3tdn6hjc8ysa. %s lists the IDs.",
			r.noun, r.prefix, r.lists))
		return
	}
	importPair(ctx, resp, "agent", agent, "id", id)
}

// importPair sets two attributes of a resource that Terraform imports.
func importPair(ctx context.Context, resp *resource.ImportStateResponse, name1, value1, name2, value2 string) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name1), value1)...)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(name2), value2)...)
}

// moved returns whether the planned reference leads to another agent than the
// one in the state. If it cannot find that out, it assumes so.
func (r *agentPart) moved(ctx context.Context, planned, before, id types.String) bool {
	if planned.Equal(before) || planned.Equal(id) {
		return false
	}
	if planned.IsUnknown() || r.server == nil || r.server.Client == nil {
		return true
	}
	agent, err := r.server.Agent(ctx, planned.ValueString())
	return err != nil || agent.ID != id.ValueString()
}

// replaceForAgent plans a replacement, because the part belongs to one agent for
// all of its life.
func replaceForAgent(ctx context.Context, resp *resource.ModifyPlanResponse) {
	resp.RequiresReplace.Append(path.Root("agent"))
	setUnknown(ctx, resp, "id", "agent_id")
}

// setUnknown makes attributes of a plan unknown.
func setUnknown(ctx context.Context, resp *resource.ModifyPlanResponse, names ...string) {
	for _, name := range names {
		resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root(name), types.StringUnknown())...)
	}
}

// changes reads the plan and the state of a resource that stays in the
// configuration. It returns false if Terraform creates or destroys the resource,
// and on errors.
func changes(ctx context.Context, req resource.ModifyPlanRequest, diags *diag.Diagnostics, plan, state any) bool {
	if req.Plan.Raw.IsNull() || req.State.Raw.IsNull() {
		return false
	}
	diags.Append(req.Plan.Get(ctx, plan)...)
	diags.Append(req.State.Get(ctx, state)...)
	return !diags.HasError()
}

// sameAgent returns the reference if it is the agent's ID, else the agent's name.
func sameAgent(agent api.Agent, reference types.String) types.String {
	if reference.ValueString() == agent.ID {
		return reference
	}
	return types.StringValue(agent.Name)
}
