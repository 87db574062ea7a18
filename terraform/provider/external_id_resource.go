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
type externalIDResource struct{ fromServer }

var _ resource.ResourceWithImportState = &externalIDResource{}

type externalIDModel struct {
	ID         types.String `tfsdk:"id"`
	ExternalID types.String `tfsdk:"external_id"`
}

func (r *externalIDResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_external_id"
}

func (r *externalIDResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "An external ID, reserved before the roles exist whose trust policies require it: so that roles and integration are made in one plan.\n\n" +
			"It follows its integration: when the integration's external ID is rotated, the next plan has the new one.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: keep, MarkdownDescription: "Of the reservation; it is not the external ID."},
			"external_id": schema.StringAttribute{Computed: true, PlanModifiers: keep,
				MarkdownDescription: "For `external_id` of `rolebroker_aws_setup` and of `rolebroker_aws_integration`."},
		},
	}
}

func externalIDOf(e api.ExternalID) externalIDModel {
	return externalIDModel{types.StringValue(e.ID), types.StringValue(e.ExternalID)}
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
	resp.Diagnostics.Append(resp.State.Set(ctx, externalIDOf(reserved))...)
}

func (r *externalIDResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state externalIDModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	now, err := r.server.ExternalID(ctx, state.ID.ValueString())
	switch {
	case gone(err): // it was given back, or its integration was deleted: it cannot be used again
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading an external ID", err, nil)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, externalIDOf(now))...)
	}
}

// Update has nothing to change: there are no arguments.
func (r *externalIDResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {
}

// Delete gives back what nobody used. What an integration has stays with it.
func (r *externalIDResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state externalIDModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	err := r.server.ReleaseExternalID(ctx, state.ID.ValueString())
	if err != nil && !gone(err) && rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		report(&resp.Diagnostics, "Giving back an external ID", err, nil)
	}
}

// ImportState takes the ID of a reservation.
func (r *externalIDResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
}
