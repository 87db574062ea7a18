package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// Tokens and bindings belong to one agent, which a configuration names or gives
// the ID of.

// isStill says whether a reference to an agent leads to the agent with an ID, to
// which another one led before. Where that cannot be found out, it does not.
func (s *server) isStill(ctx context.Context, reference, before, id types.String) bool {
	if reference.Equal(before) || reference.Equal(id) {
		return true
	}
	if reference.IsUnknown() || s == nil || s.Client == nil {
		return false
	}
	agent, err := s.Agent(ctx, reference.ValueString())
	return err == nil && agent.ID == id.ValueString()
}

// ofAnother has what belongs to an agent be made anew, for another agent.
func ofAnother(ctx context.Context, resp *resource.ModifyPlanResponse) {
	resp.RequiresReplace.Append(path.Root("agent"))
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("id"), types.StringUnknown())...)
	resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("agent_id"), types.StringUnknown())...)
}

// sameAgent is a reference as it is while it leads to the agent, or else the
// agent's name.
func sameAgent(agent api.Agent, reference types.String) types.String {
	if reference.ValueString() == agent.ID {
		return reference
	}
	return types.StringValue(agent.Name)
}
