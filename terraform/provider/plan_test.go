package provider

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// An apply that does not validate keeps the validations of roles that it does not
// change. A plan looks at each of hundreds of roles a bounded number of times.
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
			roles[name] = roleValue(ctx, roleType, m, &diags)
		}
		m := integrationResourceModel{Validate: types.StringValue(api.ValidateSkip)}
		m.Name, m.Roles = types.StringValue("production"), types.MapValueMust(roleType, roles)
		return m
	}
	state, plan := model("us-east-1", false), model("eu-west-1", true)
	allocations := testing.AllocsPerRun(1, func() { plan.keepRoles(ctx, state, &diags) })
	if limit := 10_000 * float64(len(plan.Roles.Elements())); allocations > limit { // however many roles there are
		t.Errorf("the plan took %.0f allocations", allocations)
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

// A hint speaks of the configuration, not of a command whose change the next apply
// would undo.
func TestHintsSpeakOfTheConfiguration(t *testing.T) {
	const update = "rolebroker integration update production "
	hint := rolebroker.Hint{
		{Text: "lend the roles without one:", Command: update + "--source-identity=false"},
		{Text: "turn it on:", Command: update + "--session-tags"},
		{Text: "or name a runner:", Command: update + "--runner RUNNER"},
		{Text: "or turn it on: --source-identity"},
		{Text: "list them:", Command: "rolebroker runner list"},
	}
	want := rolebroker.Hint{
		{Text: "lend the roles without one:", Command: "source_identity = false"},
		{Text: "turn it on:", Command: "session_tags = true"},
		{Text: "or turn it on:", Command: "source_identity = true"},
		{Text: "list them:", Command: "rolebroker runner list"},
	}
	if got := inConfiguration(hint); !slices.Equal(got, want) {
		t.Errorf("the hint is\n%s\nwant\n%s", got, want)
	}
}
