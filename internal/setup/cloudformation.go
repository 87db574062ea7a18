package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// perTemplate is how many roles a template has at most, so that it stays below
// 51,200 bytes, the most that CloudFormation takes without a bucket.
const perTemplate = 20

// cloudFormation is all templates, one after the other.
func (b *blueprint) cloudFormation(stacks []rolebroker.Stack) string {
	var all []string
	for _, one := range stacks {
		all = append(all, one.Template)
	}
	switch {
	case len(b.targets) == 0:
		return ""
	case len(all) == 0:
		all = append(all, pretty(object{{"Metadata", object{{"rolebroker", b.leftOut()}}}}))
	}
	return strings.Join(all, "\n") + "\n"
}

// stacks are a template in JSON for each account, or several for an account with many roles.
func (b *blueprint) stacks(ctx context.Context) (all []rolebroker.Stack) {
	for _, account := range until(ctx, b.accounts) {
		able := slices.DeleteFunc(slices.Clone(account), func(t *target) bool { return b.noTemplate(t) != "" })
		for i, part := range until(ctx, slices.Collect(slices.Chunk(able, perTemplate))) {
			one := rolebroker.Stack{Name: b.stack(part[0].arn.Account, i+1), Account: part[0].arn.Account}
			remarks := b.instructions(one.Name, one.Account)
			if len(all) == 0 {
				remarks = append(b.leftOut(), remarks...)
			}
			var cutOff *cutOffRole
			if i == 0 {
				cutOff = b.cutOff(able)
			}
			one.Template = pretty(b.template(part, cutOff, remarks))
			all = append(all, one)
		}
	}
	return all
}

// noTemplate says why a role is not in a template; "" if it is.
func (b *blueprint) noTemplate(t *target) string {
	const reference = "{{resolve:"
	if t.obstacle == "" && (strings.Contains(t.policy, reference) || strings.Contains(t.arn.Path, reference)) {
		return "CloudFormation would resolve the dynamic reference in it. Use the AWS CLI or Terraform."
	}
	return t.obstacle
}

// leftOut has the remarks that are made once: on the current policy, and on the
// roles that are not in a template.
func (b *blueprint) leftOut() object {
	var remarks object
	if notes := b.notes(); len(notes) > 0 {
		remarks = append(remarks, member{"CurrentPolicy", notes})
	}
	var missing []string
	for _, t := range b.targets {
		if why := b.noTemplate(t); why != "" {
			missing = append(missing, fmt.Sprintf("Role %s is not here: %s", t.label(), why))
		}
	}
	if len(missing) > 0 {
		remarks = append(remarks, member{"LeftOut", missing})
	}
	return remarks
}

// instructions say how to use a template. JSON has no comments, so they stand in
// its metadata.
func (b *blueprint) instructions(stack, account string) object {
	var remarks object
	if missing := b.missing(); missing != "" {
		remarks = append(remarks, member{"FillIn", strings.Split(missing, "\n")})
	}
	use := []string{
		"Save this template as " + stack + ".json, and with credentials of account " + account + ":",
		"aws cloudformation deploy --template-file " + stack + ".json --stack-name " + stack +
			" --capabilities CAPABILITY_NAMED_IAM",
		"It makes the roles. Change a role that exists with the commands for the AWS CLI.",
	}
	if b.exists() {
		use = []string{
			"Save this template as " + stack + ".json.",
			"The role exists, so have CloudFormation take it over: with credentials of account " + account + ", " +
				"create a change set of the type IMPORT from this template, " +
				"in the console under Stacks > Create stack > With existing resources.",
		}
	}
	return append(remarks, member{"Use", use})
}

// stack is the name of a stack, and of its template's file: letters, digits and
// '-'. The part counts the templates of an account, from 1.
func (b *blueprint) stack(account string, part int) string {
	name := b.stackName()
	if len(b.accounts) > 1 {
		name += "-" + account
	}
	if part > 1 {
		name += "-" + strconv.Itoa(part)
	}
	return name
}

// stackName is what the names of all stacks begin with.
func (b *blueprint) stackName() string {
	return strings.TrimSuffix("rolebroker-"+dashed(b.Integration), "-")
}

// dashed is a name in which everything but letters and digits is a '-'.
func dashed(name string) string {
	return strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '-'
	}, name)
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// template makes roles of one account, and its cut-off role, unless that is nil.
func (b *blueprint) template(roles []*target, cutOff *cutOffRole, remarks object) object {
	var parameters, conditions, resources, outputs object
	taken := map[string]int{}
	for _, t := range roles {
		id := unused(taken, logicalID(t.names[0])+"Role")
		list, some := id+"PolicyArns", id+"HasPolicies"
		policies := object{{"Fn::If", []any{some, ref(list), ref("AWS::NoValue")}}}
		parameters = append(parameters, policyParameter(list, t.label()))
		conditions = append(conditions, hasPolicies(some, list))
		resources = append(resources, member{id, b.resource(t, policies)})
		outputs = append(outputs, member{id + "Arn", object{{"Value", object{{"Fn::GetAtt", []any{id, "Arn"}}}}}})
	}
	if cutOff != nil {
		resources = append(resources, member{unused(taken, "CutOffRole"), cutOffResource(cutOff)})
	}
	return object{
		{"AWSTemplateFormatVersion", "2010-09-09"},
		{"Description", strings.TrimSuffix("Roles that rolebroker lends to AI agents: "+b.Integration, ": ")},
		{"Metadata", object{{"rolebroker", remarks}}},
		{"Parameters", parameters}, {"Conditions", conditions}, {"Resources", resources}, {"Outputs", outputs},
	}
}

// policyParameter is the parameter with the managed policies of a role.
func policyParameter(name, role string) member {
	about := "ARNs of managed policies, with commas between them: all that agents need to do as " + role
	return member{name, object{{"Type", "CommaDelimitedList"}, {"Default", ""}, {"Description", about}}}
}

// hasPolicies is the condition that the parameter has some.
func hasPolicies(name, list string) member {
	joined := object{{"Fn::Join", []any{"", ref(list)}}}
	return member{name, object{{"Fn::Not", []any{object{{"Fn::Equals", []any{joined, ""}}}}}}}
}

func ref(name string) object { return object{{"Ref", name}} }

func (b *blueprint) resource(t *target, policies object) object {
	properties := object{{"RoleName", t.arn.Name}, {"Path", t.arn.Path}, {"Description", b.description(t)}}
	if n := t.seconds(); n > 0 {
		properties = append(properties, member{"MaxSessionDuration", n})
	}
	properties = append(properties,
		member{"AssumeRolePolicyDocument", json.RawMessage(t.policy)}, member{"ManagedPolicyArns", policies})
	resource := object{{"Type", "AWS::IAM::Role"}}
	if b.exists() { // an import requires a DeletionPolicy
		resource = append(resource, member{"DeletionPolicy", "Retain"}, member{"UpdateReplacePolicy", "Retain"})
	}
	return append(resource, member{"Properties", properties})
}

// logicalID is a role's name in letters and digits, with each part capitalized.
func logicalID(name string) string {
	var id strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !isAlphanumeric(r) }) {
		id.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return id.String()
}

// unused is the name, with a number if it is taken already. taken has the last
// number that each name was given.
func unused(taken map[string]int, name string) string {
	if taken[name] == 0 {
		taken[name] = 1
		return name
	}
	for {
		taken[name]++
		found := name + strconv.Itoa(taken[name])
		if taken[found] == 0 {
			taken[found] = 1
			return found
		}
	}
}
