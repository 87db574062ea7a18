package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-validators/objectvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// setupData is data.rolebroker_aws_setup.
type setupData struct{ fromServerData }

var _ datasource.DataSourceWithValidateConfig = &setupData{}

type setupModel struct {
	Integration   types.String  `tfsdk:"integration"`
	ExternalID    types.String  `tfsdk:"external_id"`
	Cluster       *clusterModel `tfsdk:"cluster"`
	AccountID     types.String  `tfsdk:"account_id"`
	Partition     types.String  `tfsdk:"partition"`
	PrincipalForm types.String  `tfsdk:"principal_form"`

	Principal     types.String `tfsdk:"principal"`
	ExternalIDs   types.List   `tfsdk:"external_ids"`
	TrustPolicy   types.String `tfsdk:"trust_policy"`
	TrustPolicies types.Map    `tfsdk:"trust_policies"`
	Text          types.String `tfsdk:"text"`
}

type clusterModel struct {
	Variant        types.String `tfsdk:"variant"`
	Issuer         types.String `tfsdk:"issuer"`
	Namespace      types.String `tfsdk:"namespace"`
	ServiceAccount types.String `tfsdk:"service_account"`
}

func (d *setupData) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_aws_setup"
}

func (d *setupData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "What has to be done in AWS so that roles can be assumed: above all their trust policy, for `assume_role_policy` of `aws_iam_role`.\n\n" +
			"It depends on no role and on no integration, so that a role can take its trust policy from here and an integration can take the role's ARN, in one plan.",
		Attributes: map[string]schema.Attribute{
			"external_id": schema.StringAttribute{Optional: true,
				Validators:          []validator.String{stringvalidator.ConflictsWith(path.MatchRoot("integration"), path.MatchRoot("cluster"))},
				MarkdownDescription: "For roles that the platform assumes: the `external_id` of a `rolebroker_external_id`."},
			"integration": schema.StringAttribute{Optional: true,
				MarkdownDescription: "Instead: the name or ID of an integration that is there, for its roles."},
			"cluster": schema.SingleNestedAttribute{Optional: true,
				MarkdownDescription: "For roles that your cluster assumes: who in it.",
				Validators:          []validator.Object{objectvalidator.ConflictsWith(path.MatchRoot("external_id"))},
				Attributes: map[string]schema.Attribute{
					"variant": schema.StringAttribute{Optional: true, Validators: []validator.String{stringvalidator.OneOf("irsa", "pod-identity")},
						MarkdownDescription: "How pods get an AWS identity: `irsa` (default), IAM roles for service accounts, or `pod-identity`, EKS Pod Identity."},
					"issuer": schema.StringAttribute{Optional: true,
						MarkdownDescription: "With `irsa`: the cluster's OpenID Connect issuer, an `https://` URL, as `aws_eks_cluster` has it in `identity[0].oidc[0].issuer`."},
					"namespace":       schema.StringAttribute{Optional: true, MarkdownDescription: "Of the service account. Default: `rolebroker`."},
					"service_account": schema.StringAttribute{Optional: true, MarkdownDescription: "Default: `rolebroker-runner`."},
				}},
			"account_id": schema.StringAttribute{Optional: true,
				MarkdownDescription: "The AWS account that the roles are in, which with `irsa` has the OpenID Connect provider: `data.aws_caller_identity`."},
			"partition": schema.StringAttribute{Optional: true,
				MarkdownDescription: "The AWS partition that the roles are in. Default: `aws`."},
			"principal_form": schema.StringAttribute{Optional: true, Validators: []validator.String{stringvalidator.OneOf("account", "exact")},
				MarkdownDescription: "How trust policies name the platform: by its `account` (default), or by its `exact` role or user."},

			"principal": schema.StringAttribute{Computed: true, MarkdownDescription: "Whom the trust policies name."},
			"external_ids": schema.ListAttribute{Computed: true, ElementType: types.StringType,
				MarkdownDescription: "What they require: the external ID, and while it is being rotated also the new one."},
			"trust_policy": schema.StringAttribute{Computed: true,
				MarkdownDescription: "JSON: the trust policy of a role; empty when it is not the same for all roles of an `integration`."},
			"trust_policies": schema.MapAttribute{Computed: true, ElementType: types.StringType,
				MarkdownDescription: "JSON, by the name of the role: with `integration` only."},
			"text": schema.StringAttribute{Computed: true, MarkdownDescription: "All of it for a person, with `integration` only."},
		},
	}
}

// ValidateConfig wants to know who is to assume the roles.
func (d *setupData) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var m setupModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if m.ExternalID.IsNull() && m.Integration.IsNull() && m.Cluster == nil {
		resp.Diagnostics.AddError("The setup of what?", "Give external_id for roles that the platform assumes, as in external_id = rolebroker_external_id.NAME.external_id; "+
			"cluster for roles that your cluster assumes; or integration for the roles of one that is there.")
	}
	if c := m.Cluster; c != nil && m.Integration.IsNull() && c.Variant.ValueString() != "pod-identity" && !c.Variant.IsUnknown() {
		for name, value := range map[string]types.String{"cluster.issuer": c.Issuer, "account_id": m.AccountID} {
			if value.IsNull() {
				resp.Diagnostics.AddError("The setup of a cluster with IAM roles for service accounts", name+" is required: the trust policy names the OpenID Connect provider of the roles' account.")
			}
		}
	}
}

func (d *setupData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m setupModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() || !d.server.ready(&resp.Diagnostics) {
		return
	}
	setup, err := d.setup(ctx, m)
	if err != nil {
		report(&resp.Diagnostics, "Writing the setup", err, atInput)
		return
	}
	if setup.IdentityError != "" { // a placeholder in a trust policy trusts nobody, at best
		resp.Diagnostics.AddError("The platform's AWS identity is not known", sentence(setup.IdentityError)+
			"\n\nThe server needs an AWS identity before a trust policy can name it: see rolebroker platform, and the server's log.")
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m.take(setup))...)
}

// setup asks for that of an integration, or of one role that is not there yet.
func (d *setupData) setup(ctx context.Context, m setupModel) (api.Setup, error) {
	req := api.SetupRequest{Principal: m.PrincipalForm.ValueString()}
	if c := m.Cluster; c != nil {
		req.Variant, req.Issuer, req.Namespace, req.ServiceAccount = c.Variant.ValueString(), c.Issuer.ValueString(), c.Namespace.ValueString(), c.ServiceAccount.ValueString()
	}
	if !m.Integration.IsNull() {
		return d.server.Setup(ctx, m.Integration.ValueString(), req)
	}
	draft := api.IntegrationRequest{AssumptionMode: string(rolebroker.ModePlatform), ExternalID: m.ExternalID.ValueString(), DefaultRole: draftRole}
	if m.Cluster != nil {
		draft.AssumptionMode = string(rolebroker.ModeCluster)
	}
	partition, account, region := or(m.Partition, "aws"), or(m.AccountID, "000000000000"), "us-east-1"
	draft.Roles = []api.RoleRequest{{Name: draftRole, ARN: fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, account, draftRole), Region: region}}
	return d.server.SetupDraft(ctx, api.SetupDraft{Integration: draft, Setup: req})
}

// draftRole stands for a role that is to be made.
const draftRole = "role"

// atInput is the argument that a field of the request came from.
func atInput(field string) path.Path {
	switch field {
	case "integration.external_id":
		return path.Root("external_id")
	case "integration.roles[0].arn":
		return path.Root("account_id")
	case "setup.principal":
		return path.Root("principal_form")
	case "setup.issuer", "setup.namespace", "setup.service_account", "setup.variant":
		return path.Root("cluster").AtName(field[len("setup."):])
	}
	return path.Empty()
}

func or(s types.String, otherwise string) string {
	if s.IsNull() {
		return otherwise
	}
	return s.ValueString()
}

// take is m with what the server answered.
func (m setupModel) take(setup api.Setup) setupModel {
	m.Principal, m.TrustPolicy, m.Text = types.StringValue(setup.Principal), types.StringValue(setup.TrustPolicy), types.StringNull()
	m.ExternalIDs, m.TrustPolicies = texts(setup.ExternalIDs), types.MapNull(types.StringType)
	if m.Integration.IsNull() {
		return m
	}
	policies := map[string]string{}
	for _, role := range setup.Roles {
		policies[role.Name] = role.TrustPolicy
	}
	m.Text, m.TrustPolicies = types.StringValue(setup.Text), textsBy(policies)
	return m
}
