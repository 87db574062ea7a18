package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// ModifyPlan refuses an external ID that cannot be had, and keeps the computed
// values that will not change, so that a plan shows only what will.
func (r *integrationResource) ModifyPlan(
	ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse,
) {
	if req.Plan.Raw.IsNull() || req.Plan.Raw.Equal(req.State.Raw) {
		return
	}
	var plan, state integrationResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if req.State.Raw.IsNull() {
		r.checkExternalID(ctx, plan, &resp.Diagnostics)
		if plan.Runner.IsNull() {
			resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("runner_id"), types.StringNull())...)
		}
		return
	}
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}
	plan.ExternalID = r.plannedExternalID(ctx, plan, state, &resp.Diagnostics)
	if !plan.Roles.IsUnknown() {
		plan.keepRunner(state)
		plan.keepRoles(ctx, state, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// keepRunner keeps the ID of the runner in the state if the planned reference
// still leads to it.
func (m *integrationResourceModel) keepRunner(state integrationResourceModel) {
	switch {
	case m.Runner.IsNull():
		m.RunnerID = types.StringNull()
	case m.Runner.Equal(state.Runner), m.Runner.Equal(state.RunnerID):
		m.RunnerID = state.RunnerID
	}
}

// keepRoles gives each planned role the ID of the same role in the state: of the
// role with its name or else with its ARN. It keeps the role's validation if the
// apply will not validate and the role is assumed as before.
func (m *integrationResourceModel) keepRoles(
	ctx context.Context, state integrationResourceModel, diags *diag.Diagnostics,
) {
	had, planned := state.roles(ctx, diags), m.roles(ctx, diags)
	assumed := m.assumedAsBefore(ctx, state, diags)
	elements := m.Roles.Elements()
	for name, role := range planned {
		before, ok := had[name]
		if !ok {
			before, ok = renamed(role, had, planned)
		}
		if !ok {
			continue
		}
		role.ID = before.ID
		if assumed(name, role, before) {
			role.Validation = before.Validation
		}
		elements[name] = roleValue(ctx, roleType, role, diags)
	}
	m.Roles = types.MapValueMust(roleType, elements)
}

// renamed returns the role in the state that has lost its name and has the ARN
// of the planned role, if there is exactly one on both sides.
func renamed(role roleModel, had, planned map[string]roleModel) (before roleModel, ok bool) {
	withARN := func(roles, others map[string]roleModel) (found []roleModel) {
		for name, other := range roles {
			if _, stays := others[name]; !stays && other.ARN.Equal(role.ARN) {
				found = append(found, other)
			}
		}
		return found
	}
	lost, gained := withARN(had, planned), withARN(planned, had)
	if len(lost) != 1 || len(gained) != 1 || role.ARN.IsUnknown() {
		return roleModel{}, false
	}
	return lost[0], true
}

// assumedAsBefore returns whether an apply leaves the validation of a role alone:
// it does not validate, and a planned role, by its name, is certain to be assumed
// as the role in the state is.
func (m *integrationResourceModel) assumedAsBefore(
	ctx context.Context, state integrationResourceModel, diags *diag.Diagnostics,
) func(name string, role, before roleModel) bool {
	same := m.sameAssumption(ctx, state, diags)
	if m.Validate.ValueString() != api.ValidateSkip && m.tries(ctx, state, same, diags) {
		return func(string, roleModel, roleModel) bool { return false }
	}
	return same
}

// validates returns how the server validates in an update: not at all if that
// could bring nothing new, as with another description.
func (m *integrationResourceModel) validates(
	ctx context.Context, state integrationResourceModel, diags *diag.Diagnostics,
) string {
	if !m.tries(ctx, state, m.sameAssumption(ctx, state, diags), diags) {
		return api.ValidateSkip
	}
	return m.Validate.ValueString()
}

// tries returns whether an update has a reason to validate: another way of
// validating, another trigger, or a role that is new, enabled or assumed in another
// way. same is sameAssumption.
func (m *integrationResourceModel) tries(ctx context.Context, state integrationResourceModel,
	same func(string, roleModel, roleModel) bool, diags *diag.Diagnostics,
) bool {
	if !m.Validate.Equal(state.Validate) || !m.RevalidateTriggers.Equal(state.RevalidateTriggers) ||
		!m.Enabled.Equal(state.Enabled) {
		return true
	}
	had, planned := state.roles(ctx, diags), m.roles(ctx, diags)
	if len(planned) != len(m.Roles.Elements()) {
		return true
	}
	for name, role := range planned {
		before, ok := had[name]
		if !ok {
			before, ok = renamed(role, had, planned)
		}
		if !ok || !same(name, role, before) {
			return true
		}
	}
	return false
}

// sameAssumption returns whether a planned role, by its name, is certain to be
// assumed as the role in the state is. Both integrations are converted once for all
// roles.
func (m *integrationResourceModel) sameAssumption(
	ctx context.Context, state integrationResourceModel, diags *diag.Diagnostics,
) func(name string, role, before roleModel) bool {
	if m.AssumptionMode.IsUnknown() || m.RunnerID.IsUnknown() || m.ExternalID.IsUnknown() ||
		m.SessionTags.IsUnknown() || m.SourceIdentity.IsUnknown() {
		return func(string, roleModel, roleModel) bool { return false }
	}
	now, _ := m.noun(ctx, diags)
	then, _ := state.noun(ctx, diags)
	planned, had := map[string]string{}, map[string]string{} // fingerprints, by name and by ID
	for i := range now.Roles {
		planned[now.Roles[i].Name] = now.Fingerprint(&now.Roles[i])
	}
	for i := range then.Roles {
		had[string(then.Roles[i].ID)] = then.Fingerprint(&then.Roles[i])
	}
	return func(name string, role, before roleModel) bool {
		for _, unknown := range role.unknown() {
			if unknown {
				return false
			}
		}
		fingerprint, ok := had[before.ID.ValueString()]
		return ok && role.Enabled.Equal(before.Enabled) && planned[name] == fingerprint
	}
}
