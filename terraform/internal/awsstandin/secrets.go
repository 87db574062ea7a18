package awsstandin

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const secretPrefix = "arn:aws:secretsmanager:us-east-1:444455556666:secret:"

// file is the path of the file with the value of a secret.
func (c *cloud) file(arn string) string {
	return filepath.Join(c.secrets, strings.ReplaceAll(strings.TrimPrefix(arn, secretPrefix), "/", "_"))
}

// secret is aws_secretsmanager_secret.
type secret struct{ inCloud }

type secretModel struct {
	ID          types.String `tfsdk:"id"`
	ARN         types.String `tfsdk:"arn"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
	Window      types.Int64  `tfsdk:"recovery_window_in_days"`
}

func (s *secret) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "aws_secretsmanager_secret"
}

func (s *secret) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":                      schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"arn":                     schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"name":                    schema.StringAttribute{Required: true, PlanModifiers: replace},
		"description":             schema.StringAttribute{Optional: true},
		"recovery_window_in_days": schema.Int64Attribute{Optional: true},
	}}
}

func (s *secret) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m secretModel
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	m.ARN = types.StringValue(secretPrefix + m.Name.ValueString())
	m.ID = m.ARN
	if err := os.WriteFile(s.file(m.ARN.ValueString()), nil, 0o600); err != nil {
		resp.Diagnostics.AddError("Creating the secret "+m.Name.ValueString(), err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, m)...)
}

func (s *secret) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m secretModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if _, err := os.Stat(s.file(m.ARN.ValueString())); errors.Is(err, fs.ErrNotExist) {
		resp.State.RemoveResource(ctx)
	}
}

func (s *secret) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
}

func (s *secret) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m secretModel
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if err := os.Remove(s.file(m.ARN.ValueString())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		resp.Diagnostics.AddError("Deleting the secret "+m.Name.ValueString(), err.Error())
	}
}

// secretVersion is aws_secretsmanager_secret_version, with a write-only value.
// Deleting a version leaves the secret's value, which is the latest.
type secretVersion struct{ inCloud }

type secretVersionModel struct {
	ID       types.String `tfsdk:"id"`
	ARN      types.String `tfsdk:"arn"`
	SecretID types.String `tfsdk:"secret_id"`
	Value    types.String `tfsdk:"secret_string_wo"` // in the configuration only
	Version  types.Int64  `tfsdk:"secret_string_wo_version"`
}

func (s *secretVersion) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "aws_secretsmanager_secret_version"
}

func (s *secretVersion) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":               schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"arn":              schema.StringAttribute{Computed: true, PlanModifiers: keep},
		"secret_id":        schema.StringAttribute{Required: true, PlanModifiers: replace},
		"secret_string_wo": schema.StringAttribute{Optional: true, WriteOnly: true, Sensitive: true},
		"secret_string_wo_version": schema.Int64Attribute{
			Optional:      true,
			PlanModifiers: []planmodifier.Int64{int64planmodifier.RequiresReplace()},
		},
	}}
}

func (s *secretVersion) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan, config secretVersionModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.Append(req.Config.Get(ctx, &config)...); resp.Diagnostics.HasError() {
		return
	}
	if err := os.WriteFile(s.file(plan.SecretID.ValueString()), []byte(config.Value.ValueString()), 0o600); err != nil {
		resp.Diagnostics.AddError("Putting the value of the secret "+plan.SecretID.ValueString(), err.Error())
		return
	}
	plan.ARN, plan.ID = plan.SecretID, types.StringValue(plan.SecretID.ValueString()+"|latest")
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
}

// Read assumes that nobody else changed the value.
func (s *secretVersion) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (s *secretVersion) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.State.Raw = req.Plan.Raw
}

func (s *secretVersion) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
