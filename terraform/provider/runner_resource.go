package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// runnerResource is rolebroker_runner: what people say of a runner. What it says
// of itself changes all the time, and is read by the data source.
//
// The token with which it joins is left to the command line, and there is no
// ephemeral resource for it. Terraform opens one at every plan and again at the
// apply, and here each opening would be a change: it would end the token that
// waits to be used, leave another one that is good for an hour, and fail where
// plans are made with a read-only key. And a write-only argument takes no heed of
// it afterwards, so a token that expired unused would stay where it is.
type runnerResource struct{ fromServer }

var _ resource.ResourceWithImportState = &runnerResource{}

type runnerModel struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Description types.String `tfsdk:"description"`
	Issuer      types.String `tfsdk:"issuer"`
}

func (r *runnerResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_runner"
}

func (r *runnerResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "The part of rolebroker that runs in a cluster of yours and assumes roles there, for the integrations in cluster mode that name it. " +
			"How it is doing is in the data source `rolebroker_runner`.\n\n" +
			"It joins with a token that is good once, within an hour, and that Terraform does not make: `rolebroker runner join-token NAME` does, after the apply and before the chart is installed. " +
			"A new one ends the one before it, so one that was made at every plan would take it away from the runner that is just starting. A runner that has joined needs none again.\n\n" +
			"A runner that an integration names is not deleted. Give it `create_before_destroy` as below, and an apply that takes it away from the integration can delete it too: Terraform would delete it first otherwise.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
				MarkdownDescription: "Stable for the life of the runner, also when it is renamed."},
			"name": schema.StringAttribute{Required: true, Validators: []validator.String{isName{}},
				MarkdownDescription: "Unique in a deployment: letters, digits, `.`, `_` and `-`, at most 64. Changing it renames the runner in place, and it stays connected."},
			"description": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters."},
			"issuer": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(""), Validators: []validator.String{isIssuer{}},
				MarkdownDescription: "Of the service-account tokens about which the runner is believed: those of its cluster, an `https://` URL, as `aws_eks_cluster` has it in `identity[0].oidc[0].issuer`. No two runners have the same. " +
					"Left out: it is believed about none, and pods cannot borrow with their service account."},
		},
	}
}

func runnerOf(r api.Runner) runnerModel {
	return runnerModel{types.StringValue(r.ID), types.StringValue(r.Name), types.StringValue(r.Description), types.StringValue(r.Issuer)}
}

func (m runnerModel) request() api.RunnerRequest {
	return api.RunnerRequest{Name: m.Name.ValueString(), Description: m.Description.ValueString(), Issuer: m.Issuer.ValueString()}
}

// describes says whether the runner is as m has it, in all that m says.
func (m runnerModel) describes(r api.Runner) bool {
	there := runnerOf(r)
	return there.Name.Equal(m.Name) && there.Description.Equal(m.Description) && there.Issuer.Equal(m.Issuer)
}

func (r *runnerResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan runnerModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	name := plan.Name.ValueString()
	made, err := r.server.CreateRunner(ctx, plan.request())
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		err = r.taken(ctx, name, err)
	}
	if err != nil {
		report(&resp.Diagnostics, "Creating the runner "+name, err, atRoot)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, runnerOf(made))...)
}

// taken is err with how to keep the runner that has the name, if it is the name
// that is taken and not the issuer.
func (r *runnerResource) taken(ctx context.Context, name string, err error) error {
	if _, problem := r.server.Runner(ctx, name); problem != nil {
		return err
	}
	return rolebroker.AsError(err).WithSteps(importIt("rolebroker_runner", name))
}

func (r *runnerResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state runnerModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	there, err := r.server.Runner(ctx, state.ID.ValueString())
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the runner "+state.ID.ValueString(), err, nil)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, runnerOf(there))...)
	}
}

func (r *runnerResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state runnerModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	updated, err := change(func() (api.Runner, error) { return r.server.Runner(ctx, state.ID.ValueString()) }, state.describes, plan.describes,
		func(now api.Runner) (api.Runner, error) {
			return r.server.UpdateRunner(ctx, now.ID, plan.request(), now.ETag())
		})
	if err != nil {
		report(&resp.Diagnostics, "Updating the runner "+state.Name.ValueString(), err, atRoot)
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, runnerOf(updated))...)
}

func (r *runnerResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state runnerModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	_, err := change(func() (api.Runner, error) { return r.server.Runner(ctx, state.ID.ValueString()) }, state.describes, nil,
		func(now api.Runner) (api.Runner, error) { return now, r.server.DeleteRunner(ctx, now.ID, now.ETag()) })
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict { // Terraform deletes before it changes what depended on it
		err = rolebroker.AsError(err).WithHint("Have it name another runner, or none, in an apply before this one. Where the lifecycle of a runner has create_before_destroy = true, one apply does both.")
	}
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Deleting the runner "+state.Name.ValueString(), err, nil)
	}
}

// ImportState takes a name or an ID.
func (r *runnerResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}
