package setup

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// consoles are the AWS console of each partition. Those of other partitions are not known to take the links below.
var consoles = map[string]string{
	"aws": "https://console.aws.amazon.com", "aws-cn": "https://console.amazonaws.cn",
	"aws-us-gov": "https://console.amazonaws-us-gov.com",
}

// console are the pages of the AWS console for a role. No address has a placeholder.
func (b *blueprint) console(role rolebroker.Role) (links rolebroker.ConsoleLinks) {
	at, known := consoles[role.ARN.Partition]
	if !known || b.obstacle(role) != "" {
		return links
	}
	name := url.QueryEscape(role.ARN.Name)
	links.TrustPolicy = at + "/iam/home#/roles/details/" + name + "?section=trust_relationships"
	links.CreateStack = at + "/cloudformation/home?region=" + url.QueryEscape(string(role.Region)) + "#/stacks/create"
	if !b.byIdentity() || len(b.placeholders()) > 0 || len(b.ExternalIDs) == 0 {
		return links
	}
	if role.ARN.Path == "/" { // the wizard has no field for another
		links.CreateRole = b.wizard(at)
	}
	if b.Template.Address != "" && b.Template.Partition() == role.ARN.Partition {
		links.QuickCreate = b.quickCreate(at, role)
	}
	return links
}

// createRole is the wizard for any new role, in the partition of who assumes it; empty if it has none.
func (b *blueprint) createRole() string {
	at, known := consoles[b.trusted().Partition()]
	if !known || !b.byIdentity() || len(b.ExternalIDs) == 0 {
		return ""
	}
	return b.wizard(at)
}

// wizard is the page of the console that makes a role for another account. AWS documents no parameters for it. These
// are the ones that the page itself puts into its address.
func (b *blueprint) wizard(at string) string {
	return at + "/iam/home#/roles/create?" + query("step", "selectEntities", "trustedEntityType", "AWS_ACCOUNT",
		"awsAccount", b.trusted().Account, "isThirdParty", "true", "externalId", b.ExternalIDs[0])
}

// trusted is the identity that the trust policies let in, where it is one.
func (b *blueprint) trusted() rolebroker.Identity {
	if b.Mode == rolebroker.ModeCluster {
		return b.Runner
	}
	return b.Platform
}

// quickCreate is the page of the console that makes a stack from GenericTemplate. Stacks have to be in the region of
// the template's bucket. Roles have no region, so any will do.
//
// Source: CloudFormation User Guide, "Create quick-create links for stacks".
func (b *blueprint) quickCreate(at string, role rolebroker.Role) string {
	t := target{arn: role.ARN, names: []string{role.Name}, duration: role.Duration()}
	values := []string{"templateURL", b.Template.Address, "stackName", b.roleStack(role),
		"param_RoleName", role.ARN.Name, "param_RolePath", role.ARN.Path, "param_Description", b.description(&t),
		"param_Principal", b.trust(role).principal, "param_ExternalId", b.ExternalIDs[0]}
	if len(b.ExternalIDs) > 1 {
		values = append(values, "param_NextExternalId", b.ExternalIDs[1])
	}
	if n := t.seconds(); n > 0 {
		values = append(values, "param_MaxSessionDuration", strconv.Itoa(n))
	}
	return at + "/cloudformation/home?region=" + string(b.Template.Region) + "#/stacks/quickcreate?" + query(values...)
}

// roleStack is the name of a stack with one role.
func (b *blueprint) roleStack(role rolebroker.Role) string {
	name := b.stackName() + "-" + dashed(role.ARN.Name)
	return strings.TrimRight(name[:min(len(name), maxStackName)], "-")
}

// maxStackName is how long the name of a stack can be.
const maxStackName = 128

// query is the query of an address, in the given order.
func query(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, pairs[i]+"="+strings.ReplaceAll(url.QueryEscape(pairs[i+1]), "+", "%20"))
	}
	return strings.Join(all, "&")
}
