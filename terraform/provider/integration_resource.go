package provider

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// integrationResource is rolebroker_aws_integration.
type integrationResource struct{ onServer }

var (
	_ resource.ResourceWithConfigure      = &integrationResource{}
	_ resource.ResourceWithUpgradeState   = &integrationResource{}
	_ resource.ResourceWithImportState    = &integrationResource{}
	_ resource.ResourceWithModifyPlan     = &integrationResource{}
	_ resource.ResourceWithValidateConfig = &integrationResource{}
)

func newIntegrationResource() resource.Resource {
	return &integrationResource{onServer{suffix: "aws_integration", identity: byName("integration")}}
}

func (r *integrationResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	validate := plan.Validate.ValueString()
	summary := "Creating the integration " + in.Name
	runner, err := r.findRunner(ctx, &in)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in, validate)
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
	made, err := r.create(ctx, in, validate, r.wait(plan)...)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, withReplacement(err), in, validate)
		if reserved.ID != "" {
			r.keepOrRelease(ctx, reserved, err, &resp.Diagnostics)
		}
		return
	}
	plan.integrationModel = plan.saved(ctx, found{made, runner}, &resp.Diagnostics)
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, plan)...)
	resp.Diagnostics.Append(rememberReserved(ctx, resp.Private, req.Config)...)
	warn(&resp.Diagnostics, made)
}

// reservedKey is the key in the private state that says whether the configuration
// has an external ID, "true", or the provider reserved one for the integration,
// "false".
const reservedKey = "external_id_configured"

// rememberReserved writes reservedKey.
func rememberReserved(ctx context.Context, private interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}, config tfsdk.Config) diag.Diagnostics {
	var given types.String
	diags := config.GetAttribute(ctx, path.Root("external_id"), &given)
	return append(diags, private.SetKey(ctx, reservedKey, strconv.AppendBool(nil, !given.IsNull()))...)
}

// withReplacement adds to an error about the external ID how to get another one.
func withReplacement(err error) error {
	e := *rolebroker.AsError(err)
	e.Fields = slices.Clone(e.Fields)
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Path == "external_id" {
			f.Hint = append(slices.Clone(f.Hint), rolebroker.Step{
				Text: "If it comes from a rolebroker_external_id, replace that one; the integration and the roles' " +
					"trust policies follow:",
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
	ctx context.Context, in api.IntegrationRequest, validate string, options ...client.SaveOption,
) (api.Integration, error) {
	made, err := r.server.CreateIntegration(ctx, in, validate, options...)
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
		state.integrationModel = state.take(ctx, in, &resp.Diagnostics)
		return state
	})
}

func (r *integrationResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&plan, req.Plan}, modelFrom{&state, req.State}) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	summary := "Updating the integration " + state.Name.ValueString()
	validate := plan.validates(ctx, state, &resp.Diagnostics)
	runner, err := r.findRunner(ctx, &in)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in, validate)
		return
	}
	plan.RunnerID = stringOrNull(runner)
	if !plan.ExternalID.Equal(state.ExternalID) {
		in.ExternalID = plan.ExternalID.ValueString()
	}
	updated, err := change(
		func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
		func(now found) bool { return state.describes(ctx, now) },
		func(now found) bool { return plan.isDone(ctx, state, now, in.ExternalID) },
		func(now found) (found, error) {
			done, err := r.server.UpdateIntegration(ctx, now.ID, in, now.ETag(), validate, r.wait(plan)...)
			return found{done, runner}, err
		})
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in, validate)
		return
	}
	plan.integrationModel = plan.saved(ctx, updated, &resp.Diagnostics)
	resp.Diagnostics.Append(save(ctx, &resp.State, resp.Identity, plan)...)
	resp.Diagnostics.Append(rememberReserved(ctx, resp.Private, req.Config)...)
	if validate != api.ValidateSkip {
		warn(&resp.Diagnostics, updated.Integration)
	}
}

// wait is how long the server keeps trying a role that AWS denies; none: as long as
// the server is set to.
func (r *integrationResource) wait(plan integrationResourceModel) []client.SaveOption {
	wait := r.server.validateWait
	if given, err := time.ParseDuration(plan.ValidateWait.ValueString()); err == nil {
		return []client.SaveOption{client.Wait(given)}
	}
	if wait == 0 || plan.Validate.ValueString() == api.ValidateSkip {
		return nil
	}
	return []client.SaveOption{client.Wait(wait)}
}

// isDone returns whether the integration is as planned already, so that nothing has
// to be changed or validated. externalID is the one that the plan changes to; empty:
// none.
func (m integrationResourceModel) isDone(
	ctx context.Context, state integrationResourceModel, now found, externalID string,
) bool {
	return m.describes(ctx, now) && m.Validate.Equal(state.Validate) &&
		m.RevalidateTriggers.Equal(state.RevalidateTriggers) && (externalID == "" || externalID == now.ExternalID)
}

// Delete reserves the external ID again if the configuration has it: an apply that
// replaces the integration then creates it with the same one, which the roles
// require, and a destroy releases it with its rolebroker_external_id.
func (r *integrationResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state integrationResourceModel
	if !r.server.read(ctx, &resp.Diagnostics, modelFrom{&state, req.State}) {
		return
	}
	remove := r.server.DeleteIntegrationButExternalID // also if a former version of the provider made the state
	if configured, _ := req.Private.GetKey(ctx, reservedKey); string(configured) == "false" {
		remove = r.server.DeleteIntegration
	}
	_, err := change(
		func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
		func(now found) bool { return state.describes(ctx, now) },
		nil,
		func(now found) (found, error) { return now, remove(ctx, now.ID, now.ETag()) })
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, "Deleting the integration "+state.Name.ValueString(), err, nil)
	}
}

// ImportState takes a name or an ID, or an identity with either.
func (r *integrationResource) ImportState(
	ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse,
) {
	importPair(ctx, resp, "id", r.reference(ctx, req, &resp.Diagnostics), "validate", api.ValidateRequire)
}

// typeOf is the type of the resource's states and configurations.
func (r *integrationResource) typeOf(ctx context.Context) tftypes.Type {
	var current resource.SchemaResponse
	r.Schema(ctx, resource.SchemaRequest{}, &current)
	return current.Schema.Type().TerraformType(ctx)
}

// UpgradeState reads the state of former versions. Version 0 had in it what differs
// from one validation to the next.
func (r *integrationResource) UpgradeState(ctx context.Context) map[int64]resource.StateUpgrader {
	kind := r.typeOf(ctx)
	drop := tfprotov6.UnmarshalOpts{ValueFromJSONOpts: tftypes.ValueFromJSONOpts{IgnoreUndefinedAttributes: true}}
	return map[int64]resource.StateUpgrader{0: {
		StateUpgrader: func(_ context.Context, req resource.UpgradeStateRequest, resp *resource.UpgradeStateResponse) {
			value, err := req.RawState.UnmarshalWithOpts(kind, drop)
			if err == nil {
				var upgraded tfprotov6.DynamicValue
				upgraded, err = tfprotov6.NewDynamicValue(kind, value)
				resp.DynamicValue = &upgraded
			}
			if err != nil {
				resp.Diagnostics.AddError("Reading the state of a former version of the provider", sentence(err.Error()))
			}
		},
	}}
}

// reportIntegration reports an error about a request at the attributes of its
// roles. validate is how the server validated.
func reportIntegration(diags *diag.Diagnostics, summary string, err error, in api.IntegrationRequest, validate string) {
	roles := make([]rolebroker.Role, len(in.Roles))
	for i, role := range in.Roles {
		roles[i].Name = role.Name
	}
	report(diags, summary, withWaysOut(err, validate), func(field string) path.Path { return place(field, roles) })
}

// withWaysOut writes the hints of a refusal for a configuration, and adds how to
// save an integration some of whose roles do not work.
func withWaysOut(err error, validate string) error {
	e := *rolebroker.AsError(err)
	e.Hint = inConfiguration(e.Hint)
	e.Fields = slices.Clone(e.Fields)
	aboutRoles := e.Code == rolebroker.CodeUnavailable && len(e.Fields) > 0
	for i := range e.Fields {
		e.Fields[i].Hint = inConfiguration(e.Fields[i].Hint)
		if _, _, ok := roleField(e.Fields[i].Path); ok {
			aboutRoles = true
		}
	}
	if validate != api.ValidateRequire || !aboutRoles {
		return &e
	}
	return e.WithSteps(
		rolebroker.Step{Text: "to save the integration while a role does not work, and be warned:",
			Command: `validate = "warn"`},
		rolebroker.Step{Text: "or to keep the role without lending it, in its entry of roles:",
			Command: "enabled = false"})
}

// warn adds a warning for each enabled role of a saved integration that cannot
// be assumed, or can be assumed in an unsafe way. A disabled integration lends
// none of them. The summaries do not name the role, so that Terraform shows many
// warnings as one.
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
		summary := "A role can be assumed, but not as it should be"
		if !rolebroker.ValidationStatus(v.Status).Works() {
			summary = "A role cannot be assumed"
		}
		diags.AddAttributeWarning(path.Root("roles").AtMapKey(role.Name), summary,
			fmt.Sprintf("Role %s of the integration %s: %s", role.Name, in.Name,
				withHint(v.Message, inConfiguration(convert.Hint(v.Hint, v.HintSteps)))))
	}
}
