package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// newIntegrationData makes data.rolebroker_aws_integration.
func newIntegrationData() datasource.DataSource {
	return &namedData[found, integrationDataModel]{
		onServerData: onServerData{suffix: "aws_integration"},
		noun:         "integration",
		find: func(s *server) func(context.Context, string) (found, error) {
			return s.find
		},
		model: func(ctx context.Context, in found, diags *diag.Diagnostics) integrationDataModel {
			return integrationDataOf(ctx, in, diags)
		},
		schema: integrationDataSchema(),
	}
}

func integrationDataOf(ctx context.Context, in found, diags *diag.Diagnostics) integrationDataModel {
	m := integrationDataModel{integrationModel{}.takeButRoles(in), types.StringValue(in.NextExternalID),
		types.StringValue(in.State.Status)}
	roles := map[string]attr.Value{}
	for _, role := range in.Roles {
		of := roleDataModel{roleOf(role, roleModel{}), stateOf(role.State)}
		of.Validation = validationDataOf(role.Validation)
		roles[role.Name] = roleValue(ctx, roleDataType, of, diags)
	}
	m.Roles = types.MapValueMust(roleDataType, roles)
	return m
}

func integrationDataSchema() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "An existing integration, with the states of its roles.",
		Attributes: map[string]schema.Attribute{
			"description":     computedString("May be empty."),
			"enabled":         computedBool("No agent gets the roles of a disabled integration."),
			"assumption_mode": computedString("Who calls STS: `platform` or `cluster`."),
			"runner": computedString("The name of the runner that assumes the roles in `cluster` mode; null if no " +
				"runner " +
				"is named."),
			"runner_id":        computedString("The runner's ID; null if no runner is named."),
			"external_id":      computedString("The external ID that the roles' trust policies should require."),
			"next_external_id": computedString("The external ID that a rotation changes to; empty without a rotation."),
			"status": computedString("The worst state of the enabled roles: `assumable`, `warning`, `failed` or " +
				"`unknown`."),
			"session_tags":    computedBool("Every AssumeRole has session tags that say who borrows."),
			"source_identity": computedBool("Every AssumeRole has the agent's name as its source identity."),
			"default_role":    computedString("The name of the role that an agent gets when it names no role."),
			"roles": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The roles, by name.",
				NestedObject:        schema.NestedAttributeObject{Attributes: roleDataAttributes()},
			},
		},
	}
}
