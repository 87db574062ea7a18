package provider

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// An apply that does not validate keeps the validations of roles that it does not
// change. A plan finds out which, of hundreds of roles, without delay.
func TestAPlanKeepsTheValidationsOfManyRoles(t *testing.T) {
	ctx := context.Background()
	var diags diag.Diagnostics
	const changed = "role-7"
	model := func(region string, planned bool) integrationResourceModel {
		roles := map[string]attr.Value{}
		for i := range 500 {
			name := fmt.Sprint("role-", i)
			role := api.Role{ID: fmt.Sprint("rol_", i), ARN: "arn:aws:iam::444455556666:role/ReadOnly",
				Region:  "us-east-1",
				Enabled: true, SessionDuration: "1h", Validation: &api.Validation{Status: "assumable"}}
			if name == changed {
				role.Region = region
			}
			m := roleOf(role, roleModel{})
			if planned { // Terraform does not know what the apply makes of it
				m.Validation = types.ObjectUnknown(validationType.AttrTypes)
			}
			roles[name] = roleValue(ctx, m, &diags)
		}
		m := integrationResourceModel{Validate: types.StringValue(api.ValidateSkip)}
		m.Name, m.Roles = types.StringValue("production"), types.MapValueMust(roleType, roles)
		return m
	}
	state, plan := model("us-east-1", false), model("eu-west-1", true)
	begun := time.Now()
	plan.keepRoles(ctx, state, &diags)
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	for name, role := range plan.roles(ctx, &diags) {
		if role.Validation.IsUnknown() != (name == changed) {
			t.Errorf("%s: the validation is %v", name, role.Validation)
		}
	}
	if diags.HasError() {
		t.Error(diags)
	}
}
