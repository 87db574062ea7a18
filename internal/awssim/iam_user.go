package awssim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// user returns the user that UserName names. Without a name it is the caller, if
// the call allows that.
func (c *iamCall) user(selfByDefault bool) (*user, error) {
	name := c.caller.userName
	if c.params.has("UserName") || !selfByDefault {
		name = c.required("UserName", roleNameShape)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, invalid("Must specify userName when calling with non-User credentials")
	}
	u, missing := c.account.user(name)
	if missing != nil {
		if err := c.permit(c.account.arn("iam", "user/"+name), nil); err != nil {
			return nil, err
		}
		return nil, missing
	}
	return u, c.permit(u.arn, u.tags)
}

func createUser(c *iamCall) ([]node, error) {
	name := c.required("UserName", roleNameShape)
	path := cmp.Or(c.optional("Path", pathShape), "/")
	tags, err := c.newTags()
	if err != nil {
		return nil, err
	}
	if err := c.permitWith(c.account.arn("iam", "user"+path+name), nil, tags); err != nil {
		return nil, err
	}
	if len(c.account.users) >= 5000 {
		return nil, overLimit("Cannot exceed quota for UsersPerAccount: 5000")
	}
	u, err := c.aws.createUser(c.account, name, path, tags)
	if err != nil {
		return nil, err
	}
	return []node{group("User", u.nodes()...)}, nil
}

func (u *user) nodes() []node {
	n := []node{
		leaf("Path", u.path),
		leaf("UserName", u.name),
		leaf("UserId", u.id),
		leaf("Arn", u.arn),
		instant("CreateDate", u.created),
	}
	if len(u.tags) > 0 {
		n = append(n, tagsNode(u.tags))
	}
	return n
}

func getUser(c *iamCall) ([]node, error) {
	if c.caller.root && !c.params.has("UserName") {
		return []node{group("User", leaf("UserId", c.account.id), leaf("Arn", c.account.rootARN()),
			instant("CreateDate", c.now))}, nil
	}
	u, err := c.user(true)
	if err != nil {
		return nil, err
	}
	return []node{group("User", u.nodes()...)}, nil
}

func listUsers(c *iamCall) ([]node, error) {
	prefix := cmp.Or(c.optional("PathPrefix", pathPrefixShape), "/")
	c.readPage()
	if err := c.permit(c.account.arn("iam", "user"+prefix), nil); err != nil {
		return nil, err
	}
	var found []*user
	for _, u := range c.account.users {
		if strings.HasPrefix(u.path, prefix) {
			found = append(found, u)
		}
	}
	slices.SortFunc(found, func(x, y *user) int { return strings.Compare(x.name, y.name) })
	part, rest := page(c, found, func(u *user) string { return u.name })
	var items [][]node
	for _, u := range part {
		items = append(items, u.nodes())
	}
	return append([]node{members("Users", items...)}, rest...), nil
}

func deleteUser(c *iamCall) error {
	u, err := c.user(false)
	switch {
	case err != nil:
		return err
	case len(c.aws.keysOf(u.id)) > 0:
		return deleteConflict("Cannot delete entity, must delete access keys first.")
	case len(u.policies) > 0:
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	c.aws.deleteUser(c.account, u)
	return nil
}

func putUserPolicy(c *iamCall) error {
	name := c.required("PolicyName", policyNameShape)
	text := c.required("PolicyDocument", policyDocumentShape)
	u, err := c.user(false)
	if err != nil {
		return err
	}
	u.policies, err = setPolicy(u.policies, name, text, "user "+u.name, 2048)
	return err
}

func getUserPolicy(c *iamCall) ([]node, error) {
	name := c.required("PolicyName", policyNameShape)
	u, err := c.user(false)
	if err != nil {
		return nil, err
	}
	p, found := u.policies.get(name)
	if !found {
		return nil, noSuchEntity("The user policy with name %s cannot be found.", name)
	}
	return []node{leaf("UserName", u.name), leaf("PolicyName", p.name), leaf("PolicyDocument", encoded(p.text))}, nil
}

func listUserPolicies(c *iamCall) ([]node, error) {
	c.readPage()
	u, err := c.user(false)
	if err != nil {
		return nil, err
	}
	return policyNames(c, u.policies), nil
}

func deleteUserPolicy(c *iamCall) error {
	name := c.required("PolicyName", policyNameShape)
	u, err := c.user(false)
	if err != nil {
		return err
	}
	if _, found := u.policies.get(name); !found {
		return noSuchEntity("The user policy with name %s cannot be found.", name)
	}
	u.policies = u.policies.without(name)
	return nil
}

// nothingOfUser returns an empty list, for resources that are not simulated.
func nothingOfUser(list string) func(*iamCall) ([]node, error) {
	return func(c *iamCall) ([]node, error) {
		if _, err := c.user(false); err != nil {
			return nil, err
		}
		return []node{members(list), boolean("IsTruncated", false)}, nil
	}
}

func createAccessKey(c *iamCall) ([]node, error) {
	u, err := c.user(true)
	if err != nil {
		return nil, err
	}
	if len(c.aws.keysOf(u.id)) >= 2 {
		return nil, overLimit("Cannot exceed quota for AccessKeysPerUser: 2")
	}
	k := c.aws.newLongTermKey(c.account, u.id)
	return []node{group("AccessKey",
		leaf("UserName", u.name),
		leaf("AccessKeyId", k.id),
		leaf("Status", "Active"),
		leaf("SecretAccessKey", k.secret),
		instant("CreateDate", k.created),
	)}, nil
}

func listAccessKeys(c *iamCall) ([]node, error) {
	u, err := c.user(true)
	if err != nil {
		return nil, err
	}
	var items [][]node
	for _, k := range c.aws.keysOf(u.id) {
		items = append(items, []node{leaf("UserName", u.name), leaf("AccessKeyId", k.id), leaf("Status", "Active"),
			instant("CreateDate", k.created)})
	}
	return []node{members("AccessKeyMetadata", items...), boolean("IsTruncated", false)}, nil
}

func deleteAccessKey(c *iamCall) error {
	id := c.required("AccessKeyId", keyIDShape)
	u, err := c.user(true)
	if err != nil {
		return err
	}
	k := c.aws.keys[id]
	if k == nil || k.owner != u.id || k.session != nil {
		return refuse(http.StatusNotFound, "NoSuchEntity", "The Access Key with id %s cannot be found.", id)
	}
	delete(c.aws.keys, id)
	return nil
}
