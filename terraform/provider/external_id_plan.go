package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// plannedExternalID returns the external ID that the plan comes to. One that the
// integration has had stands for the current one: configurations that Terraform
// generated, and those from before a rotation, have it as a literal. A reserved one
// that nothing uses stays. Any other one is an error.
func (r *integrationResource) plannedExternalID(
	ctx context.Context, plan, state integrationResourceModel, diags *diag.Diagnostics,
) types.String {
	given := plan.ExternalID
	if given.IsUnknown() || given.Equal(state.ExternalID) || !r.server.ready(diags) {
		return given
	}
	current, err := r.server.Integration(ctx, state.ID.ValueString())
	if err != nil {
		report(diags, "Reading the integration "+state.ID.ValueString(), err, nil)
		return given
	}
	owner, _, err := r.server.ownerOf(ctx, given.ValueString())
	switch {
	case err != nil:
		reportExternalID(diags, err)
	case owner == current.Name:
		return state.ExternalID
	case owner != "":
		reportExternalID(diags, atField("external_id", rolebroker.Errorf(rolebroker.CodeInvalid,
			"the integration %s has it, and no other one can have it", owner)))
	}
	return given
}

// checkExternalID refuses an external ID with which no integration can be created.
// The current one of an integration may be that of the one that Terraform replaces.
func (r *integrationResource) checkExternalID(
	ctx context.Context, plan integrationResourceModel, diags *diag.Diagnostics,
) {
	given := plan.ExternalID.ValueString()
	if given == "" || r.server == nil || r.server.Client == nil {
		return
	}
	owner, current, err := r.server.ownerOf(ctx, given)
	switch {
	case err != nil:
		reportExternalID(diags, err)
	case owner != "" && current != given:
		reportExternalID(diags, atField("external_id", rolebroker.Errorf(rolebroker.CodeInvalid,
			"the integration %s had it before its external ID was changed; a new integration cannot have it", owner)))
	}
}

// ownerOf returns the name of the integration that has or had an external ID, and
// its current one. The name is empty for a reserved one that nothing uses. Codes:
// invalid (it is not reserved), and those of reading.
func (s *server) ownerOf(ctx context.Context, externalID string) (owner, current string, err error) {
	found, err := s.SetupDraft(ctx, api.SetupDraft{Integration: api.IntegrationRequest{ExternalID: externalID}})
	if rolebroker.CodeOf(err) == rolebroker.CodeInvalid {
		return "", "", atField("external_id", rolebroker.Errorf(rolebroker.CodeInvalid,
			"it is neither an external ID of this integration, nor one that is reserved and unused"))
	}
	if err != nil || len(found.ExternalIDs) == 0 {
		return "", "", err
	}
	return found.Integration, found.ExternalIDs[0], nil
}

// reportExternalID says what to write in place of an external ID.
func reportExternalID(diags *diag.Diagnostics, err error) {
	report(diags, "The integration cannot have this external ID", rolebroker.AsError(err).WithSteps(
		rolebroker.Step{Text: "nothing was changed or destroyed; leave external_id out, and the integration keeps " +
			"the one that it has, or a new integration gets one"},
		rolebroker.Step{Text: "to choose it before the roles exist, take it from a reservation:",
			Command: "external_id = rolebroker_external_id.NAME.external_id"}),
		func(string) path.Path { return path.Root("external_id") })
}
