package awssim

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// named returns the role that RoleName names. It checks the permission first: a
// caller without it gets the same denial whether or not the role exists.
func (c *iamCall) named() (*role, error) {
	name := c.required("RoleName", roleNameShape)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, missing := c.account.role(name)
	if missing != nil {
		if err := c.permit(c.account.arn("iam", "role/"+name), nil); err != nil {
			return nil, err
		}
		return nil, missing
	}
	return r, c.permit(r.arn, r.tags)
}

func createRole(c *iamCall) ([]node, error) {
	r := Role{
		Name:               c.required("RoleName", roleNameShape),
		Path:               cmp.Or(c.optional("Path", pathShape), "/"),
		Description:        c.optional("Description", descriptionShape),
		TrustPolicy:        c.required("AssumeRolePolicyDocument", policyDocumentShape),
		MaxSessionDuration: c.seconds("MaxSessionDuration", 3600, 43200),
	}
	var err error
	if r.Tags, err = c.newTags(); err != nil {
		return nil, err
	}
	if err := c.permitWith(c.account.arn("iam", "role"+r.Path+r.Name), nil, r.Tags); err != nil {
		return nil, err
	}
	if len(c.account.roles) >= 1000 {
		return nil, overLimit("Cannot exceed quota for RolesPerAccount: 1000")
	}
	made, err := c.aws.createRole(c.account, r)
	if err != nil {
		return nil, err
	}
	return []node{group("Role", c.describeRole(made, true)...)}, nil
}

func getRole(c *iamCall) ([]node, error) {
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	return []node{group("Role", append(c.describeRole(r, true), node{name: "RoleLastUsed"})...)}, nil
}

func listRoles(c *iamCall) ([]node, error) {
	prefix := cmp.Or(c.optional("PathPrefix", pathPrefixShape), "/")
	c.readPage()
	if err := c.permit(c.account.arn("iam", "role"+prefix), nil); err != nil {
		return nil, err
	}
	var found []*role
	for _, r := range c.account.roles {
		if strings.HasPrefix(r.path, prefix) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(x, y *role) int { return strings.Compare(x.name, y.name) })
	part, rest := page(c, found, func(r *role) string { return r.name })
	var items [][]node
	for _, r := range part {
		items = append(items, c.describeRole(r, false))
	}
	return append([]node{members("Roles", items...)}, rest...), nil
}

// describeRole returns the content of a Role element. Lists omit the tags.
func (c *iamCall) describeRole(r *role, tags bool) []node {
	n := []node{
		leaf("Path", r.path),
		leaf("RoleName", r.name),
		leaf("RoleId", r.id),
		leaf("Arn", r.arn),
		instant("CreateDate", r.created),
		leaf("AssumeRolePolicyDocument", encoded(r.trust.render(c.aws.ids))),
	}
	n = append(n, optional("Description", r.description)...)
	n = append(n, number("MaxSessionDuration", second(r.maxSession)))
	if tags && len(r.tags) > 0 {
		n = append(n, tagsNode(r.tags))
	}
	return n
}

func updateRole(c *iamCall) ([]node, error) {
	description := c.optional("Description", descriptionShape)
	longest := c.seconds("MaxSessionDuration", 3600, 43200)
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	if c.params.has("Description") {
		r.description = description
	}
	r.maxSession = cmp.Or(longest, r.maxSession, time.Hour)
	return nil, nil
}

func deleteRole(c *iamCall) error {
	r, err := c.named()
	if err != nil {
		return err
	}
	if len(r.attached) > 0 {
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	}
	if len(r.policies) > 0 {
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	c.aws.deleteRole(c.account, r)
	return nil
}

func updateAssumeRolePolicy(c *iamCall) error {
	text := c.required("PolicyDocument", policyDocumentShape)
	r, err := c.named()
	if err != nil {
		return err
	}
	trust, err := c.aws.parseTrustPolicy(c.account, text)
	if err == nil {
		r.trust = trust
	}
	return err
}

func putRolePolicy(c *iamCall) error {
	name := c.required("PolicyName", policyNameShape)
	text := c.required("PolicyDocument", policyDocumentShape)
	r, err := c.named()
	if err != nil {
		return err
	}
	r.policies, err = setPolicy(r.policies, name, text, "role "+r.name, 10240)
	return err
}

func getRolePolicy(c *iamCall) ([]node, error) {
	name := c.required("PolicyName", policyNameShape)
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	p, found := r.policies.get(name)
	if !found {
		return nil, noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return []node{leaf("RoleName", r.name), leaf("PolicyName", p.name), leaf("PolicyDocument", encoded(p.text))}, nil
}

func listRolePolicies(c *iamCall) ([]node, error) {
	c.readPage()
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	return policyNames(c, r.policies), nil
}

func deleteRolePolicy(c *iamCall) error {
	name := c.required("PolicyName", policyNameShape)
	r, err := c.named()
	if err != nil {
		return err
	}
	if _, found := r.policies.get(name); !found {
		return noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	r.policies = r.policies.without(name)
	return nil
}

func tagRole(c *iamCall) error {
	tags, err := c.newTags()
	if err != nil {
		return err
	}
	r, err := c.named()
	if err != nil {
		return err
	}
	merged := mergeTags(r.tags, tags)
	if len(merged) > 50 {
		return overLimit("The number of tags has reached the maximum limit.")
	}
	r.tags = merged
	return nil
}

func untagRole(c *iamCall) error {
	r, err := c.named()
	if err != nil {
		return err
	}
	left := maps.Clone(r.tags)
	for _, key := range c.params.list("TagKeys") {
		maps.DeleteFunc(left, func(k, _ string) bool { return strings.EqualFold(k, key) })
	}
	r.tags = left
	return nil
}

func listRoleTags(c *iamCall) ([]node, error) {
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	return []node{tagsNode(r.tags), boolean("IsTruncated", false)}, nil
}

func attachRolePolicy(c *iamCall) error {
	arn := c.required("PolicyArn", arnShape)
	r, err := c.named()
	if err != nil {
		return err
	}
	p := managedPolicy(c.account.managed, c.account.partition, arn)
	if p == nil {
		return noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	next := append(r.attached.without(arn), inline{name: arn, policy: p})
	if len(next) > 10 {
		return overLimit("Cannot exceed quota for PoliciesPerRole: 10")
	}
	r.attached = next
	return nil
}

func detachRolePolicy(c *iamCall) error {
	arn := c.required("PolicyArn", arnShape)
	r, err := c.named()
	if err != nil {
		return err
	}
	if _, found := r.attached.get(arn); !found {
		return noSuchEntity("Policy %s was not found.", arn)
	}
	r.attached = r.attached.without(arn)
	return nil
}

func listAttachedRolePolicies(c *iamCall) ([]node, error) {
	r, err := c.named()
	if err != nil {
		return nil, err
	}
	var all []node
	for _, p := range r.attached {
		all = append(all, group("member", leaf("PolicyName", path.Base(p.name)), leaf("PolicyArn", p.name)))
	}
	return []node{group("AttachedPolicies", all...), boolean("IsTruncated", false)}, nil
}

// nothingOfRole returns an empty list, for resources that are not simulated.
func nothingOfRole(list string) func(*iamCall) ([]node, error) {
	return func(c *iamCall) ([]node, error) {
		if _, err := c.named(); err != nil {
			return nil, err
		}
		return []node{members(list), boolean("IsTruncated", false)}, nil
	}
}
