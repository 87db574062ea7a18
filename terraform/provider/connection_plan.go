package provider

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
)

// keepLimits returns the plan with the limits of the state in place of those that the
// configuration does not name. They are not known if there is no state, or one from
// before connections had limits; the apply then keeps what the server has.
func (m connectionModel) keepLimits(config, state connectionModel) connectionModel {
	if state.Access.IsNull() {
		unknown := types.StringUnknown()
		state.Access, state.SessionPolicy, state.Approval, state.ExemptPolicy = unknown, unknown, unknown, unknown
		state.Roles = types.SetUnknown(types.StringType)
	}
	if state.Keys.IsNull() {
		state.Keys = types.StringUnknown()
	}
	if config.Access.IsNull() {
		m.Access = state.Access
	}
	m.SessionPolicy = sessionPolicy.plan(m.SessionPolicy, config.SessionPolicy, state.SessionPolicy, config.Access)
	if config.Roles.IsNull() {
		m.Roles = state.Roles
	}
	if config.Keys.IsNull() {
		m.Keys = state.Keys
	}
	if state.AllowedActions.IsNull() {
		state.AllowedActions = types.SetUnknown(types.StringType)
	}
	switch {
	case !config.AllowedActions.IsNull():
	case config.Keys.ValueString() == string(rolebroker.KeysLent): // they are of withheld keys
		m.AllowedActions = setOf(nil)
	default:
		m.AllowedActions = state.AllowedActions
	}
	if config.Approval.IsNull() {
		m.Approval = state.Approval
	}
	m.ExemptPolicy = exemptPolicy.plan(m.ExemptPolicy, config.ExemptPolicy, state.ExemptPolicy, config.Approval)
	return m
}

// plan is the policy in the plan. It belongs to a limit: if the configuration does not
// name the limit, it is the policy of the state, and otherwise the one that it writes.
func (kind policyKind) plan(plan, config, state, limit types.String) types.String {
	switch {
	case limit.IsNull():
		return state
	case config.IsNull() && !limit.IsUnknown():
		return types.StringNull()
	case !config.IsUnknown() && kind.same(config.ValueString(), state.ValueString()):
		return state
	}
	return plan
}

// warnOfWider warns if the plan lets the agent do more than the state does, which has
// what people narrowed elsewhere.
func (r *connectionResource) warnOfWider(
	ctx context.Context, plan, state connectionModel, diags *diag.Diagnostics,
) {
	if state.Access.IsNull() { // it is from before connections had limits
		return
	}
	var names, changes []string
	for _, wider := range []struct{ attribute, change string }{
		{"access", widerAccess(plan, state)},
		{"roles", r.widerRoles(ctx, plan, state)},
		{"keys", lendsKeys(plan, state)},
		{"allowed_actions", allowsMore(plan, state)},
		{"approval", lessApproval(plan, state)},
	} {
		if wider.change != "" {
			names = append(names, wider.attribute)
			changes = append(changes, wider.attribute+": "+wider.change)
		}
	}
	if len(changes) == 0 {
		return
	}
	// One warning, because Terraform shows only the first one of several with one summary.
	diags.AddAttributeWarning(path.Root(names[0]), fmt.Sprintf(
		"The plan widens what agent %s may do with integration %s", plan.Agent.ValueString(),
		plan.Integration.ValueString()), fmt.Sprintf("%s. Somebody may have narrowed that, in the web app or with rolebroker. Leave %s out, and the "+
		"connection keeps what it has.", strings.Join(changes, "; "), strings.Join(names, ", ")))
}

// notYet stands for a value that the plan does not know.
const notYet = "a value that is known after the apply only"

func orNotYet(value types.String) string {
	if value.IsUnknown() {
		return notYet
	}
	return value.ValueString()
}

// widerAccess says how the plan widens the access; empty if it does not. Of a session
// policy a plan cannot tell what it allows, so any other access or policy may be wider.
func widerAccess(plan, state connectionModel) string {
	const policy = string(rolebroker.AccessPolicy)
	before, after := state.Access.ValueString(), orNotYet(plan.Access)
	if before == policy && after == policy {
		if sessionPolicy.same(state.SessionPolicy.ValueString(), plan.SessionPolicy.ValueString()) {
			return ""
		}
		return "the session policy changes, and may allow more"
	}
	order := []string{string(rolebroker.AccessFull), string(rolebroker.AccessReadOnly), string(rolebroker.AccessViewOnly)}
	was, is := slices.Index(order, before), slices.Index(order, after)
	if before == after || was == 0 || was > 0 && is >= was {
		return ""
	}
	return fmt.Sprintf("it changes from %s to %s", before, after)
}

// widerRoles says which roles the plan adds; empty if it adds none.
func (r *connectionResource) widerRoles(ctx context.Context, plan, state connectionModel) string {
	if state.isOfAllRoles() || plan.Roles.Equal(state.Roles) {
		return ""
	}
	before := strings.Join(state.references(), ", ")
	if plan.Roles.IsUnknown() || slices.ContainsFunc(plan.Roles.Elements(), attr.Value.IsUnknown) {
		return fmt.Sprintf("it changes from %s to %s", cmp.Or(before, "no role"), notYet)
	}
	if plan.isOfAllRoles() {
		return fmt.Sprintf("it changes from %s to all roles of the integration", cmp.Or(before, "no role"))
	}
	names := r.roleNames(ctx, plan)
	var had, added []string
	for _, role := range state.references() {
		had = append(had, cmp.Or(names[role], role))
	}
	for _, role := range plan.references() {
		if name := cmp.Or(names[role], role); !slices.Contains(had, name) {
			added = append(added, name)
		}
	}
	if len(added) == 0 {
		return ""
	}
	return fmt.Sprintf("it adds %s to %s", strings.Join(added, ", "), cmp.Or(before, "no role"))
}

// roleNames are the names of the roles of the connection's integration, by ID; empty
// if the integration cannot be read.
func (r *connectionResource) roleNames(ctx context.Context, m connectionModel) map[string]string {
	names := map[string]string{}
	if r.server == nil || r.server.Client == nil {
		return names
	}
	in, err := r.server.Integration(ctx, first(m.IntegrationID, m.Integration))
	if err != nil {
		return names
	}
	for _, role := range in.Roles {
		names[role.ID] = role.Name
	}
	return names
}

// lendsKeys says that the plan lends AWS keys that are withheld; empty if it does not.
func lendsKeys(plan, state connectionModel) string {
	if state.Keys.ValueString() != string(rolebroker.KeysWithheld) || plan.Keys.Equal(state.Keys) {
		return ""
	}
	return fmt.Sprintf("it changes from %s to %s", state.Keys.ValueString(), orNotYet(plan.Keys))
}

// allowsMore says which actions that return credentials the plan allows besides; empty if none.
func allowsMore(plan, state connectionModel) string {
	if plan.AllowedActions.IsUnknown() && !state.AllowedActions.IsUnknown() ||
		slices.ContainsFunc(plan.AllowedActions.Elements(), attr.Value.IsUnknown) {
		return "it changes to " + notYet
	}
	before := elements(state.AllowedActions)
	added := slices.DeleteFunc(elements(plan.AllowedActions), func(a string) bool { return slices.Contains(before, a) })
	if len(added) == 0 {
		return ""
	}
	return "it adds " + strings.Join(added, ", ")
}

// lessApproval says that the plan takes an approval away; empty if it does not. Of an
// exempt policy a plan cannot tell what it allows, so any other one may exempt more.
func lessApproval(plan, state connectionModel) string {
	const none, write, call = rolebroker.ApprovalNone, rolebroker.ApprovalWrite, rolebroker.ApprovalCall
	before, after := rolebroker.Approval(state.Approval.ValueString()), rolebroker.Approval(orNotYet(plan.Approval))
	switch {
	case before == none:
		return ""
	case after == call && (before == write || before == call):
		exempt := plan.ExemptPolicy
		if !exempt.IsUnknown() && (exempt.ValueString() == "" ||
			exemptPolicy.same(state.ExemptPolicy.ValueString(), exempt.ValueString())) {
			return ""
		}
		return "the exempt policy changes, and may exempt more"
	case before == after:
		return ""
	}
	return fmt.Sprintf("it changes from %s to %s", before, after)
}
