package provider

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/rolebroker/rolebroker"
)

// ValidateConfig checks the known part of the configuration by the server's own
// rules, without asking the server.
func (r *integrationResource) ValidateConfig(
	ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse,
) {
	var m integrationResourceModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	m.check(ctx, &resp.Diagnostics)
}

// check adds everything that is wrong with the known values.
func (m integrationModel) check(ctx context.Context, diags *diag.Diagnostics) {
	in, wrong := m.noun(ctx, diags)
	in.Runner = rolebroker.RunnerID(m.Runner.ValueString())
	if err := in.Check(); err != nil {
		for _, f := range rolebroker.AsError(err).Fields {
			if _, attribute, _ := roleField(f.Path); attribute != "arn" { // which wrong has
				wrong = append(wrong, f)
			}
		}
	}
	roles := m.roles(ctx, diags)
	for _, f := range wrong {
		if m.knows(f.Path, in, roles) {
			at := place(f.Path, in.Roles)
			diags.AddAttributeError(line(at), "The integration is not valid", at.String()+": "+sentence(f.Message))
		}
	}
}

// knows returns whether the values are known from which Check judged a field,
// and the schema does not judge it already.
func (m integrationModel) knows(field string, in rolebroker.Integration, roles map[string]roleModel) bool {
	switch field {
	case "roles", "assumption_mode":
		return false // the schema checks them
	case "runner":
		return !m.Runner.IsUnknown() && !m.AssumptionMode.IsUnknown()
	case "name":
		return !m.Name.IsUnknown()
	case "description":
		return !m.Description.IsUnknown()
	case "default_role":
		complete := !m.Roles.IsUnknown() && len(roles) == len(m.Roles.Elements())
		return complete && !m.DefaultRole.IsUnknown()
	}
	i, attribute, _ := roleField(field)
	return !roles[in.Roles[i].Name].unknown()[attribute]
}

// roleField splits the path of a field of a role, as in roles[2].arn.
func roleField(field string) (index int, attribute string, ok bool) {
	if _, err := fmt.Sscanf(field, "roles[%d]", &index); err != nil {
		return 0, "", false
	}
	_, attribute, _ = strings.Cut(field, "].")
	return index, attribute, true
}

// place is the attribute that the server's path of a field is about. Terraform
// has the roles by name.
func place(field string, roles []rolebroker.Role) path.Path {
	i, attribute, ok := roleField(field)
	switch {
	case !ok:
		return path.Root(field)
	case i < 0 || i >= len(roles): // the server may answer anything
		return path.Root("roles")
	case attribute == "" || attribute == "name":
		return path.Root("roles").AtMapKey(roles[i].Name)
	}
	return path.Root("roles").AtMapKey(roles[i].Name).AtName(attribute)
}
