package provider

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// identity is the identity of a resource: attributes of its state by which it can be
// imported. Terraform and OpenTofu before 1.12 know nothing of it.
type identity []identifying

// identifying is an attribute of an identity.
type identifying struct {
	name        string
	optional    bool // it can be left out of an import, if another one is there
	description string
}

// byName is the identity of an object that has a name.
func byName(noun string) identity {
	return identity{
		{"id", true, "The ID of the " + noun + ". It comes before the name."},
		{"name", true, "The name of the " + noun + ", as it is now."},
	}
}

// ofAgent is the identity of a part of an agent.
func ofAgent(name, description string) identity {
	return identity{{"agent_id", false, "The ID of the agent."}, {name, false, description}}
}

// IdentitySchema has the attributes of the resource's identity.
func (o *onServer) IdentitySchema(
	_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse,
) {
	resp.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{}}
	for _, a := range o.identity {
		resp.IdentitySchema.Attributes[a.name] = identityschema.StringAttribute{
			RequiredForImport: !a.optional, OptionalForImport: a.optional, Description: a.description,
		}
	}
}

// save sets the state to the model, and the identity to the attributes of the state
// that have the same names.
func save(ctx context.Context, state *tfsdk.State, identity *tfsdk.ResourceIdentity, model any) diag.Diagnostics {
	diags := state.Set(ctx, model)
	if diags.HasError() {
		return diags
	}
	return append(diags, identify(ctx, *state, identity)...)
}

// identify sets the identity of a resource by its state.
func identify(ctx context.Context, state tfsdk.State, identity *tfsdk.ResourceIdentity) (diags diag.Diagnostics) {
	for name := range identity.Schema.GetAttributes() {
		var value types.String
		diags.Append(state.GetAttribute(ctx, path.Root(name), &value)...)
		diags.Append(identity.SetAttribute(ctx, path.Root(name), value)...)
	}
	return diags
}

// lose sets the identity of a resource that is no more. The framework requires one, and
// a state of an earlier version, and a failed import, may have none.
func lose(ctx context.Context, state tfsdk.State, identity *tfsdk.ResourceIdentity) (diags diag.Diagnostics) {
	for name := range identity.Schema.GetAttributes() {
		var value types.String
		diags.Append(state.GetAttribute(ctx, path.Root(name), &value)...)
		diags.Append(identity.SetAttribute(ctx, path.Root(name), value.ValueString())...)
	}
	return diags
}

// imported are the values of an identity by which Terraform imports a resource, in the
// order of its attributes; nil if it imports by a string. Null values are empty.
func (o *onServer) imported(ctx context.Context, req resource.ImportStateRequest, diags *diag.Diagnostics) []string {
	if req.ID != "" || req.Identity == nil {
		return nil
	}
	values := make([]string, len(o.identity))
	for i, a := range o.identity {
		var value types.String
		diags.Append(req.Identity.GetAttribute(ctx, path.Root(a.name), &value)...)
		values[i] = value.ValueString()
	}
	if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
		diags.AddError("Importing a rolebroker_"+o.suffix, "The identity is empty. Give one of its attributes.")
	}
	return values
}

// reference is the name or ID by which Terraform imports an object that has a name.
func (o *onServer) reference(ctx context.Context, req resource.ImportStateRequest, diags *diag.Diagnostics) string {
	for _, value := range o.imported(ctx, req, diags) {
		if value != "" {
			return value
		}
	}
	return req.ID
}
