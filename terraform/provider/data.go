package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// texts and textsBy are values of Terraform.
func texts(values []string) types.List {
	list := make([]attr.Value, len(values))
	for i, v := range values {
		list[i] = types.StringValue(v)
	}
	return types.ListValueMust(types.StringType, list)
}

func textsBy(values map[string]string) types.Map {
	all := map[string]attr.Value{}
	for k, v := range values {
		all[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, all)
}

// nameOrID are the arguments by which a data source finds a thing.
func nameOrID(what string) (name, id schema.StringAttribute) {
	name = schema.StringAttribute{Optional: true, Computed: true, MarkdownDescription: "The " + what + "'s name; or give `id`.",
		Validators: []validator.String{stringvalidator.ExactlyOneOf(path.MatchRoot("name"), path.MatchRoot("id"))}}
	id = schema.StringAttribute{Optional: true, Computed: true, MarkdownDescription: "The " + what + "'s ID; or give `name`."}
	return name, id
}

// platformData is data.rolebroker_platform.
type platformData struct{ fromServerData }

type platformModel struct {
	AccountID     types.String `tfsdk:"account_id"`
	ARN           types.String `tfsdk:"arn"`
	IdentityError types.String `tfsdk:"identity_error"`
	Version       types.String `tfsdk:"version"`
	Features      types.List   `tfsdk:"features"`
}

func (d *platformData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_platform"
}

func (d *platformData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Who this deployment of rolebroker is in AWS, and what it can do. For trust policies, use `rolebroker_aws_setup`, which also requires the external ID.",
		Attributes: map[string]schema.Attribute{
			"account_id":     schema.StringAttribute{Computed: true, MarkdownDescription: "The AWS account of the platform's identity; empty while that is not known."},
			"arn":            schema.StringAttribute{Computed: true, MarkdownDescription: "The platform's identity, as GetCallerIdentity gives it."},
			"identity_error": schema.StringAttribute{Computed: true, MarkdownDescription: "Why the identity is not known; empty if it is."},
			"version":        schema.StringAttribute{Computed: true, MarkdownDescription: "Of the server."},
			"features":       schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "What this server can do besides what every server can."},
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
	resp.Diagnostics.Append(resp.State.Set(ctx, platformModel{types.StringValue(p.Account), types.StringValue(p.ARN),
		types.StringValue(p.IdentityError), types.StringValue(p.Version), texts(p.Features)})...)
}

// agentData is data.rolebroker_agent.
type agentData struct{ fromServerData }

type agentDataModel struct {
	agentModel
	DefaultIntegration types.String `tfsdk:"default_integration"`
	Integrations       types.List   `tfsdk:"integrations"`
}

func (d *agentData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_agent"
}

func (d *agentData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	name, id := nameOrID("agent")
	resp.Schema = schema.Schema{
		MarkdownDescription: "An agent that is there, and what it may borrow from.",
		Attributes: map[string]schema.Attribute{
			"id": id, "name": name,
			"description":         schema.StringAttribute{Computed: true, MarkdownDescription: "May be empty."},
			"disabled":            schema.BoolAttribute{Computed: true, MarkdownDescription: "Nothing is lent to a disabled agent."},
			"default_integration": schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the integration whose default role is used when the agent names none; may be empty."},
			"integrations":        schema.ListAttribute{Computed: true, ElementType: types.StringType, MarkdownDescription: "The names of the integrations that it is connected to, the earliest connection first."},
		},
	}
}

func (d *agentData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var asked agentDataModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &asked)...); resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	a, err := d.server.Agent(ctx, first(asked.ID, asked.Name))
	if err != nil {
		report(&resp.Diagnostics, "Reading the agent "+first(asked.ID, asked.Name), err, nil)
		return
	}
	var connected []string
	for _, c := range a.Connections {
		connected = append(connected, c.Integration)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, agentDataModel{agentOf(a), types.StringValue(a.DefaultIntegration), texts(connected)})...)
}

// integrationData is data.rolebroker_aws_integration.
type integrationData struct{ fromServerData }

type integrationDataModel struct {
	ID             types.String `tfsdk:"id"`
	Name           types.String `tfsdk:"name"`
	Description    types.String `tfsdk:"description"`
	AssumptionMode types.String `tfsdk:"assumption_mode"`
	Runner         types.String `tfsdk:"runner"`
	RunnerID       types.String `tfsdk:"runner_id"`
	ExternalID     types.String `tfsdk:"external_id"`
	NextExternalID types.String `tfsdk:"next_external_id"`
	SessionTags    types.Bool   `tfsdk:"session_tags"`
	SourceIdentity types.Bool   `tfsdk:"source_identity"`
	DefaultRole    types.String `tfsdk:"default_role"`
	Roles          types.Map    `tfsdk:"roles"`
}

func (d *integrationData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_aws_integration"
}

func (d *integrationData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	name, id := nameOrID("integration")
	text := func(says string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: says}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "An integration that is there, and what validation says of its roles.",
		Attributes: map[string]schema.Attribute{
			"id": id, "name": name,
			"description":      text("May be empty."),
			"assumption_mode":  text("Who calls STS: `platform` or `cluster`."),
			"runner":           text("The name of the runner that assumes the roles in `cluster` mode; null where none is named."),
			"runner_id":        text("The runner's ID; null where none is named."),
			"external_id":      text("What the roles' trust policies should require."),
			"next_external_id": text("What the external ID is being changed to; empty when it is not."),
			"session_tags":     schema.BoolAttribute{Computed: true, MarkdownDescription: "Every AssumeRole carries session tags that say who borrows."},
			"source_identity":  schema.BoolAttribute{Computed: true, MarkdownDescription: "Every AssumeRole carries the agent's name as its source identity."},
			"default_role":     text("The name of the role that is used when none is named."),
			"roles": schema.MapNestedAttribute{Computed: true, MarkdownDescription: "By name.", NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"id": text("Stable for the life of the role."), "arn": text("Of the IAM role."), "region": text("Where STS is asked, and what the agent's process finds."),
				"enabled":          schema.BoolAttribute{Computed: true, MarkdownDescription: "A disabled role is lent to nobody."},
				"session_duration": text("How long credentials last."),
				"validation": schema.SingleNestedAttribute{Computed: true, MarkdownDescription: "What came of trying to assume the role; null when that was not tried.", Attributes: map[string]schema.Attribute{
					"status": text("`assumable`, `warning`, `failed` or `unknown`."), "code": text("What AWS's answers mean, for programs."), "message": text("The same in one sentence."),
					"hint": text("What to do; may be empty."), "request_id": text("AWS's; may be empty."), "checked_at": text("When, in RFC 3339."),
					"checked_by": text("The name of the runner that tried; empty: the platform did."),
				}},
			}}},
		},
	}
}

func (d *integrationData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var asked integrationDataModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &asked)...); resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	in, err := d.server.find(ctx, first(asked.ID, asked.Name))
	if err != nil {
		report(&resp.Diagnostics, "Reading the integration "+first(asked.ID, asked.Name), err, nil)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, showIntegration(ctx, in, resp))...)
}

func showIntegration(ctx context.Context, in found, resp *datasource.ReadResponse) integrationDataModel {
	m := integrationModel{}.take(ctx, in, &resp.Diagnostics)
	return integrationDataModel{m.ID, m.Name, m.Description, m.AssumptionMode, m.Runner, m.RunnerID, m.ExternalID, types.StringValue(in.NextExternalID),
		m.SessionTags, m.SourceIdentity, m.DefaultRole, m.Roles}
}
