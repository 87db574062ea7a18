package provider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker/api"
)

// A plan warns of every change of a limit of which it cannot tell that the agent may do
// no more after it.
func TestWhatIsWider(t *testing.T) {
	const reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	const sameReads = `{ "Version": "2012-10-17", "Statement": [{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}] }`
	const sorted = `{"Statement":[{"Action":"s3:Get*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	has := func(access, policy, approval string, roles ...string) connectionModel {
		m := connectionModel{Access: types.StringValue(access), SessionPolicy: types.StringNull(),
			Approval: types.StringValue(approval), Roles: types.SetNull(types.StringType)}
		if policy != "" {
			m.SessionPolicy = types.StringValue(policy)
		}
		if access == "" {
			m.Access = types.StringUnknown()
		}
		if len(roles) > 0 {
			var elements []attr.Value
			for _, r := range roles {
				elements = append(elements, types.StringValue(r))
			}
			m.Roles = types.SetValueMust(types.StringType, elements)
		}
		return m
	}
	keys := func(m connectionModel, keys string) connectionModel {
		m.Keys = types.StringValue(keys)
		return m
	}
	allows := func(actions ...string) connectionModel {
		m := keys(has("full", "", "none"), "withheld")
		m.AllowedActions = setOf(actions)
		return m
	}
	exempts := func(approval, policy string) connectionModel {
		m := has("full", "", approval)
		if policy != "" {
			m.ExemptPolicy = types.StringValue(policy)
		}
		return m
	}
	exemptsNotYet := exempts("call", "")
	exemptsNotYet.ExemptPolicy = types.StringUnknown()
	var r connectionResource
	for _, c := range []struct {
		what        string
		state, plan connectionModel
		wider       string // the attribute; empty: the plan is not wider
	}{
		{"nothing", has("full", "", "none"), has("full", "", "none"), ""},
		{"everything narrower", has("full", "", "none"), has("view-only", "", "borrow", "readonly"), ""},
		{"view-only to full", has("view-only", "", "none"), has("full", "", "none"), "access"},
		{"view-only to read-only", has("view-only", "", "none"), has("read-only", "", "none"), "access"},
		{"read-only to view-only", has("read-only", "", "none"), has("view-only", "", "none"), ""},
		{"read-only to a policy", has("read-only", "", "none"), has("policy", reads, "none"), "access"},
		{"a policy to view-only", has("policy", reads, "none"), has("view-only", "", "none"), "access"},
		{"full to a policy", has("full", "", "none"), has("policy", reads, "none"), ""},
		{"another policy", has("policy", reads, "none"), has("policy", all, "none"), "access"},
		{"a policy in another order", has("policy", reads, "none"), has("policy", sorted, "none"), ""},
		{"a policy with other spaces", has("policy", reads, "none"), has("policy", sameReads, "none"), ""},
		{"an access not known yet", has("read-only", "", "none"), has("", "", "none"), "access"},
		{"full to one not known yet", has("full", "", "none"), has("", "", "none"), ""},
		{"a role more", has("full", "", "none", "a"), has("full", "", "none", "a", "b"), "roles"},
		{"a role fewer", has("full", "", "none", "a", "b"), has("full", "", "none", "a"), ""},
		{"another role", has("full", "", "none", "a"), has("full", "", "none", "b"), "roles"},
		{"all roles", has("full", "", "none", "a"), has("full", "", "none", allRoles), "roles"},
		{"all roles as before", has("full", "", "none"), has("full", "", "none", allRoles), ""},
		{"no approval", has("full", "", "borrow"), has("full", "", "none"), "approval"},
		{"an approval", has("full", "", "none"), has("full", "", "borrow"), ""},
		{"write to borrow", has("full", "", "write"), has("full", "", "borrow"), "approval"},
		{"borrow to write", has("full", "", "borrow"), has("full", "", "write"), "approval"},
		{"call to write", has("full", "", "call"), has("full", "", "write"), "approval"},
		{"write to call", has("full", "", "write"), has("full", "", "call"), ""},
		{"borrow to call", has("full", "", "borrow"), has("full", "", "call"), "approval"},
		{"no approval to call with exemptions", has("full", "", "none"), exempts("call", all), ""},
		{"write to call with exemptions", has("full", "", "write"), exempts("call", reads), "approval"},
		{"call with exemptions", has("full", "", "call"), exempts("call", reads), "approval"},
		{"other exemptions", exempts("call", reads), exempts("call", all), "approval"},
		{"exemptions in another order", exempts("call", reads), exempts("call", sorted), ""},
		{"no exemptions", exempts("call", reads), exempts("call", ""), ""},
		{"exemptions not known yet", has("full", "", "call"), exemptsNotYet, "approval"},
		{"an action more", allows("sts:AssumeRole"), allows("ecr:GetAuthorizationToken", "sts:AssumeRole"), "allowed_actions"},
		{"an action fewer", allows("sts:AssumeRole"), allows(), ""},
		{"keys that are lent", keys(has("full", "", "none"), "withheld"), keys(has("full", "", "none"), "lent"), "keys"},
		{"keys that are withheld", keys(has("full", "", "none"), "lent"), keys(has("full", "", "none"), "withheld"), ""},
	} {
		for attribute, change := range map[string]string{
			"access":   widerAccess(c.plan, c.state),
			"roles":    r.widerRoles(t.Context(), c.plan, c.state),
			"keys":     lendsKeys(c.plan, c.state),
			"approval": lessApproval(c.plan, c.state),

			"allowed_actions": allowsMore(c.plan, c.state),
		} {
			if (change != "") != (attribute == c.wider) {
				t.Errorf("%s: the plan says of %s %q", c.what, attribute, change)
			}
		}
	}
}

// A request about a connection that is there names what the plan does not know as the
// server has it, because the server takes what is left out for unlimited.
func TestARequestKeepsWhatThePlanDoesNotKnow(t *testing.T) {
	const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	in := api.Integration{Name: "production", Roles: []api.Role{{ID: "rol_1", Name: "readonly"}}}
	now := api.Connection{Integration: "production", Access: "policy", SessionPolicy: policy, Roles: []string{"readonly"},
		Keys: "withheld", Approval: "call", ExemptPolicy: policy, AllowedActions: []string{"sts:AssumeRole"}}
	unknown := connectionModel{}.keepLimits(connectionModel{}, connectionModel{})
	if !unknown.Roles.IsUnknown() {
		t.Errorf("without a state the plan has %+v", unknown)
	}
	got := unknown.limits(&now, in)
	want := api.LimitsRequest{Access: now.Access, SessionPolicy: policy, Roles: &now.Roles,
		Keys: now.Keys, Approval: now.Approval, ExemptPolicy: policy, AllowedActions: now.AllowedActions}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(api.LimitsRequest{}, unknown.limits(nil, in)); diff != "" {
		t.Errorf("a new connection is not as the server makes it: %s", diff)
	}
}
