package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/client"
)

// validationData is data.rolebroker_aws_validation: each reading validates.
type validationData struct{ onServerData }

type validationModel struct {
	Integration       types.String `tfsdk:"integration"`
	RequireExternalID types.Bool   `tfsdk:"require_external_id"`
	OK                types.Bool   `tfsdk:"ok"`
	Roles             types.Map    `tfsdk:"roles"` // of validations, by the name of the role
}

func (d *validationData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Has the server try to assume every role of an integration, each time that Terraform " +
			"reads the data source. Roles that cannot be assumed are no error: use it in a `check` block, which warns, " +
			"or in a `postcondition`, which fails the apply. With `depends_on`, Terraform reads it after an apply has " +
			"changed the roles. Needs an API key that may change integrations.\n\n" +
			"The data source `rolebroker_aws_integration` has the last results without trying again.",
		Attributes: map[string]schema.Attribute{
			"integration": schema.StringAttribute{
				Required: true, MarkdownDescription: "The `id` of the integration, or its name.",
			},
			"require_external_id": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "A role that can be assumed without the external ID fails, instead of getting a " +
					"warning. Default: false, unless the server requires it.",
			},
			"ok": computedBool("Every enabled role can be assumed."),
			"roles": schema.MapNestedAttribute{
				Computed:            true,
				MarkdownDescription: "The result for each role, by the name of the role.",
				NestedObject:        schema.NestedAttributeObject{Attributes: validationDataAttributes()},
			},
		},
	}
}

func (d *validationData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m validationModel
	if !d.server.read(ctx, &resp.Diagnostics, modelFrom{&m, req.Config}) {
		return
	}
	result, err := d.server.ValidateIntegration(ctx, m.Integration.ValueString(),
		client.Validating{RequireExternalID: m.RequireExternalID.ValueBool()})
	if err != nil {
		report(&resp.Diagnostics, "Validating the integration "+m.Integration.ValueString(), err, atRoot)
		return
	}
	roles := map[string]attr.Value{}
	for _, role := range result.Roles {
		roles[role.Name] = validationDataOf(&role.Validation)
	}
	m.OK, m.Roles = types.BoolValue(result.OK), types.MapValueMust(validationDataType, roles)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}
