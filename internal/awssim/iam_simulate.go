package awssim

import (
	"maps"
	"slices"
	"strings"
)

// simulatePrincipalPolicy evaluates the identity policies of a user or role of the
// caller's account, and its organization's, for actions on resources. Session policies
// and the policies of resources have no part in it.
//
// Source: IAM API Reference, "SimulatePrincipalPolicy".
func simulatePrincipalPolicy(c *iamCall) ([]node, error) {
	source := c.required("PolicySourceArn", arnShape)
	actions, resources := c.params.list("ActionNames"), c.params.list("ResourceArns")
	if len(actions) == 0 {
		c.null("ActionNames")
	}
	if err := c.permit(source, nil); err != nil {
		return nil, err
	}
	who, err := c.account.principal(source)
	if err != nil {
		return nil, err
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	known := facts{}
	for _, entry := range c.params.structs("ContextEntries", "ContextKeyName", "ContextKeyValues.member.1") {
		known.set(entry.get("ContextKeyName"), entry.get("ContextKeyValues.member.1"))
	}
	var results [][]node
	for _, action := range actions {
		for _, resource := range resources {
			r := ask(who, action, resource, known)
			results = append(results, []node{leaf("EvalActionName", action), leaf("EvalResourceName", resource),
				leaf("EvalDecision", decision(r)), textMembers("MissingContextValues", who.missing(r)...)})
		}
	}
	return []node{boolean("IsTruncated", false), members("EvaluationResults", results...)}, nil
}

// principal returns the user or role with an ARN, as the caller that it is.
func (a *account) principal(source string) (*caller, error) {
	c := &caller{partition: a.partition, account: a.id, organization: a.organization, scps: a.scps}
	parsed, _ := parseARN(source)
	if name, ok := parsed.iamEntity("user"); ok {
		if u, err := a.user(name); err == nil && u.arn == source {
			c.arn, c.principalARN, c.policies, c.userName = u.arn, u.arn, u.policies.documents(), u.name
			return c, nil
		}
	}
	if name, ok := parsed.iamEntity("role"); ok {
		if r, err := a.role(name); err == nil && r.arn == source {
			c.arn, c.principalARN, c.policies, c.roleName = r.arn, r.arn, r.permissions(), r.name
			return c, nil
		}
	}
	return nil, noSuchEntity("The entity %s cannot be found.", source)
}

func decision(r *request) string {
	if _, denied := callerDenies(r); denied {
		return "explicitDeny"
	}
	if anyAllows(r.caller.policies, r) {
		return "allowed"
	}
	return "implicitDeny"
}

// missing returns the condition keys that the caller's statements on the action test and
// that the request has no value for.
func (c *caller) missing(r *request) []string {
	keys := map[string]bool{}
	for _, p := range c.policies {
		for _, s := range p.statements {
			if !slices.ContainsFunc(s.actions, func(p pattern) bool { return p.match(r.lower) }) {
				continue
			}
			for _, condition := range s.conditions {
				if len(r.facts.get(condition.key)) == 0 {
					keys[strings.ToLower(condition.key)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
