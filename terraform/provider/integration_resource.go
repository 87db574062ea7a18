package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// integrationResource is rolebroker_aws_integration.
type integrationResource struct{ fromServer }

var (
	_ resource.ResourceWithConfigure      = &integrationResource{}
	_ resource.ResourceWithImportState    = &integrationResource{}
	_ resource.ResourceWithModifyPlan     = &integrationResource{}
	_ resource.ResourceWithValidateConfig = &integrationResource{}
)

func (r *integrationResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_aws_integration"
}

func (r *integrationResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}
	resp.Schema = schema.Schema{
		MarkdownDescription: "A named group of AWS roles that is granted to agents as one.\n\n" +
			"Its roles are tried while Terraform applies: by default the apply fails, and nothing is saved, unless every enabled role can be assumed; each role that cannot is named, with the cause and what to change.",
		Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, PlanModifiers: keep,
				MarkdownDescription: "Stable for the life of the integration, also when it is renamed."},
			"name": schema.StringAttribute{Required: true,
				MarkdownDescription: "Unique in a deployment: letters, digits, `.`, `_` and `-`, at most 64. Changing it renames the integration in place."},
			"description": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(""),
				MarkdownDescription: "At most 1000 characters."},
			"assumption_mode": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(string(rolebroker.ModePlatform)),
				Validators:          []validator.String{stringvalidator.OneOf(string(rolebroker.ModePlatform), string(rolebroker.ModeCluster))},
				MarkdownDescription: "Who calls STS: `platform` (default, recommended), or `cluster`, a runner in your own cluster."},
			"runner": schema.StringAttribute{Optional: true, Validators: []validator.String{isGiven{"where no runner is named, leave it out"}},
				MarkdownDescription: "The `id` of the runner that assumes the roles, or its name; in `cluster` mode only. Left out: none is named, and nothing is lent until one is."},
			"runner_id": schema.StringAttribute{Computed: true, MarkdownDescription: "The runner's ID; null where none is named."},
			"external_id": schema.StringAttribute{Optional: true, Computed: true,
				PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplaceIfConfigured()},
				MarkdownDescription: "What the roles' trust policies should require: the `external_id` of a `rolebroker_external_id`, when the roles are made in the same plan. Left out, the server makes one. " +
					"To change it without an outage, use `rolebroker integration rotate-external-id`; a `rolebroker_external_id` follows."},
			"session_tags": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Have every AssumeRole carry session tags that say who borrows. Default: false. The trust policies of `rolebroker_aws_setup` allow it."},
			"source_identity": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false),
				MarkdownDescription: "Have every AssumeRole carry the agent's name as its source identity. Default: false."},
			"default_role": schema.StringAttribute{Required: true,
				MarkdownDescription: "The name of the role that is used when an agent names none: a key of `roles`, and enabled."},
			"roles": rolesAttribute(),
			"validate": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(api.ValidateRequire),
				Validators: []validator.String{stringvalidator.OneOf(api.ValidateRequire, api.ValidateWarn, api.ValidateSkip)},
				MarkdownDescription: "What creating and updating does about roles that cannot be assumed: `require` (default) fails and saves nothing, `warn` saves and warns, `skip` does not try. " +
					"In cluster mode the platform cannot try, and nothing is required."},
		},
	}
}

func rolesAttribute() schema.MapNestedAttribute {
	return schema.MapNestedAttribute{
		Required:            true,
		MarkdownDescription: "The roles, by a name of your choosing; it need not be the name in IAM. A role whose name changes while its ARN stays keeps its identity and its history.",
		Validators:          []validator.Map{mapvalidator.SizeAtLeast(1)},
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"id": schema.StringAttribute{Computed: true, MarkdownDescription: "Stable for the life of the role."},
			"arn": schema.StringAttribute{Required: true,
				MarkdownDescription: "The full ARN of the IAM role, of any partition, with its path."},
			"region": schema.StringAttribute{Required: true,
				MarkdownDescription: "Where STS is asked, and what the agent's process finds as its region."},
			"enabled": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true),
				MarkdownDescription: "A disabled role stays in the integration and is lent to nobody. Default: true."},
			"session_duration": schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString("1h"),
				MarkdownDescription: "How long credentials last: 15m to 12h, as in `90m`. Default: `1h`."},
			"validation": schema.SingleNestedAttribute{Computed: true,
				MarkdownDescription: "What came of trying to assume the role; null when that was not tried since the role last changed.",
				Attributes: map[string]schema.Attribute{
					"status":     schema.StringAttribute{Computed: true, MarkdownDescription: "`assumable`, `warning`, `failed` or `unknown`."},
					"code":       schema.StringAttribute{Computed: true, MarkdownDescription: "What AWS's answers mean, for programs."},
					"message":    schema.StringAttribute{Computed: true, MarkdownDescription: "The same in one sentence."},
					"hint":       schema.StringAttribute{Computed: true, MarkdownDescription: "What to do; may be empty."},
					"request_id": schema.StringAttribute{Computed: true, MarkdownDescription: "AWS's, of the answer that decided; may be empty."},
					"checked_at": schema.StringAttribute{Computed: true, MarkdownDescription: "When, in RFC 3339."},
					"checked_by": schema.StringAttribute{Computed: true, MarkdownDescription: "The name of the runner that tried; empty: the platform did."},
				}},
		}},
	}
}

// ValidateConfig says what is wrong with what is known of the configuration, by
// the server's own rules, before anybody is asked.
func (r *integrationResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var m integrationModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() {
		return
	}
	m.check(ctx, &resp.Diagnostics)
}

// check adds everything that is wrong with what is known.
func (m integrationModel) check(ctx context.Context, diags *diag.Diagnostics) {
	roles := m.roles(ctx, diags)
	partial := m.Roles.IsUnknown() || len(roles) < len(m.Roles.Elements())
	for name, role := range roles {
		role.check(path.Root("roles").AtMapKey(name), diags)
	}
	in := m.noun(roles)
	err := in.Check()
	if err == nil {
		return
	}
	for _, f := range rolebroker.AsError(err).Fields {
		if m.judged(f.Path, in, roles, partial) {
			at := place(f.Path, in.Roles)
			diags.AddAttributeError(line(at), "The integration is not valid", at.String()+": "+sentence(f.Message))
		}
	}
}

// judged says whether a problem is one of what is known, and not said by the
// role itself.
func (m integrationModel) judged(field string, in *rolebroker.Integration, roles map[string]roleModel, partial bool) bool {
	switch field {
	case "roles":
		return false // the schema says it
	case "assumption_mode":
		return false
	case "runner":
		return !m.Runner.IsUnknown() && !m.AssumptionMode.IsUnknown()
	case "name":
		return !m.Name.IsUnknown()
	case "description":
		return !m.Description.IsUnknown()
	case "default_role":
		role, named := roles[in.DefaultRole]
		return !m.DefaultRole.IsUnknown() && !partial && !(named && role.Enabled.IsUnknown())
	}
	i, attribute, _ := roleField(field)
	role := roles[in.Roles[i].Name]
	switch attribute {
	case "region":
		return !role.Region.IsUnknown()
	case "session_duration":
		return !role.SessionDuration.IsUnknown()
	}
	return attribute == "name"
}

// check adds what is wrong with the texts that have to be parsed.
func (r roleModel) check(at path.Path, diags *diag.Diagnostics) {
	problem := func(attribute string, value types.String, err error) {
		if err != nil && !value.IsUnknown() {
			at := at.AtName(attribute)
			diags.AddAttributeError(line(at), "The integration is not valid", at.String()+": "+sentence(err.Error()))
		}
	}
	_, err := rolebroker.ParseRoleARN(r.ARN.ValueString())
	problem("arn", r.ARN, err)
	_, err = rolebroker.ParseSessionDuration(r.SessionDuration.ValueString())
	problem("session_duration", r.SessionDuration, err)
}

// roleField takes the path of a role's field apart, as in roles[2].arn.
func roleField(field string) (index int, attribute string, ok bool) {
	if _, err := fmt.Sscanf(field, "roles[%d]", &index); err != nil {
		return 0, "", false
	}
	_, attribute, _ = strings.Cut(field, "].")
	return index, attribute, true
}

// place is the attribute that the server's path of a field is about. Terraform
// has the roles by name.
func place(field string, roles []rolebroker.Role) path.Path {
	i, attribute, ok := roleField(field)
	switch {
	case !ok:
		return path.Root(field)
	case i < 0 || i >= len(roles): // whatever the server says
		return path.Root("roles")
	case attribute == "" || attribute == "name":
		return path.Root("roles").AtMapKey(roles[i].Name)
	}
	return path.Root("roles").AtMapKey(roles[i].Name).AtName(attribute)
}

// ModifyPlan keeps what will not change, so that a plan shows what will.
func (r *integrationResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() || req.Plan.Raw.Equal(req.State.Raw) {
		return
	}
	var plan, state integrationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if req.State.Raw.IsNull() {
		if plan.Runner.IsNull() {
			resp.Diagnostics.Append(resp.Plan.SetAttribute(ctx, path.Root("runner_id"), types.StringNull())...)
		}
		return
	}
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || plan.Roles.IsUnknown() {
		return
	}
	plan.keepRunner(state)
	plan.keepRoles(ctx, state, &resp.Diagnostics)
	resp.Diagnostics.Append(resp.Plan.Set(ctx, plan)...)
}

// keepRunner gives the plan the ID of the runner that the state has, if the
// reference leads there still.
func (m *integrationModel) keepRunner(state integrationModel) {
	switch {
	case m.Runner.IsNull():
		m.RunnerID = types.StringNull()
	case m.Runner.Equal(state.Runner), m.Runner.Equal(state.RunnerID):
		m.RunnerID = state.RunnerID
	}
}

// keepRoles gives each planned role the ID of the role that it is in the state,
// by its name or else by its ARN, and its validation where that stays.
func (m *integrationModel) keepRoles(ctx context.Context, state integrationModel, diags *diag.Diagnostics) {
	had, elements := state.roles(ctx, diags), m.Roles.Elements()
	planned := m.roles(ctx, diags)
	for name, role := range planned {
		before, ok := had[name]
		if !ok {
			before, ok = renamed(role, had, planned)
		}
		if !ok {
			continue
		}
		role.ID = before.ID
		if m.Validate.ValueString() == api.ValidateSkip && role.sameShape(before) && m.sameShape(state) {
			role.Validation = before.Validation
		}
		var more diag.Diagnostics
		elements[name], more = types.ObjectValueFrom(ctx, roleType.AttrTypes, role)
		diags.Append(more...)
	}
	m.Roles = types.MapValueMust(roleType, elements)
}

// renamed is the one role that has left its name and has this one's ARN.
func renamed(role roleModel, had, planned map[string]roleModel) (before roleModel, ok bool) {
	same := func(roles, gone map[string]roleModel) (found []roleModel) {
		for name, other := range roles {
			if _, stays := gone[name]; !stays && other.ARN.Equal(role.ARN) {
				found = append(found, other)
			}
		}
		return found
	}
	left, came := same(had, planned), same(planned, had)
	if len(left) != 1 || len(came) != 1 || role.ARN.IsUnknown() {
		return roleModel{}, false
	}
	return left[0], true
}

// sameShape says whether a role is assumed as it was before.
func (r roleModel) sameShape(before roleModel) bool {
	return r.ARN.Equal(before.ARN) && r.Region.Equal(before.Region) && r.SessionDuration.Equal(before.SessionDuration) && r.Enabled.Equal(before.Enabled)
}

func (m integrationModel) sameShape(state integrationModel) bool {
	return m.AssumptionMode.Equal(state.AssumptionMode) && m.RunnerID.Equal(state.RunnerID) && m.ExternalID.Equal(state.ExternalID) &&
		m.SessionTags.Equal(state.SessionTags) && m.SourceIdentity.Equal(state.SourceIdentity)
}

func (r *integrationResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan integrationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	summary := "Creating the integration " + in.Name
	runner, err := r.runner(ctx, &in)
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
	resp.Diagnostics.Append(resp.State.Set(ctx, plan.took(ctx, found{made, runner}, &resp.Diagnostics))...)
	warn(&resp.Diagnostics, made)
}

// withReplacement is err, and where an external ID cannot be used how to have
// another one.
func withReplacement(err error) error {
	e := *rolebroker.AsError(err)
	e.Fields = slices.Clone(e.Fields)
	for i := range e.Fields {
		if f := &e.Fields[i]; f.Path == "external_id" {
			f.Hint = append(slices.Clone(f.Hint), rolebroker.Step{
				Text:    "If it comes from a rolebroker_external_id, have that one made anew, and the integration and the roles' trust policies follow:",
				Command: "terraform apply -replace=rolebroker_external_id.NAME"})
		}
	}
	return &e
}

// runner finds the runner that a request names, before anything is changed, and
// puts its ID there. The answer is empty where none is named.
func (r *integrationResource) runner(ctx context.Context, in *api.IntegrationRequest) (id string, err error) {
	if in.Runner == "" {
		return "", nil
	}
	there, err := r.server.Runner(ctx, in.Runner)
	if err != nil {
		return "", atMissing("runner", err)
	}
	in.Runner = there.ID
	return there.ID, nil
}

// find reads an integration, and who its runner is. Codes: not_found is of the
// integration only.
func (s *server) find(ctx context.Context, integration string) (found, error) {
	for range attempts {
		in, err := s.Integration(ctx, integration)
		if err != nil || in.Runner == "" {
			return found{in, ""}, err
		}
		runner, err := s.Runner(ctx, in.Runner)
		if !gone(err) { // or it was renamed, or is another, since the integration was read
			return found{in, runner.ID}, err
		}
	}
	return found{}, rolebroker.Errorf(rolebroker.CodeUnavailable, "the runner that the integration %s names is not there", integration).
		WithHint("Try again; if it stays so: rolebroker integration show %s, rolebroker runner list", integration)
}

// create makes the integration, whose external ID is reserved already: by that
// it is known again should its making have been reported as a failure, by a
// proxy that lost patience for one.
func (r *integrationResource) create(ctx context.Context, in api.IntegrationRequest, validate string) (api.Integration, error) {
	made, err := r.server.CreateIntegration(ctx, in, validate)
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeConflict, rolebroker.CodeInvalid, rolebroker.CodeUnavailable:
		if there, problem := r.server.Integration(ctx, in.Name); problem == nil && there.ExternalID == in.ExternalID {
			return there, nil
		}
	}
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		err = rolebroker.AsError(err).WithSteps(importIt("rolebroker_aws_integration", in.Name))
	}
	return made, err
}

// keepOrRelease says how to try again with the external ID of an attempt that
// failed because of its roles, whose trust policies are to require it. Otherwise
// it gives the external ID back.
func (r *integrationResource) keepOrRelease(ctx context.Context, reserved api.ExternalID, err error, diags *diag.Diagnostics) {
	if len(rolebroker.AsError(err).Fields) == 0 {
		_ = r.server.ReleaseExternalID(ctx, reserved.ID) // if that fails too, one is left that nobody uses
		return
	}
	diags.AddAttributeWarning(path.Root("external_id"), "The external ID of this attempt is kept",
		"What is to be changed in AWS names the external ID that was made for this attempt. Try again with the same one:\n\n"+
			"  external_id = "+quoted(reserved.ExternalID)+"\n\n"+
			"Or reserve one in the configuration, with the resource rolebroker_external_id, and take the roles' trust policies from the data source rolebroker_aws_setup.")
}

func (r *integrationResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state integrationModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	in, err := r.server.find(ctx, state.ID.ValueString())
	switch {
	case gone(err):
		resp.State.RemoveResource(ctx)
	case err != nil:
		report(&resp.Diagnostics, "Reading the integration "+state.ID.ValueString(), err, nil)
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, state.take(ctx, in, &resp.Diagnostics))...)
	}
}

func (r *integrationResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var plan, state integrationModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	in := plan.request(ctx, &resp.Diagnostics)
	summary := "Updating the integration " + state.Name.ValueString()
	runner, err := r.runner(ctx, &in)
	if err != nil {
		reportIntegration(&resp.Diagnostics, summary, err, in)
		return
	}
	plan.RunnerID = orNull(runner)
	updated, err := change(func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
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
	resp.Diagnostics.Append(resp.State.Set(ctx, plan.took(ctx, updated, &resp.Diagnostics))...)
	warn(&resp.Diagnostics, updated.Integration)
}

// describes says whether the integration is as m has it, in all that a person
// says of one.
func (m integrationModel) describes(ctx context.Context, in found) bool {
	var ignored diag.Diagnostics
	there := m.take(ctx, in, &ignored)
	if !(there.Name.Equal(m.Name) && there.Description.Equal(m.Description) && there.DefaultRole.Equal(m.DefaultRole) &&
		there.AssumptionMode.Equal(m.AssumptionMode) && there.RunnerID.Equal(m.RunnerID) && there.SessionTags.Equal(m.SessionTags) && there.SourceIdentity.Equal(m.SourceIdentity)) {
		return false
	}
	have, want := there.roles(ctx, &ignored), m.roles(ctx, &ignored)
	for name, role := range want {
		if other, ok := have[name]; !ok || !other.sameShape(role) {
			return false
		}
	}
	return len(have) == len(want)
}

func (r *integrationResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state integrationModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !r.server.ready(&resp.Diagnostics) {
		return
	}
	summary := "Deleting the integration " + state.Name.ValueString()
	_, err := change(func() (found, error) { return r.server.find(ctx, state.ID.ValueString()) },
		func(now found) bool { return state.describes(ctx, now) }, nil,
		func(now found) (found, error) {
			return now, r.server.DeleteIntegration(ctx, now.ID, now.ETag())
		})
	if err != nil && !gone(err) {
		report(&resp.Diagnostics, summary, err, nil)
	}
}

// ImportState takes a name or an ID.
func (r *integrationResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resource.ImportStatePassthroughID(ctx, path.Root("id"), req, resp)
	resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root("validate"), api.ValidateRequire)...)
}

// reportIntegration reports what the server says of an integration that it was
// sent, at the attributes of its roles.
func reportIntegration(diags *diag.Diagnostics, summary string, err error, in api.IntegrationRequest) {
	roles := make([]rolebroker.Role, len(in.Roles))
	for i, role := range in.Roles {
		roles[i].Name = role.Name
	}
	report(diags, summary, err, func(field string) path.Path { return place(field, roles) })
}

// warn adds a warning for each role of a saved integration that should be
// looked at.
func warn(diags *diag.Diagnostics, in api.Integration) {
	for _, role := range in.Roles {
		v := role.Validation
		if v == nil || !role.Enabled || v.Status == string(rolebroker.StatusAssumable) || v.Code == string(rolebroker.ValidClusterMode) {
			continue
		}
		at := path.Root("roles").AtMapKey(role.Name)
		summary := fmt.Sprintf("Role %s of the integration %s: %s", role.Name, in.Name, v.Status)
		diags.AddAttributeWarning(at, summary, withHint(v.Message, rolebroker.TextHint(v.Hint)))
	}
}
