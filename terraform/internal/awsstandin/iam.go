package awsstandin

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	dataschema "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var (
	keep    = []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	replace = []planmodifier.String{stringplanmodifier.RequiresReplace()}
)

func missing(err error) bool {
	var gone *iamtypes.NoSuchEntityException
	return errors.As(err, &gone)
}

// role is aws_iam_role.
type role struct{ inCloud }

type roleModel struct {
	ID          types.String `tfsdk:"id"`
	ARN         types.String `tfsdk:"arn"`
	Name        types.String `tfsdk:"name"`
	Path        types.String `tfsdk:"path"`
	Description types.String `tfsdk:"description"`
	TrustPolicy types.String `tfsdk:"assume_role_policy"`
	MaxSession  types.Int64  `tfsdk:"max_session_duration"`
}

func (r *role) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "aws_iam_role"
}

func (r *role) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":   schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"arn":  schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"name": schema.StringAttribute{Required: true, PlanModifiers: replace},
		"path": schema.StringAttribute{
			Optional:      true,
			Computed:      true,
			Default:       stringdefault.StaticString("/"),
			PlanModifiers: replace,
		},
		"description": schema.StringAttribute{
			Optional: true,
			Computed: true,
			Default:  stringdefault.StaticString(""),
		},
		"assume_role_policy": schema.StringAttribute{Required: true},
		"max_session_duration": schema.Int64Attribute{
			Optional: true,
			Computed: true,
			Default:  int64default.StaticInt64(3600),
		},
	}}
}

func (r *role) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m roleModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	made, err := r.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 m.Name.ValueStringPointer(),
		Path:                     m.Path.ValueStringPointer(),
		Description:              m.Description.ValueStringPointer(),
		AssumeRolePolicyDocument: m.TrustPolicy.ValueStringPointer(),
		MaxSessionDuration:       m.seconds(),
	})
	if err != nil {
		resp.Diagnostics.AddError("Creating the role "+m.Name.ValueString(), err.Error())
		return
	}
	m.ID, m.ARN = m.Name, types.StringPointerValue(made.Role.Arn)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (m roleModel) seconds() *int32 { return aws.Int32(int32(m.MaxSession.ValueInt64())) }

func (r *role) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m roleModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	there, err := r.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: m.ID.ValueStringPointer()})
	switch {
	case missing(err):
		resp.State.RemoveResource(ctx)
		return
	case err != nil:
		resp.Diagnostics.AddError("Reading the role "+m.ID.ValueString(), err.Error())
		return
	}
	m.Name, m.ARN, m.Path = types.StringPointerValue(
		there.Role.RoleName,
	), types.StringPointerValue(
		there.Role.Arn,
	), types.StringPointerValue(
		there.Role.Path,
	)
	m.Description, m.MaxSession = types.StringValue(
		aws.ToString(there.Role.Description),
	), types.Int64Value(
		int64(aws.ToInt32(there.Role.MaxSessionDuration)),
	)
	m.TrustPolicy = document(there.Role.AssumeRolePolicyDocument, m.TrustPolicy)
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

// document decodes a policy of IAM, which is URL-encoded. It returns the policy as
// it is spelled already, if that means the same.
func document(encoded *string, spelled types.String) types.String {
	text, err := url.QueryUnescape(aws.ToString(encoded))
	if err != nil {
		return spelled
	}
	var theirs, ours any
	if json.Unmarshal([]byte(text), &theirs) == nil && json.Unmarshal([]byte(spelled.ValueString()), &ours) == nil &&
		reflect.DeepEqual(theirs, ours) {
		return spelled
	}
	return types.StringValue(text)
}

func (r *role) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var m roleModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	_, err := r.iam.UpdateAssumeRolePolicy(
		ctx,
		&iam.UpdateAssumeRolePolicyInput{
			RoleName:       m.Name.ValueStringPointer(),
			PolicyDocument: m.TrustPolicy.ValueStringPointer(),
		},
	)
	if err == nil {
		_, err = r.iam.UpdateRole(
			ctx,
			&iam.UpdateRoleInput{
				RoleName:           m.Name.ValueStringPointer(),
				Description:        m.Description.ValueStringPointer(),
				MaxSessionDuration: m.seconds(),
			},
		)
	}
	if err != nil {
		resp.Diagnostics.AddError("Updating the role "+m.Name.ValueString(), err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (r *role) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m roleModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if _, err := r.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: m.ID.ValueStringPointer()}); err != nil &&
		!missing(err) {
		resp.Diagnostics.AddError("Deleting the role "+m.ID.ValueString(), err.Error())
	}
}

// ImportState takes the name of a role.
func (r *role) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}

// rolePolicy is aws_iam_role_policy.
type rolePolicy struct{ inCloud }

type rolePolicyModel struct {
	ID     types.String `tfsdk:"id"`
	Name   types.String `tfsdk:"name"`
	Role   types.String `tfsdk:"role"`
	Policy types.String `tfsdk:"policy"`
}

func (r *rolePolicy) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "aws_iam_role_policy"
}

func (r *rolePolicy) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":     schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"name":   schema.StringAttribute{Required: true, PlanModifiers: replace},
		"role":   schema.StringAttribute{Required: true, PlanModifiers: replace},
		"policy": schema.StringAttribute{Required: true},
	}}
}

func (r *rolePolicy) put(ctx context.Context, m rolePolicyModel) error {
	_, err := r.iam.PutRolePolicy(
		ctx,
		&iam.PutRolePolicyInput{
			RoleName:       m.Role.ValueStringPointer(),
			PolicyName:     m.Name.ValueStringPointer(),
			PolicyDocument: m.Policy.ValueStringPointer(),
		},
	)
	return err
}

func (r *rolePolicy) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m rolePolicyModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if err := r.put(ctx, m); err != nil {
		resp.Diagnostics.AddError("Putting the policy of the role "+m.Role.ValueString(), err.Error())
		return
	}
	m.ID = types.StringValue(m.Role.ValueString() + ":" + m.Name.ValueString())
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (r *rolePolicy) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m rolePolicyModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	there, err := r.iam.GetRolePolicy(
		ctx,
		&iam.GetRolePolicyInput{RoleName: m.Role.ValueStringPointer(), PolicyName: m.Name.ValueStringPointer()},
	)
	switch {
	case missing(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.AddError("Reading the policy of the role "+m.Role.ValueString(), err.Error())
	default:
		m.Policy = document(there.PolicyDocument, m.Policy)
		resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
	}
}

func (r *rolePolicy) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var m rolePolicyModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if err := r.put(ctx, m); err != nil {
		resp.Diagnostics.AddError("Putting the policy of the role "+m.Role.ValueString(), err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (r *rolePolicy) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m rolePolicyModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	_, err := r.iam.DeleteRolePolicy(
		ctx,
		&iam.DeleteRolePolicyInput{RoleName: m.Role.ValueStringPointer(), PolicyName: m.Name.ValueStringPointer()},
	)
	if err != nil && !missing(err) {
		resp.Diagnostics.AddError("Deleting the policy of the role "+m.Role.ValueString(), err.Error())
	}
}

// oidcProvider is aws_iam_openid_connect_provider.
type oidcProvider struct{ inCloud }

type oidcProviderModel struct {
	ID        types.String `tfsdk:"id"`
	ARN       types.String `tfsdk:"arn"`
	URL       types.String `tfsdk:"url"`
	ClientIDs types.List   `tfsdk:"client_id_list"`
}

func (r *oidcProvider) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "aws_iam_openid_connect_provider"
}

func (r *oidcProvider) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":  schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"arn": schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"url": schema.StringAttribute{Required: true, PlanModifiers: replace},
		"client_id_list": schema.ListAttribute{
			Required:      true,
			ElementType:   types.StringType,
			PlanModifiers: []planmodifier.List{listplanmodifier.RequiresReplace()},
		},
	}}
}

func (r *oidcProvider) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m oidcProviderModel
	var clientIDs []string
	resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...)
	if resp.Diagnostics.Append(m.ClientIDs.ElementsAs(ctx, &clientIDs, false)...); resp.Diagnostics.HasError() {
		return
	}
	made, err := r.iam.CreateOpenIDConnectProvider(
		ctx,
		&iam.CreateOpenIDConnectProviderInput{Url: m.URL.ValueStringPointer(), ClientIDList: clientIDs},
	)
	if err != nil {
		resp.Diagnostics.AddError("Creating the provider of "+m.URL.ValueString(), err.Error())
		return
	}
	m.ARN = types.StringPointerValue(made.OpenIDConnectProviderArn)
	m.ID = m.ARN
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (r *oidcProvider) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m oidcProviderModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	there, err := r.iam.GetOpenIDConnectProvider(
		ctx,
		&iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: m.ARN.ValueStringPointer()},
	)
	switch {
	case missing(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.AddError("Reading the provider "+m.ARN.ValueString(), err.Error())
	default:
		m.URL = types.StringValue("https://" + strings.TrimPrefix(aws.ToString(there.Url), "https://"))
		resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
	}
}

// Update changes nothing: every argument replaces the resource.
func (r *oidcProvider) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

func (r *oidcProvider) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m oidcProviderModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	_, err := r.iam.DeleteOpenIDConnectProvider(
		ctx,
		&iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: m.ARN.ValueStringPointer()},
	)
	if err != nil && !missing(err) {
		resp.Diagnostics.AddError("Deleting the provider "+m.ARN.ValueString(), err.Error())
	}
}

// callerIdentity is data.aws_caller_identity.
type callerIdentity struct{ *cloud }

func (d *callerIdentity) Configure(
	_ context.Context,
	req datasource.ConfigureRequest,
	_ *datasource.ConfigureResponse,
) {
	d.cloud, _ = req.ProviderData.(*cloud)
}

func (d *callerIdentity) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = "aws_caller_identity"
}

func (d *callerIdentity) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = dataschema.Schema{Attributes: map[string]dataschema.Attribute{
		"id":         dataschema.StringAttribute{Computed: true},
		"account_id": dataschema.StringAttribute{Computed: true},
		"arn":        dataschema.StringAttribute{Computed: true},
		"user_id":    dataschema.StringAttribute{Computed: true},
	}}
}

func (d *callerIdentity) Read(ctx context.Context, _ datasource.ReadRequest, resp *datasource.ReadResponse) {
	who, err := d.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		resp.Diagnostics.AddError("Asking who calls", err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, struct {
		ID      types.String `tfsdk:"id"`
		Account types.String `tfsdk:"account_id"`
		ARN     types.String `tfsdk:"arn"`
		UserID  types.String `tfsdk:"user_id"`
	}{
		ID:      types.StringPointerValue(who.Account),
		Account: types.StringPointerValue(who.Account),
		ARN:     types.StringPointerValue(who.Arn),
		UserID:  types.StringPointerValue(who.UserId),
	})...)
}
