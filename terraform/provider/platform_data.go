package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// platformData is data.rolebroker_platform.
type platformData struct{ onServerData }

type platformModel struct {
	AccountID     types.String `tfsdk:"account_id"`
	ARN           types.String `tfsdk:"arn"`
	IdentityError types.String `tfsdk:"identity_error"`
	Version       types.String `tfsdk:"version"`
	Features      types.List   `tfsdk:"features"`
}

func (d *platformData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The AWS identity, the version and the optional features of the rolebroker server. For " +
			"trust " +
			"policies, use `rolebroker_aws_setup`, which also requires the external ID.",
		Attributes: map[string]schema.Attribute{
			"account_id": computedString(
				"The AWS account of the server's identity; empty while that is not known."),
			"arn":            computedString("The server's AWS identity, as GetCallerIdentity returns it."),
			"identity_error": computedString("Why the identity is not known; empty if it is."),
			"version":        computedString("The version of the server."),
			"features":       computedStrings("The optional features of this server."),
		},
	}
}

func (d *platformData) Read(ctx context.Context, _ datasource.ReadRequest, resp *datasource.ReadResponse) {
	if !d.server.ready(&resp.Diagnostics) {
		return
	}
	p, err := d.server.Platform(ctx)
	if err != nil {
		report(&resp.Diagnostics, "Reading the platform", err, nil)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, platformModel{
		AccountID:     types.StringValue(p.Account),
		ARN:           types.StringValue(p.ARN),
		IdentityError: types.StringValue(p.IdentityError),
		Version:       types.StringValue(p.Version),
		Features:      stringList(p.Features),
	})...)
}
