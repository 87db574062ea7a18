package provider

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrationModel is an integration as Terraform stores it.
type integrationModel struct {
	ID             types.String `tfsdk:"id"`
	Name           types.String `tfsdk:"name"`
	Description    types.String `tfsdk:"description"`
	Enabled        types.Bool   `tfsdk:"enabled"`
	AssumptionMode types.String `tfsdk:"assumption_mode"`
	Runner         types.String `tfsdk:"runner"` // as the configuration has it: a name or an ID
	RunnerID       types.String `tfsdk:"runner_id"`
	ExternalID     types.String `tfsdk:"external_id"`
	SessionTags    types.Bool   `tfsdk:"session_tags"`
	SourceIdentity types.Bool   `tfsdk:"source_identity"`
	DefaultRole    types.String `tfsdk:"default_role"`
	Roles          types.Map    `tfsdk:"roles"` // of roleModel, by name
}

// integrationResourceModel is the model of the resource.
type integrationResourceModel struct {
	integrationModel
	Validate           types.String `tfsdk:"validate"`
	ValidateWait       types.String `tfsdk:"validate_wait"`
	RevalidateTriggers types.Map    `tfsdk:"revalidate_triggers"` // of strings
}

// integrationDataModel is the model of the data source.
type integrationDataModel struct {
	integrationModel
	NextExternalID types.String `tfsdk:"next_external_id"`
	Status         types.String `tfsdk:"status"`
}

// roles returns the known roles, by name. Parts of a role may be unknown; a role
// that is unknown as a whole is left out.
func (m integrationModel) roles(ctx context.Context, diags *diag.Diagnostics) map[string]roleModel {
	roles := map[string]roleModel{}
	for name, element := range m.Roles.Elements() {
		object, ok := element.(types.Object)
		if !ok || object.IsUnknown() || object.IsNull() {
			continue
		}
		var role roleModel
		diags.Append(object.As(ctx, &role, basetypes.ObjectAsOptions{})...)
		roles[name] = role
	}
	return roles
}

// request is the integration as the server receives it. The roles are in the
// order of their names, because the order in a configuration has no meaning.
// Unknown values are empty.
func (m integrationModel) request(ctx context.Context, diags *diag.Diagnostics) api.IntegrationRequest {
	roles := m.roles(ctx, diags)
	req := api.IntegrationRequest{
		Name:           m.Name.ValueString(),
		Description:    m.Description.ValueString(),
		Enabled:        knownBool(m.Enabled),
		AssumptionMode: m.AssumptionMode.ValueString(),
		Runner:         m.Runner.ValueString(),
		SessionTags:    m.SessionTags.ValueBool(),
		SourceIdentity: knownBool(m.SourceIdentity),
		DefaultRole:    m.DefaultRole.ValueString(),
		Roles:          []api.RoleRequest{},
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		req.Roles = append(req.Roles, roles[name].request(name))
	}
	return req
}

// noun is the integration for the rules of package rolebroker, with the runner by
// its ID. wrong lists the fields of roles that cannot be parsed. Unknown values
// are empty.
func (m integrationModel) noun(
	ctx context.Context, diags *diag.Diagnostics) (in rolebroker.Integration, wrong []rolebroker.Field,
) {
	in, wrong = convert.FromRequest(m.request(ctx, diags))
	in.Runner = rolebroker.RunnerID(m.RunnerID.ValueString())
	in.ExternalID = m.ExternalID.ValueString()
	return in, wrong
}

// found is an integration as the server has it, with the ID of its runner: the
// answer has the runner's name only.
type found struct {
	api.Integration
	runnerID string // empty: no runner is named
}

// describes returns whether the integration is as the model has it, in
// everything that people decide.
func (m integrationModel) describes(ctx context.Context, now found) bool {
	var ignored diag.Diagnostics
	ours, _ := m.noun(ctx, &ignored)
	theirs, err := convert.FromIntegration(now.Integration)
	theirs.Runner = rolebroker.RunnerID(now.runnerID)
	return err == nil && len(ours.Differences(&theirs)) == 0
}

// take returns the model with what the server has. Values that the server only
// spells differently, such as a duration, stay as they are; so does a reference
// to the runner while it leads to the same runner.
func (m integrationModel) take(ctx context.Context, in found, diags *diag.Diagnostics) integrationModel {
	spelled := m.roles(ctx, diags)
	roles := map[string]attr.Value{}
	for _, role := range in.Roles {
		roles[role.Name] = roleValue(ctx, roleType, roleOf(role, spelled[role.Name]), diags)
	}
	m = m.takeButRoles(in)
	m.Roles = types.MapValueMust(roleType, roles)
	return m
}

// takeButRoles is take without the roles.
func (m integrationModel) takeButRoles(in found) integrationModel {
	return integrationModel{
		ID:             types.StringValue(in.ID),
		Name:           types.StringValue(in.Name),
		Description:    types.StringValue(in.Description),
		Enabled:        types.BoolValue(in.Enabled),
		AssumptionMode: types.StringValue(in.AssumptionMode),
		Runner:         sameRunner(in, m.Runner),
		RunnerID:       stringOrNull(in.runnerID),
		ExternalID:     types.StringValue(in.ExternalID),
		SessionTags:    types.BoolValue(in.SessionTags),
		SourceIdentity: types.BoolValue(in.SourceIdentity),
		DefaultRole:    types.StringValue(in.DefaultRole),
	}
}

// roleValue is a role as a value of Terraform: a roleModel of the resource, or a
// roleDataModel of a data source.
func roleValue(ctx context.Context, of types.ObjectType, role any, diags *diag.Diagnostics) types.Object {
	value, more := types.ObjectValueFrom(ctx, of.AttrTypes, role)
	diags.Append(more...)
	return value
}

// saved returns the model with what the server has just saved for it. What the
// plan promised stays, even if it has changed since: the reference to a runner that
// was renamed, a rotated external ID, the result of another validation. The next
// plan shows such changes.
func (m integrationModel) saved(ctx context.Context, in found, diags *diag.Diagnostics) integrationModel {
	now := m.take(ctx, in, diags)
	if !now.Runner.IsNull() {
		now.Runner = m.Runner
	}
	if !m.ExternalID.IsUnknown() {
		now.ExternalID = m.ExternalID
	}
	planned, elements := m.roles(ctx, diags), now.Roles.Elements()
	for name, role := range now.roles(ctx, diags) {
		if before, ok := planned[name]; ok && !before.Validation.IsUnknown() {
			role.Validation = before.Validation
			elements[name] = roleValue(ctx, roleType, role, diags)
		}
	}
	now.Roles = types.MapValueMust(roleType, elements)
	return now
}

// sameRunner returns the reference if it is the ID of the integration's runner,
// else the runner's name.
func sameRunner(in found, reference types.String) types.String {
	if in.Runner != "" && reference.ValueString() == in.runnerID {
		return reference
	}
	return stringOrNull(in.Runner)
}

// stringOrNull is null for the empty string.
func stringOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}
