package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrationResource is rolebroker_aws_integration.
type integrationResource struct{ onServer }

var (
	_ resource.ResourceWithConfigure      = &integrationResource{}
	_ resource.ResourceWithImportState    = &integrationResource{}
	_ resource.ResourceWithModifyPlan     = &integrationResource{}
	_ resource.ResourceWithValidateConfig = &integrationResource{}
)

func (r *integrationResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	summary := "Creating the integration " + in.Name
	runner, err := r.findRunner(ctx, &in)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in)
		return
	}
	in.ExternalID = plan.ExternalID.ValueString()
	var reserved api.ExternalID
	if in.ExternalID == "" {
		if reserved, err = r.server.ReserveExternalID(ctx); err != nil {
			report(&resp.Diagnostics, "Reserving an external ID", err, nil)
			return
		}
		in.ExternalID = reserved.ExternalID
	}
	made, err := r.create(ctx, in, plan.Validate.ValueString())
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, withReplacement(err), in)
		if reserved.ID != "" {
			r.keepOrRelease(ctx, reserved, err, &resp.Diagnostics)
		}
		return
	}
	plan.integrationModel = plan.saved(ctx, found{made, runner}, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	warn(&resp.Diagnostics, made)
}

// withReplacement adds to an error about the external ID how to get another one.
func withReplacement(err error) error {
	e := *rolebroker.AsError(err)
	e.Fields = slices.Clone(e.Fields)
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Path == "external_id" {
			f.Hint = append(slices.Clone(f.Hint), rolebroker.Step{
				Text: "If it comes from a rolebroker_external_id, replace that one; the integration and the roles' " +
					"trust " +
					"policies follow:",
				Command: "terraform apply -replace=rolebroker_external_id.NAME",
			})
		}
	}
	return &e
}

// findRunner finds the runner that a request names, before anything is changed,
// and sets the request's runner to its ID. The ID is empty if the request names
// none.
func (r *integrationResource) findRunner(ctx context.Context, in *api.IntegrationRequest) (id string, err error) {
	if in.Runner == "" {
		return "", nil
	}
	runner, err := r.server.Runner(ctx, in.Runner)
	if err != nil {
		return "", atMissing("runner", err)
	}
	in.Runner = runner.ID
	return runner.ID, nil
}

// find reads an integration and the ID of its runner. Codes: not_found (there is
// no such integration), and those of reading.
func (s *server) find(ctx context.Context, integration string) (found, error) {
	for range attempts {
		in, err := s.Integration(ctx, integration)
		if err != nil || in.Runner == "" {
			return found{in, ""}, err
		}
		runner, err := s.Runner(ctx, in.Runner)
		if !gone(err) { // else it was renamed or replaced since the integration was read
			return found{in, runner.ID}, err
		}
	}
	return found{}, rolebroker.Errorf(rolebroker.CodeUnavailable,
		"the runner that the integration %s names does not exist", integration).
		WithHint("Try again. If the error persists: rolebroker integration show %s, rolebroker runner list",
			integration)
}

// create makes the integration, whose external ID is reserved already. The
// external ID identifies the integration if a proxy reported its creation as a
// failure, because it timed out for example.
func (r *integrationResource) create(
	ctx context.Context, in api.IntegrationRequest, validate string) (api.Integration, error,
) {
	made, err := r.server.CreateIntegration(ctx, in, validate)
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeConflict, rolebroker.CodeInvalid, rolebroker.CodeUnavailable:
		there, problem := r.server.Integration(ctx, in.Name)
		if problem == nil && there.ExternalID == in.ExternalID {
			return there, nil
		}
	}
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		err = rolebroker.AsError(err).WithSteps(importIt("rolebroker_aws_integration", in.Name))
	}
	return made, err
}

// keepOrRelease handles the external ID of a failed attempt. If the attempt
// failed because of its roles, their trust policies have to require it, so a
// warning says how to try again with it. Otherwise it is released.
func (r *integrationResource) keepOrRelease(
	ctx context.Context, reserved api.ExternalID, err error, diags *diag.Diagnostics,
) {
	if len(rolebroker.AsError(err).Fields) == 0 {
		_ = r.server.ReleaseExternalID(ctx, reserved.ID) // an unused reservation does no harm
		return
	}
	diags.AddAttributeWarning(path.Root("external_id"), "The external ID of this attempt is kept",
		"The changes that have to be made in AWS contain the external ID of this attempt. Try again with the same one:"+
			"\n\n  external_id = "+quoted(reserved.ExternalID)+"\n\n"+
			"Or reserve one in the configuration, with the resource rolebroker_external_id, and take the roles' trust "+
			"policies from the data source rolebroker_aws_setup.")
}

func (r *integrationResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	in, err := r.server.find(ctx, state.ID.ValueString())
	refresh(ctx, resp, "Reading the integration "+state.ID.ValueString(), err, func() integrationResourceModel {
		return integrationResourceModel{state.take(ctx, in, &resp.Diagnostics), state.Validate}
	})
}

func (r *integrationResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&state, req.State}) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	summary := "Updating the integration " + state.Name.ValueString()
	runner, err := r.findRunner(ctx, &in)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in)
		return
	}
	plan.RunnerID = stringOrNull(runner)
	updated, err := change(
		func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
		func(now found) bool { return state.describes(ctx, now) },
		func(now found) bool { return plan.describes(ctx, now) && plan.Validate.Equal(state.Validate) },
		func(now found) (found, error) {
			done, err := r.server.UpdateIntegration(ctx, now.ID, in, now.ETag(), plan.Validate.ValueString())
			return found{done, runner}, err
		})
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in)
		return
	}
	plan.integrationModel = plan.saved(ctx, updated, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.State.Set(ctx, plan)...)
	warn(&resp.Diagnostics, updated.Integration)
}

func (r *integrationResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	_, err := change(
		func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
		func(now found) bool { return state.describes(ctx, now) },
		nil,
		func(now found) (found, error) { return now, r.server.DeleteIntegration(ctx, now.ID, now.ETag()) })
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Deleting the integration "+state.Name.ValueString(), err, nil)
	}
}

// ImportState takes a name or an ID.
func (r *integrationResource) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	importPair(ctx, resp, "id", req.ID, "validate", api.ValidateRequire)
}

// reportIntegration reports an error about a request at the attributes of its
// roles.
func reportIntegration(diags *diag.Diagnostics, summary string, err error, in api.IntegrationRequest) {
	roles := make([]rolebroker.Role, len(in.Roles))
	for i, role := range in.Roles {
		roles[i].Name = role.Name
	}
	report(diags, summary, err, func(field string) path.Path { return place(field, roles) })
}

// warn adds a warning for each enabled role of a saved integration that cannot
// be assumed, or can be assumed in an unsafe way. A disabled integration lends
// none of them.
func warn(diags *diag.Diagnostics, in api.Integration) {
	if !in.Enabled {
		return
	}
	for _, role := range in.Roles {
		v := role.Validation
		if v == nil || !role.Enabled || v.Status == string(rolebroker.StatusAssumable) ||
			v.Code == string(rolebroker.ValidClusterMode) {
			continue
		}
		diags.AddAttributeWarning(path.Root("roles").AtMapKey(role.Name),
			fmt.Sprintf("Role %s of the integration %s: %s", role.Name, in.Name, v.Status),
			withHint(v.Message, convert.Hint(v.Hint, v.HintSteps)))
	}
}
