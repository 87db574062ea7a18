package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// The limits have no default: an apply of a configuration that does not name one
// leaves it as it is, also if people narrowed it elsewhere.

func accessAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		Validators: []validator.String{oneOf(rolebroker.Accesses())},
		MarkdownDescription: "What the agent may do with the roles; AWS enforces it. `full`: everything that the role " +
			"allows. `read-only`: AWS's ReadOnlyAccess, without actions that return credentials. `view-only`: AWS's " +
			"ViewOnlyAccess, without these. `policy`: the `session_policy`. " + keeps("`full`"),
	}
}

func sessionPolicyAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "An IAM policy document in JSON of at most 2,048 characters, without principals: required " +
			"with `access = \"policy\"`, and refused without that.",
	}
}

func rolesAttribute() schema.SetAttribute {
	return schema.SetAttribute{
		Optional: true, Computed: true, ElementType: types.StringType,
		Validators: []validator.Set{allStandsAlone{}},
		MarkdownDescription: "The names or IDs of the only roles that the agent may borrow; `[]`: none. `[\"*\"]`: all " +
			"roles of the integration, and those that it gets later. " + keeps("all roles"),
	}
}

func keysAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		Validators: []validator.String{oneOf(rolebroker.AllKeys())},
		MarkdownDescription: "Whether the agent gets AWS keys. `lent`: it does. `withheld`: it gets keys that AWS does " +
			"not know, and the server's gateway signs its requests. " + keeps("`lent`"),
	}
}

func approvalAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		Validators: []validator.String{oneOf(rolebroker.Approvals())},
		MarkdownDescription: "For what a person has to approve. `none`: for nothing. `borrow`: before a role is used.\n" +
			"`write`: before the agent changes something. `call`: before every call, but for those that the\n" +
			"`exempt_policy` allows. `write` and `call` need keys that are withheld.\n" + keeps("`none`"),
	}
}

func exemptPolicyAttribute() schema.StringAttribute {
	return schema.StringAttribute{
		Optional: true, Computed: true,
		MarkdownDescription: "An IAM policy document in JSON of at most 6,144 characters, without principals,\n" +
			"conditions and policy variables: the calls that it allows need no approval. Only with\n" +
			"`approval = \"call\"`; left out beside that, every call waits for a person.",
	}
}

func allowedActionsAttribute() schema.SetAttribute {
	return schema.SetAttribute{
		Optional: true, Computed: true, ElementType: types.StringType,
		MarkdownDescription: "Actions of IAM that return credentials, and that the gateway sends all the same, such as " +
			"`secretsmanager:GetSecretValue`. Only with keys that are withheld. " + keeps("none"),
	}
}

// keeps describes what a connection has without the attribute.
func keeps(initially string) string {
	return "Left out: the connection keeps what it has; a new one has " + initially + "."
}

// allRoles is the element of roles that means all roles of the integration. No role
// can have it as its name.
const allRoles = "*"

// allStandsAlone refuses other elements beside allRoles.
type allStandsAlone struct{}

func (allStandsAlone) Description(context.Context) string { return "no other role beside " + allRoles }
func (allStandsAlone) MarkdownDescription(context.Context) string {
	return "no other role beside `" + allRoles + "`"
}

func (allStandsAlone) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	if elements := req.ConfigValue.Elements(); len(elements) > 1 && slices.ContainsFunc(elements, isAll) {
		resp.Diagnostics.AddAttributeError(req.Path, "The roles are not valid",
			`roles: "*" means all roles of the integration, so no other role can stand beside it.`)
	}
}

func isAll(role attr.Value) bool { return role.Equal(types.StringValue(allRoles)) }

// oneOf accepts the values.
func oneOf[S ~string](values []S) validator.String {
	var texts []string
	for _, v := range values {
		texts = append(texts, string(v))
	}
	return stringvalidator.OneOf(texts...)
}

// ValidateConfig refuses a policy that is not valid, or that does not belong to the
// access or the approval. Terraform calls it again when it applies, if a value was unknown.
func (r *connectionResource) ValidateConfig(
	ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse,
) {
	var m connectionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &m)...)
	if resp.Diagnostics.HasError() || m.Access.IsUnknown() || m.SessionPolicy.IsUnknown() {
		return
	}
	if m.Access.IsNull() && !m.SessionPolicy.IsNull() {
		resp.Diagnostics.AddAttributeError(path.Root("session_policy"), "The limits of the connection are not valid",
			`session_policy: is allowed only with access = "policy" beside it.`)
		return
	}
	if m.Approval.IsNull() && !m.ExemptPolicy.IsNull() && !m.ExemptPolicy.IsUnknown() {
		resp.Diagnostics.AddAttributeError(path.Root("exempt_policy"), "The limits of the connection are not valid",
			`exempt_policy: is allowed only with approval = "call" beside it.`)
		return
	}
	m = m.withDefaults()
	c := rolebroker.Connection{Keys: rolebroker.KeysWithheld, Access: rolebroker.Access(m.Access.ValueString()),
		SessionPolicy: m.SessionPolicy.ValueString(), Approval: rolebroker.ApprovalNone}
	if m.Keys.ValueString() == string(rolebroker.KeysLent) { // without keys here, it may have withheld ones
		c.Keys = rolebroker.KeysLent
	}
	c.AllowedActions = elements(m.AllowedActions)
	if approval := rolebroker.Approval(m.Approval.ValueString()); rolebroker.CheckApproval(approval) == nil {
		c.Approval, c.ExemptPolicy = approval, m.ExemptPolicy.ValueString()
	}
	if !c.Access.IsKnown() { // the attribute's own validator says so
		return
	}
	if err := c.Check(); err != nil {
		report(&resp.Diagnostics, "The limits of the connection are not valid", err, func(field string) path.Path {
			attribute, _, _ := strings.Cut(strings.ReplaceAll(field, "[", "."), ".")
			return path.Root(attribute)
		})
	}
}

// withDefaults fills in what the state of an earlier version does not have.
func (m connectionModel) withDefaults() connectionModel {
	if m.Access.IsNull() {
		m.Access = types.StringValue(string(rolebroker.AccessFull))
	}
	if m.Approval.IsNull() {
		m.Approval = types.StringValue(string(rolebroker.ApprovalNone))
	}
	return m
}

// limits is the request that gives the connection the limits of the model. What the
// model does not know stays as the connection has it; nil: there is none yet.
func (m connectionModel) limits(now *api.Connection, in api.Integration) api.LimitsRequest {
	if now != nil {
		m = m.keepUnknown(connectionModel{}.takeLimits(*now, in))
	}
	limits := api.LimitsRequest{Access: m.Access.ValueString(), Keys: m.Keys.ValueString(),
		Approval: m.Approval.ValueString(), SessionPolicy: api.Policy(m.SessionPolicy.ValueString()),
		ExemptPolicy: api.Policy(m.ExemptPolicy.ValueString()), AllowedActions: elements(m.AllowedActions)}
	if !m.isOfAllRoles() {
		roles := m.references()
		limits.Roles = &roles
	}
	return limits
}

// keepUnknown returns the model with the limits of another one in place of those
// that it does not know.
func (m connectionModel) keepUnknown(other connectionModel) connectionModel {
	if m.Access.IsUnknown() {
		m.Access = other.Access
	}
	if m.SessionPolicy.IsUnknown() {
		m.SessionPolicy = other.SessionPolicy
	}
	if m.Roles.IsUnknown() {
		m.Roles = other.Roles
	}
	if m.Keys.IsUnknown() || m.Keys.IsNull() { // null: it is from before there were keys
		m.Keys = other.Keys
	}
	if m.AllowedActions.IsUnknown() || m.AllowedActions.IsNull() { // as with the keys
		m.AllowedActions = other.AllowedActions
	}
	if m.Approval.IsUnknown() {
		m.Approval = other.Approval
	}
	if m.ExemptPolicy.IsUnknown() {
		m.ExemptPolicy = other.ExemptPolicy
	}
	return m
}

// isOfAllRoles returns whether the model is known not to limit the roles.
func (m connectionModel) isOfAllRoles() bool {
	return m.Roles.IsNull() || m.Roles.IsUnknown() || slices.ContainsFunc(m.Roles.Elements(), isAll)
}

// references are the elements of roles, in order.
func (m connectionModel) references() []string {
	return append([]string{}, elements(m.Roles)...)
}

// elements are the strings of a set, in order; nil: it has none.
func elements(set types.Set) (all []string) {
	for _, e := range set.Elements() {
		if s, ok := e.(types.String); ok && !s.IsUnknown() {
			all = append(all, s.ValueString())
		}
	}
	slices.Sort(all)
	return all
}

// setOf is a set of strings.
func setOf(all []string) types.Set {
	values := []attr.Value{}
	for _, s := range all {
		values = append(values, types.StringValue(s))
	}
	return types.SetValueMust(types.StringType, values)
}

// takeLimits returns the model with the limits that the connection has. A policy and
// a role stay as the configuration writes them while they are the same.
func (m connectionModel) takeLimits(c api.Connection, in api.Integration) connectionModel {
	m.Access, m.Approval = types.StringNull(), types.StringNull()
	if c.Access != "" { // a server of an earlier version says nothing, and limits nothing
		m.Access, m.Approval = types.StringValue(c.Access), types.StringValue(c.Approval)
	}
	m = m.withDefaults()
	m.Keys = types.StringValue(cmp.Or(c.Keys, string(rolebroker.KeysLent)))
	m.AllowedActions = setOf(c.AllowedActions)
	m.SessionPolicy = sessionPolicy.as(m.SessionPolicy, c.SessionPolicy)
	m.ExemptPolicy = exemptPolicy.as(m.ExemptPolicy, c.ExemptPolicy)
	m.Roles = rolesOf(c, in, m.references())
	return m
}

// policyKind checks a policy document.
type policyKind func(text string) (policy string, wrong []rolebroker.Field)

// The kinds of policies that a connection has.
var (
	sessionPolicy policyKind = rolebroker.ParseSessionPolicy
	exemptPolicy  policyKind = rolebroker.ParseExemptPolicy
)

// as is the policy that the connection has: as it is written, while that says the same;
// null if the connection has none.
func (kind policyKind) as(written types.String, has api.Policy) types.String {
	switch {
	case !written.IsUnknown() && kind.same(written.ValueString(), string(has)):
		return written
	case has == "":
		return types.StringNull()
	}
	return types.StringValue(string(has))
}

// same returns whether two texts are one policy, whatever the order of the names in
// an object: jsonencode sorts them, also in the configuration that Terraform generates.
func (kind policyKind) same(a, b string) bool {
	if a == "" || b == "" {
		return a == b
	}
	first, isFirst := kind.in(a)
	second, isSecond := kind.in(b)
	return isFirst && isSecond && reflect.DeepEqual(first, second)
}

// in is what a text says that is a valid policy.
func (kind policyKind) in(text string) (policy any, ok bool) {
	text, wrong := kind(text)
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	ok = len(wrong) == 0 && decoder.Decode(&policy) == nil
	return policy, ok
}

// rolesOf are the roles of the connection: by ID those that written has by ID, and the
// others by name. All: null, or as written.
func rolesOf(c api.Connection, in api.Integration, written []string) types.Set {
	if c.Roles == nil && slices.Contains(written, allRoles) {
		return types.SetValueMust(types.StringType, []attr.Value{types.StringValue(allRoles)})
	}
	if c.Roles == nil {
		return types.SetNull(types.StringType)
	}
	roles := []attr.Value{}
	for _, name := range c.Roles {
		reference := name
		for _, role := range in.Roles {
			if role.Name == name && slices.Contains(written, role.ID) {
				reference = role.ID
			}
		}
		roles = append(roles, types.StringValue(reference))
	}
	return types.SetValueMust(types.StringType, roles)
}

// hasLimits returns whether the connection has the limits that the model knows.
func (m connectionModel) hasLimits(c api.Connection, in api.Integration) bool {
	is := m.takeLimits(c, in)
	wanted := m.withDefaults().keepUnknown(is)
	return is.Access.Equal(wanted.Access) && is.Keys.Equal(wanted.Keys) &&
		is.AllowedActions.Equal(wanted.AllowedActions) && is.Approval.Equal(wanted.Approval) &&
		is.SessionPolicy.Equal(wanted.SessionPolicy) && is.ExemptPolicy.Equal(wanted.ExemptPolicy) &&
		is.Roles.Equal(wanted.Roles)
}

// connectionTo is the agent's connection to the integration; nil if there is none.
func connectionTo(agent api.Agent, in api.Integration) *api.Connection {
	i := slices.IndexFunc(agent.Connections, func(c api.Connection) bool { return c.Integration == in.Name })
	if i < 0 {
		return nil
	}
	return &agent.Connections[i]
}

// limit makes the connection with the limits of the plan, or gives it these. A plan
// that creates it widens nothing that is there. Codes: conflict (it is there with
// other limits), stale, unavailable (the server cannot limit it).
func (r *connectionResource) limit(
	ctx context.Context, agentID string, in api.Integration, plan connectionModel, before *connectionModel,
) (api.Agent, error) {
	r.server.limiting.Lock()
	defer r.server.limiting.Unlock()
	done, err := change(
		func() (api.Agent, error) { return r.server.Agent(ctx, agentID) },
		func(now api.Agent) bool {
			c := connectionTo(now, in)
			return c == nil || before != nil && before.hasLimits(*c, in)
		},
		func(now api.Agent) bool {
			c := connectionTo(now, in)
			return c != nil && plan.hasLimits(*c, in)
		},
		func(now api.Agent) (api.Agent, error) {
			return r.server.Limit(ctx, agentID, in.ID, plan.limits(connectionTo(now, in), in), now.ETag())
		})
	if before == nil && rolebroker.CodeOf(err) == rolebroker.CodeStale {
		return done, rolebroker.Errorf(rolebroker.CodeConflict, "the agent is connected already, with other limits").
			WithSteps(importIt("rolebroker_agent_connection", plan.Agent.ValueString()+"/"+
				plan.Integration.ValueString()))
	}
	if err != nil {
		return done, err
	}
	if c := connectionTo(done, in); c == nil || !plan.hasLimits(*c, in) {
		return done, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server did not limit the connection as planned").
			WithHint("Update the server to the version of the provider, or a newer one.")
	}
	return done, nil
}
