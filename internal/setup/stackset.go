package setup

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// stackUnit is a resource of a stack set, and the accounts that it is made in.
type stackUnit struct {
	id       string   // its name in letters and digits, which another can have too
	accounts []string // sorted
	target   *target  // one of the IAM roles that it stands for; nil for a cut-off role
	cutOff   *cutOffRole
	policy   json.RawMessage // the trust policy
}

// stackSets are templates that make the roles of all accounts, each in its own. There are none for one account, and
// none for roles whose current policy is known, which exist.
func (b *blueprint) stackSets(ctx context.Context) (all []rolebroker.StackSet) {
	if len(b.accounts) < 2 || b.exists() {
		return nil
	}
	partitions := map[string][]*stackUnit{}
	var names []string
	for _, u := range b.stackUnits(ctx) {
		partition := u.partition
		if partitions[partition] == nil {
			names = append(names, partition)
		}
		partitions[partition] = append(partitions[partition], u.stackUnit)
	}
	for _, partition := range names {
		for part := range slices.Chunk(partitions[partition], perStackSet) {
			all = b.addStackSets(all, part)
		}
	}
	return all
}

// maxTemplate is how many bytes a template can have that is in no bucket.
//
// Source: CloudFormation User Guide, "CloudFormation quotas".
const maxTemplate = 51_200

// perStackSet is how many resources a stack set has at most. More than that are seldom short enough.
const perStackSet = 10

// addStackSets adds a stack set with these resources, or several if its template would be too long.
func (b *blueprint) addStackSets(all []rolebroker.StackSet, units []*stackUnit) []rolebroker.StackSet {
	name := b.stackName()
	if n := len(all) + 1; n > 1 {
		name += "-" + strconv.Itoa(n)
	}
	one := b.stackSet(name, units)
	if half := len(units) / 2; half > 0 && len(one.Template) > maxTemplate {
		return b.addStackSets(b.addStackSets(all, units[:half]), units[half:])
	}
	return append(all, one)
}

// placedUnit is a unit with its partition. A stack set has the accounts of one.
type placedUnit struct {
	*stackUnit
	partition string
}

// stackKey is equal for roles that are one resource.
type stackKey struct {
	partition, path, name, policy string
	seconds                       int
}

// stackUnits are the roles of all accounts, each once for all accounts in which it is the same.
func (b *blueprint) stackUnits(ctx context.Context) (all []placedUnit) {
	known, policies := map[stackKey]*stackUnit{}, map[string]json.RawMessage{}
	for _, account := range until(ctx, b.accounts) {
		for _, t := range account {
			if b.noTemplate(t) != "" {
				continue
			}
			policy := t.policy
			if !b.byIdentity() {
				policy = strings.ReplaceAll(policy, t.arn.Account, "") // which is the only difference between accounts
			}
			key := stackKey{t.arn.Partition, t.arn.Path, t.arn.Name, policy, t.seconds()}
			if known[key] == nil {
				if policies[policy] == nil {
					policies[policy] = b.inAnyAccount(t)
				}
				known[key] = &stackUnit{id: logicalID(t.arn.Name) + "Role", target: t, policy: policies[policy]}
				all = append(all, placedUnit{known[key], t.arn.Partition})
			}
			known[key].accounts = append(known[key].accounts, t.arn.Account)
		}
	}
	for _, c := range b.cutOffs() {
		all = append(all, placedUnit{&stackUnit{id: "CutOffRole", accounts: []string{c.account}, cutOff: c},
			b.partitionOf(c.account)})
	}
	for _, u := range all {
		slices.Sort(u.accounts)
	}
	return all
}

func (b *blueprint) partitionOf(account string) string {
	i := slices.IndexFunc(b.targets, func(t *target) bool { return t.arn.Account == account })
	return b.targets[i].arn.Partition
}

// inAnyAccount is the trust policy of a role for every account that has the role. Policies that trust a cluster name
// the role's own account: CloudFormation puts in the one that it is in.
func (b *blueprint) inAnyAccount(t *target) json.RawMessage {
	if b.byIdentity() {
		return json.RawMessage(t.policy)
	}
	return compact(substituted(json.RawMessage(t.policy), t.arn.Account))
}

// substituted is JSON in which CloudFormation puts its own account in the place of one.
func substituted(raw json.RawMessage, account string) any {
	if text, ok := stringIn(raw); ok {
		if !strings.Contains(text, account) {
			return text
		}
		text = strings.ReplaceAll(text, "${", "${!")
		return object{{"Fn::Sub", strings.ReplaceAll(text, account, "${AWS::AccountId}")}}
	}
	if fields, err := members(raw); err == nil {
		o := object{}
		for _, f := range fields {
			o = append(o, member{f.name, substituted(f.value, account)})
		}
		return o
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return raw
	}
	all := []any{}
	for _, one := range list {
		all = append(all, substituted(one, account))
	}
	return all
}

// stackSet is a stack set with these resources.
func (b *blueprint) stackSet(name string, units []*stackUnit) rolebroker.StackSet {
	var accounts []string
	for _, u := range units {
		accounts = append(accounts, u.accounts...)
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	commands := b.stackSetCommands(name, accounts)
	remarks := object{}
	if missing := b.missing(); missing != "" {
		remarks = append(remarks, member{"FillIn", strings.Split(missing, "\n")})
	}
	remarks = append(remarks, b.leftOut()...)
	remarks = append(remarks, member{"Use", append([]string{"Save this template as " + name + ".json. Then:"},
		strings.Split(commands, "\n")...)})
	return rolebroker.StackSet{Name: name, Accounts: accounts, Commands: commands,
		Template: pretty(b.stackSetTemplate(units, accounts, remarks))}
}

// stackSetTemplate is the template of a stack set. A role that is in all accounts is made wherever the template is
// deployed; others are made in their accounts only.
func (b *blueprint) stackSetTemplate(units []*stackUnit, accounts []string, remarks object) object {
	var parameters, conditions, resources object
	taken := map[string]int{}
	for _, u := range units {
		id := unused(taken, u.id)
		var resource object
		if u.cutOff != nil {
			resource = cutOffResource(u.cutOff)
		} else {
			list, some := id+"PolicyArns", id+"HasPolicies"
			parameters = append(parameters, policyParameter(list, u.target.arn.Name))
			conditions = append(conditions, hasPolicies(some, list))
			resource = b.roleOf(u, object{{"Fn::If", []any{some, ref(list), ref("AWS::NoValue")}}})
		}
		if len(u.accounts) < len(accounts) {
			in := id + "IsHere"
			conditions = append(conditions, member{in, isOneOf(u.accounts)})
			resource = append(object{resource[0], {"Condition", in}}, resource[1:]...)
		}
		resources = append(resources, member{id, resource})
	}
	template := object{
		{"AWSTemplateFormatVersion", "2010-09-09"},
		{"Description", strings.TrimSuffix("Roles that rolebroker lends to AI agents: "+b.Integration, ": ")},
		{"Metadata", object{{"rolebroker", remarks}}},
	}
	for _, section := range []member{{"Parameters", parameters}, {"Conditions", conditions}} {
		if len(section.value.(object)) > 0 {
			template = append(template, section)
		}
	}
	return append(template, member{"Resources", resources})
}

// roleOf is the resource of a unit that is an IAM role. Its names in the integration differ from account to account.
func (b *blueprint) roleOf(u *stackUnit, policies object) object {
	about := "Lent to AI agents by rolebroker"
	if b.Integration != "" {
		about += ", integration " + b.Integration
	}
	properties := object{{"RoleName", u.target.arn.Name}, {"Path", u.target.arn.Path}, {"Description", about}}
	if n := u.target.seconds(); n > 0 {
		properties = append(properties, member{"MaxSessionDuration", n})
	}
	properties = append(properties,
		member{"AssumeRolePolicyDocument", u.policy}, member{"ManagedPolicyArns", policies})
	return object{{"Type", "AWS::IAM::Role"}, {"Properties", properties}}
}

// mostConditions is how many conditions Fn::Or takes.
//
// Source: CloudFormation User Guide, "Condition functions".
const mostConditions = 10

// isOneOf is the condition that a stack is in one of the accounts.
func isOneOf(accounts []string) object {
	var all []any
	for _, account := range accounts {
		all = append(all, object{{"Fn::Equals", []any{ref("AWS::AccountId"), account}}})
	}
	for len(all) > 1 {
		var fewer []any
		for some := range slices.Chunk(all, mostConditions) {
			if len(some) == 1 {
				fewer = append(fewer, some[0])
				continue
			}
			fewer = append(fewer, object{{"Fn::Or", some}})
		}
		all = fewer
	}
	return all[0].(object)
}

// stackSetCommands create a stack set and its stacks. IAM is the same in all regions, so one region does.
func (b *blueprint) stackSetCommands(name string, accounts []string) string {
	create := "aws cloudformation create-stack-set --stack-set-name " + name + " \\\n  --template-body file://" + name +
		".json --capabilities CAPABILITY_NAMED_IAM"
	instances := "aws cloudformation create-stack-instances --stack-set-name " + name + " --regions " +
		string(b.homeRegion(accounts[0]))
	list := strings.Join(accounts, ",")
	return "# With credentials of the organization's management account. OU is the ID of an organizational unit,\n" +
		"# or of the root, that the accounts are in. A delegated administrator adds --call-as DELEGATED_ADMIN:\n" +
		create + " \\\n  --permission-model SERVICE_MANAGED --auto-deployment Enabled=false\n" +
		instances + " \\\n  --deployment-targets OrganizationalUnitIds=OU,AccountFilterType=INTERSECTION,Accounts=" +
		list + "\n" +
		"\n# Or without an organization, after AWSCloudFormationStackSetAdministrationRole was made in the account\n" +
		"# that you use, and AWSCloudFormationStackSetExecutionRole in the others:\n" +
		comment(create+"\n"+instances+" \\\n  --accounts "+strings.Join(accounts, " "))
}

// homeRegion is the region of the first role of an account.
func (b *blueprint) homeRegion(account string) rolebroker.Region {
	for _, role := range b.Roles {
		if role.ARN.Account == account {
			return role.Region
		}
	}
	return ""
}
