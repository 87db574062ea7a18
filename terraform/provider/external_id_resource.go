package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// externalIDResource is rolebroker_external_id.
type externalIDResource struct{ onServer }

var _ resource.ResourceWithImportState = &externalIDResource{}

func newExternalIDResource() resource.Resource {
	return &externalIDResource{onServer{suffix: "external_id",
		identity: identity{{"id", false, "The ID of the reservation. It is not the external ID."}}}}
}

type externalIDModel struct {
	ID         types.String `tfsdk:"id"`
	ExternalID types.String `tfsdk:"external_id"`
}

func externalIDOf(e api.ExternalID) externalIDModel {
	return externalIDModel{types.StringValue(e.ID), types.StringValue(e.ExternalID)}
}

func (r *externalIDResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Reserves an external ID before the roles exist whose trust policies require it. One plan " +
			"can then create the roles and the integration.\n\n" +
			"The reservation follows its integration: after the integration's external ID was rotated, the next " +
			"plan has " +
			"the new one.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep,
				MarkdownDescription: "The ID of the reservation. It is not the external ID.",
			},
			"external_id": schema.StringAttribute{
				Computed: true, PlanModifiers: keep,
				MarkdownDescription: "The value for `external_id` of `rolebroker_aws_setup` and " +
					"`rolebroker_aws_integration`.",
			},
		},
	}
}

func (r *externalIDResource) Create(ctx context.Context, _ resource.CreateRequest, resp *resource.CreateResponse) {
	if !r.server.ready(&resp.Diagnostics) {
		return
	}
	reserved, err := r.server.ReserveExternalID(ctx)
	if err != nil {
		report(&resp.Diagnostics, "Reserving an external ID", err, nil)
		return
	}
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, externalIDOf(reserved))...)
}

// Read removes a reservation from the state that was released or whose
// integration was deleted: its external ID cannot be used again.
func (r *externalIDResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state externalIDModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	now, err := r.server.ExternalID(ctx, state.ID.ValueString())
	refresh(ctx, resp, "Reading an external ID", err, func() externalIDModel { return externalIDOf(now) })
}

// Update changes nothing: the resource has no arguments.
func (r *externalIDResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {
}

// Delete releases an external ID that no integration used. One that an
// integration has stays with the integration.
func (r *externalIDResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state externalIDModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	err := r.server.ReleaseExternalID(ctx, state.ID.ValueString())
	if err != nil && !gone(err) && rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		report(&resp.Diagnostics, "Releasing an external ID", err, nil)
	}
}

// ImportState takes the ID of a reservation, or an identity with it.
func (r *externalIDResource) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("id"), r.reference(ctx, req, &resp.Diagnostics))...)
}
