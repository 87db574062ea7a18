package provider

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// integrationModel is an integration as Terraform holds it.
type integrationModel struct {
	ID             types.String `tfsdk:"id"`
	Name           types.String `tfsdk:"name"`
	Description    types.String `tfsdk:"description"`
	AssumptionMode types.String `tfsdk:"assumption_mode"`
	Runner         types.String `tfsdk:"runner"` // as the configuration has it: a name or an ID
	RunnerID       types.String `tfsdk:"runner_id"`
	ExternalID     types.String `tfsdk:"external_id"`
	SessionTags    types.Bool   `tfsdk:"session_tags"`
	SourceIdentity types.Bool   `tfsdk:"source_identity"`
	DefaultRole    types.String `tfsdk:"default_role"`
	Roles          types.Map    `tfsdk:"roles"` // of roleModel, by name
	Validate       types.String `tfsdk:"validate"`
}

// roleModel is one role of it; its name is the key.
type roleModel struct {
	ID              types.String `tfsdk:"id"`
	ARN             types.String `tfsdk:"arn"`
	Region          types.String `tfsdk:"region"`
	Enabled         types.Bool   `tfsdk:"enabled"`
	SessionDuration types.String `tfsdk:"session_duration"`
	Validation      types.Object `tfsdk:"validation"`
}

var (
	validationType = types.ObjectType{AttrTypes: map[string]attr.Type{
		"status": types.StringType, "code": types.StringType, "message": types.StringType,
		"hint": types.StringType, "request_id": types.StringType, "checked_at": types.StringType, "checked_by": types.StringType,
	}}
	roleType = types.ObjectType{AttrTypes: map[string]attr.Type{
		"id": types.StringType, "arn": types.StringType, "region": types.StringType, "enabled": types.BoolType,
		"session_duration": types.StringType, "validation": validationType,
	}}
)

// roles are the roles that are known, by name. Where a part of one is not known
// yet, that part is unknown; where all of it is not, it is left out.
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

// request is what the server is sent. The roles are in the order of their
// names, so that the order in a configuration says nothing.
func (m integrationModel) request(ctx context.Context, diags *diag.Diagnostics) api.IntegrationRequest {
	roles := m.roles(ctx, diags)
	req := api.IntegrationRequest{
		Name:           m.Name.ValueString(),
		Description:    m.Description.ValueString(),
		AssumptionMode: m.AssumptionMode.ValueString(),
		Runner:         m.Runner.ValueString(),
		SessionTags:    m.SessionTags.ValueBool(),
		SourceIdentity: m.SourceIdentity.ValueBool(),
		DefaultRole:    m.DefaultRole.ValueString(),
		Roles:          []api.RoleRequest{},
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		role := roles[name]
		req.Roles = append(req.Roles, api.RoleRequest{
			ID: role.ID.ValueString(), Name: name, ARN: role.ARN.ValueString(), Region: role.Region.ValueString(),
			Enabled: role.Enabled.ValueBoolPointer(), SessionDuration: role.SessionDuration.ValueString(),
		})
	}
	return req
}

// found is an integration as the server has it, with the ID of its runner, of
// which the answer has the name only.
type found struct {
	api.Integration
	runnerID string // empty: no runner is named
}

// take is m as the server has it. What the server only spells otherwise, such
// as a duration, stays as it is, and so does a reference to the runner while it
// still leads there.
func (m integrationModel) take(ctx context.Context, in found, diags *diag.Diagnostics) integrationModel {
	spelled := m.roles(ctx, diags)
	roles := map[string]attr.Value{}
	for _, role := range in.Roles {
		var more diag.Diagnostics
		roles[role.Name], more = types.ObjectValueFrom(ctx, roleType.AttrTypes, roleOf(role, spelled[role.Name]))
		diags.Append(more...)
	}
	return integrationModel{
		ID:             types.StringValue(in.ID),
		Name:           types.StringValue(in.Name),
		Description:    types.StringValue(in.Description),
		AssumptionMode: types.StringValue(in.AssumptionMode),
		Runner:         sameRunner(in, m.Runner),
		RunnerID:       orNull(in.runnerID),
		ExternalID:     types.StringValue(in.ExternalID),
		SessionTags:    types.BoolValue(in.SessionTags),
		SourceIdentity: types.BoolValue(in.SourceIdentity),
		DefaultRole:    types.StringValue(in.DefaultRole),
		Roles:          types.MapValueMust(roleType, roles),
		Validate:       m.Validate,
	}
}

// took is m as the server has it right after it took m: what refers to the runner
// led there, whatever the runner is called by now.
func (m integrationModel) took(ctx context.Context, in found, diags *diag.Diagnostics) integrationModel {
	now := m.take(ctx, in, diags)
	if !now.Runner.IsNull() {
		now.Runner = m.Runner
	}
	return now
}

// sameRunner is a reference as it is while it leads to the integration's runner,
// or else the runner's name.
func sameRunner(in found, reference types.String) types.String {
	if in.Runner != "" && reference.ValueString() == in.runnerID {
		return reference
	}
	return orNull(in.Runner)
}

// orNull is a text, or null for none.
func orNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}
	return types.StringValue(s)
}

func roleOf(role api.Role, spelled roleModel) roleModel {
	return roleModel{
		ID:              types.StringValue(role.ID),
		ARN:             types.StringValue(role.ARN),
		Region:          types.StringValue(role.Region),
		Enabled:         types.BoolValue(role.Enabled),
		SessionDuration: sameDuration(role.SessionDuration, spelled.SessionDuration),
		Validation:      validationOf(role.Validation),
	}
}

// sameDuration is a duration as it is spelled already, if that is the same.
func sameDuration(duration string, spelled types.String) types.String {
	theirs, err := rolebroker.ParseSessionDuration(duration)
	ours, problem := rolebroker.ParseSessionDuration(spelled.ValueString())
	if err == nil && problem == nil && theirs == ours && !spelled.IsNull() {
		return spelled
	}
	return types.StringValue(duration)
}

func validationOf(v *api.Validation) types.Object {
	if v == nil {
		return types.ObjectNull(validationType.AttrTypes)
	}
	return types.ObjectValueMust(validationType.AttrTypes, map[string]attr.Value{
		"status": types.StringValue(v.Status), "code": types.StringValue(v.Code), "message": types.StringValue(v.Message),
		"hint": types.StringValue(v.Hint), "request_id": types.StringValue(v.RequestID),
		"checked_at": types.StringValue(v.CheckedAt.UTC().Format(time.RFC3339)), "checked_by": types.StringValue(v.CheckedBy),
	})
}

// noun is what the rules of package rolebroker check, as far as it is known.
func (m integrationModel) noun(roles map[string]roleModel) *rolebroker.Integration {
	in := &rolebroker.Integration{
		Name:           m.Name.ValueString(),
		Description:    m.Description.ValueString(),
		AssumptionMode: rolebroker.AssumptionMode(m.AssumptionMode.ValueString()),
		Runner:         rolebroker.RunnerID(m.Runner.ValueString()),
		DefaultRole:    m.DefaultRole.ValueString(),
	}
	if in.AssumptionMode == "" {
		in.AssumptionMode = rolebroker.ModePlatform
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		in.Roles = append(in.Roles, roles[name].noun(name))
	}
	return in
}

func (r roleModel) noun(name string) rolebroker.Role {
	role := rolebroker.Role{Name: name, Region: rolebroker.Region(r.Region.ValueString()), Enabled: r.Enabled.IsNull() || r.Enabled.IsUnknown() || r.Enabled.ValueBool()}
	role.ARN, _ = rolebroker.ParseRoleARN(r.ARN.ValueString()) // what is wrong with it is said by itself
	role.SessionDuration, _ = rolebroker.ParseSessionDuration(r.SessionDuration.ValueString())
	return role
}
