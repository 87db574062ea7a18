package provider

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// runnerData is data.rolebroker_runner: how a runner is doing, by what it said
// of itself when it was last heard of.
type runnerData struct{ fromServerData }

type runnerDataModel struct {
	runnerModel
	Status         types.String `tfsdk:"status"`
	SeenAt         types.String `tfsdk:"seen_at"`
	Program        types.String `tfsdk:"program"`
	Method         types.String `tfsdk:"method"`
	IdentityARN    types.String `tfsdk:"identity_arn"`
	IdentityError  types.String `tfsdk:"identity_error"`
	ReportedIssuer types.String `tfsdk:"reported_issuer"`
	Pending        types.Int64  `tfsdk:"pending"`
}

func (d *runnerData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_runner"
}

func (d *runnerData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	name, id := nameOrID("runner")
	text := func(says string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: says}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A runner that is there, and how it is doing.",
		Attributes: map[string]schema.Attribute{
			"id": id, "name": name,
			"description":     text("May be empty."),
			"issuer":          text("Of the service-account tokens about which it is believed; may be empty."),
			"status":          text("`waiting`: it has not joined yet. `connected`: it was heard of in the last seconds. `away`: it was not."),
			"seen_at":         text("When it was last heard of, in RFC 3339; empty: never."),
			"program":         text("The version of the program, as it says."),
			"method":          text("How it assumes roles: `web-identity` or `assume-role`; empty while that is not known."),
			"identity_arn":    text("Who it is in AWS; empty with `web-identity`, which is nobody before it assumes a role."),
			"identity_error":  text("Why it has no AWS identity; empty if it has one or needs none."),
			"reported_issuer": text("Of the service-account tokens that it verifies, as it says; may be empty. It is believed about them once `issuer` is the same."),
			"pending":         schema.Int64Attribute{Computed: true, MarkdownDescription: "Sessions that it began while it could not reach the server, and has not told yet."},
		},
	}
}

func (d *runnerData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var asked runnerDataModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &asked)...); resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	r, err := d.server.Runner(ctx, first(asked.ID, asked.Name))
	if err != nil {
		report(&resp.Diagnostics, "Reading the runner "+first(asked.ID, asked.Name), err, nil)
		return
	}
	seen := ""
	if r.SeenAt != nil {
		seen = r.SeenAt.UTC().Format(time.RFC3339)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, runnerDataModel{runnerOf(r), types.StringValue(r.Status), types.StringValue(seen), types.StringValue(r.Program),
		types.StringValue(r.Method), types.StringValue(r.IdentityARN), types.StringValue(r.IdentityError), types.StringValue(r.ReportedIssuer), types.Int64Value(int64(r.Pending))})...)
}
