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
type setupData struct{ onServerData }

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

func (d *setupData) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The trust policies with which AWS lets the server or a runner assume roles, for " +
			"`assume_role_policy` of `aws_iam_role`.\n\n" +
			"It depends on no role and no integration. In one plan, a role can take its trust policy from here, and an " +
			"integration can take the role's ARN.",
		Attributes: map[string]schema.Attribute{
			"external_id": schema.StringAttribute{
				Optional: true,
				Validators: []validator.String{
					stringvalidator.ConflictsWith(path.MatchRoot("integration"), path.MatchRoot("cluster")),
				},
				MarkdownDescription: "For roles that the platform assumes: the `external_id` of a " +
					"`rolebroker_external_id`.",
			},
			"integration": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "For the roles of an existing integration: its name or ID.",
			},
			"cluster": clusterAttribute(),
			"account_id": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "The AWS account of the roles, which with `irsa` has the OpenID Connect provider: " +
					"`data.aws_caller_identity`.",
			},
			"partition": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The AWS partition of the roles. Default: `aws`.",
			},
			"principal_form": schema.StringAttribute{
				Optional:   true,
				Validators: []validator.String{stringvalidator.OneOf("account", "exact")},
				MarkdownDescription: "How trust policies name the platform: by its `account` (default), or by its " +
					"`exact` " +
					"role or user.",
			},

			"principal": computedString("The principal that the trust policies name."),
			"external_ids": computedStrings("The external IDs that the trust policies accept: the current one, and " +
				"during " +
				"a rotation also the new one."),
			"trust_policy": computedString("JSON: the trust policy of a role; empty if the roles of an " +
				"`integration` need " +
				"different ones."),
			"trust_policies": schema.MapAttribute{
				Computed: true, ElementType: types.StringType,
				MarkdownDescription: "JSON, by the name of the role; with `integration` only.",
			},
			"text": computedString("The whole setup as text for people; with `integration` only."),
		},
	}
}

func clusterAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Optional:            true,
		Validators:          []validator.Object{objectvalidator.ConflictsWith(path.MatchRoot("external_id"))},
		MarkdownDescription: "For roles that your cluster assumes: the service account that assumes them.",
		Attributes: map[string]schema.Attribute{
			"variant": schema.StringAttribute{
				Optional:   true,
				Validators: []validator.String{stringvalidator.OneOf("irsa", "pod-identity")},
				MarkdownDescription: "How pods get an AWS identity: `irsa` (default), IAM roles for service " +
					"accounts, or " +
					"`pod-identity`, EKS Pod Identity.",
			},
			"issuer": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "With `irsa`: the cluster's OpenID Connect issuer, an `https://` URL, as " +
					"`aws_eks_cluster` has it in `identity[0].oidc[0].issuer`.",
			},
			"namespace": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The namespace of the service account. Default: `rolebroker`.",
			},
			"service_account": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "The name of the service account. Default: `rolebroker-runner`.",
			},
		},
	}
}

// ValidateConfig requires one of the arguments that say who assumes the roles.
func (d *setupData) ValidateConfig(
	ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse,
) {
	var m setupModel
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if m.ExternalID.IsNull() && m.Integration.IsNull() && m.Cluster == nil {
		resp.Diagnostics.AddError("The setup of what?", "Set external_id for roles that the platform assumes, as in "+
			"external_id = rolebroker_external_id.NAME.external_id; cluster for roles that your cluster assumes; "+
			"or integration for the roles of an existing integration.")
	}
	c := m.Cluster
	if c == nil || !m.Integration.IsNull() || c.Variant.IsUnknown() || c.Variant.ValueString() == "pod-identity" {
		return
	}
	for name, value := range map[string]types.String{"cluster.issuer": c.Issuer, "account_id": m.AccountID} {
		if value.IsNull() {
			resp.Diagnostics.AddError("The setup of a cluster with IAM roles for service accounts",
				name+" is required: the trust policy names the OpenID Connect provider of the roles' account.")
		}
	}
}

func (d *setupData) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m setupModel
	if !d.server.read(ctx, &resp.Diagnostics, modelFrom{&m, req.Config}) {
		return
	}
	setup, err := d.setup(ctx, m)
	if err != nil {
		report(&resp.Diagnostics, "Writing the setup", err, atInput)
		return
	}
	if setup.IdentityError != "" { // a trust policy with a placeholder would be useless
		resp.Diagnostics.AddError("The platform's AWS identity is not known", sentence(setup.IdentityError)+
			"\n\nA trust policy names the server's AWS identity, so the server needs one first: "+
			"see rolebroker platform, and the server's log.")
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m.take(setup))...)
}

// setup requests the setup of an integration, or of a role that does not exist
// yet.
func (d *setupData) setup(ctx context.Context, m setupModel) (api.Setup, error) {
	req := api.SetupRequest{Principal: m.PrincipalForm.ValueString()}
	if c := m.Cluster; c != nil {
		req.Variant, req.Issuer = c.Variant.ValueString(), c.Issuer.ValueString()
		req.Namespace, req.ServiceAccount = c.Namespace.ValueString(), c.ServiceAccount.ValueString()
	}
	if !m.Integration.IsNull() {
		return d.server.Setup(ctx, m.Integration.ValueString(), req)
	}
	draft := api.IntegrationRequest{
		AssumptionMode: string(rolebroker.ModePlatform),
		ExternalID:     m.ExternalID.ValueString(),
		DefaultRole:    draftRole,
	}
	if m.Cluster != nil {
		draft.AssumptionMode = string(rolebroker.ModeCluster)
	}
	draft.Roles = []api.RoleRequest{{
		Name: draftRole,
		ARN: fmt.Sprintf("arn:%s:iam::%s:role/%s", or(m.Partition, "aws"),
			or(m.AccountID, "000000000000"), draftRole),
		Region: "us-east-1",
	}}
	return d.server.SetupDraft(ctx, api.SetupDraft{Integration: draft, Setup: req})
}

// draftRole is the name of a role that does not exist yet.
const draftRole = "role"

// atInput is the argument from which a field of the request comes.
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

// take returns the model with the server's answer.
func (m setupModel) take(setup api.Setup) setupModel {
	m.Principal, m.TrustPolicy = types.StringValue(setup.Principal), types.StringValue(setup.TrustPolicy)
	m.ExternalIDs = stringList(setup.ExternalIDs)
	m.Text, m.TrustPolicies = types.StringNull(), types.MapNull(types.StringType)
	if m.Integration.IsNull() {
		return m
	}
	policies := map[string]string{}
	for _, role := range setup.Roles {
		policies[role.Name] = role.TrustPolicy
	}
	m.Text, m.TrustPolicies = types.StringValue(setup.Text), stringMap(policies)
	return m
}
