package provider

import (
	"context"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// namedData is a data source that finds one object of the server by name or by
// ID. A is the object as it is read, M its model.
type namedData[A, M any] struct {
	onServerData
	noun   string // as in "agent"
	schema schema.Schema
	find   func(*server) func(ctx context.Context, nameOrID string) (A, error)
	model  func(ctx context.Context, found A, diags *diag.Diagnostics) M
}

// Schema adds the arguments name and id to those of the object.
func (d *namedData[A, M]) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = d.schema
	resp.Schema.Attributes = maps.Clone(d.schema.Attributes)
	resp.Schema.Attributes["name"] = schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "The " + d.noun + "'s name. Give this or `id`.",
		Validators: []validator.String{
			stringvalidator.ExactlyOneOf(path.MatchRoot("name"), path.MatchRoot("id")),
		},
	}
	resp.Schema.Attributes["id"] = schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "The " + d.noun + "'s ID. Give this or `name`.",
	}
}

func (d *namedData[A, M]) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var name, id types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("name"), &name)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("id"), &id)...)
	if resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	found, err := d.find(d.server)(ctx, first(id, name))
	if err != nil {
		report(&resp.Diagnostics, "Reading the "+d.noun+" "+first(id, name), err, nil)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, d.model(ctx, found, &resp.Diagnostics))...)
}

// computedString is an attribute that only the server sets.
func computedString(description string) schema.StringAttribute {
	return schema.StringAttribute{Computed: true, MarkdownDescription: description}
}

func computedBool(description string) schema.BoolAttribute {
	return schema.BoolAttribute{Computed: true, MarkdownDescription: description}
}

func computedStrings(description string) schema.ListAttribute {
	return schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: description}
}

// stringList converts strings to a list value of Terraform.
func stringList(values []string) types.List {
	list := make([]attr.Value, len(values))
	for i, v := range values {
		list[i] = types.StringValue(v)
	}
	return types.ListValueMust(types.StringType, list)
}

// stringMap converts strings to a map value of Terraform.
func stringMap(values map[string]string) types.Map {
	all := map[string]attr.Value{}
	for k, v := range values {
		all[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, all)
}
