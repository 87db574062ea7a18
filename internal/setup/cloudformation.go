package setup

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// perTemplate is how many roles a template has at most, so that it stays
// below what CloudFormation takes without a bucket, 51,200 bytes.
const perTemplate = 20

// cloudFormation is a template for each account, or several where an account
// has many roles.
func (b *book) cloudFormation(ctx context.Context) string {
	var all []string
	for _, account := range until(ctx, b.accounts) {
		able := slices.DeleteFunc(slices.Clone(account), func(t *target) bool { return b.noTemplate(t) != "" })
		for i, part := range until(ctx, slices.Collect(slices.Chunk(able, perTemplate))) {
			all = append(all, b.template(part, i+1, len(b.accounts) > 1))
		}
	}
	text := b.remarks() + b.leftOut() + strings.Join(all, "---\n")
	if missing := b.missing(); missing != "" {
		return comment(missing) + "\n" + text
	}
	return text
}

// noTemplate says why a role is not in a template; "" if it is.
func (b *book) noTemplate(t *target) string {
	const reference = "{{resolve:"
	if t.obstacle == "" && (strings.Contains(t.policy, reference) || strings.Contains(t.arn.Path, reference)) {
		return "CloudFormation would take the {{resolve:…}} in it for a reference. Use the AWS CLI or Terraform."
	}
	return t.obstacle
}

func (b *book) leftOut() string {
	var out script
	for _, t := range b.targets {
		if why := b.noTemplate(t); why != "" {
			out.remark("Role %s is not here: %s\n  %s", t.label(), why, t.arn)
		}
	}
	return out.String()
}

// template is the roles of one account.
func (b *book) template(roles []*target, part int, several bool) string {
	stack := b.stack()
	if several {
		stack += "-" + roles[0].arn.Account
	}
	if part > 1 {
		stack += "-" + strconv.Itoa(part)
	}
	var out script
	out.line("# Roles of account %s. Save this template as %s.yaml, and with credentials of that account:", roles[0].arn.Account, stack)
	out.line("#")
	out.line("#   aws cloudformation deploy --template-file %s.yaml --stack-name %s --capabilities CAPABILITY_NAMED_IAM", stack, stack)
	out.line("#")
	if b.exists() {
		out.line("# The role exists, so let CloudFormation take it over instead: create a change set of the type IMPORT")
		out.line("# from this template, in the console under Stacks > Create stack > With existing resources.")
	} else {
		out.line("# It makes the roles. One that exists has to be changed as the AWS CLI's commands do.")
	}
	out.WriteString(yaml(b.stackOf(roles)))
	return out.String()
}

// stack is the name of the stack and of the file: letters, digits and '-'.
func (b *book) stack() string {
	if b.Integration == "" {
		return "rolebroker"
	}
	return "rolebroker-" + strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '-'
	}, b.Integration)
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func (b *book) stackOf(roles []*target) object {
	var parameters, conditions, resources, outputs object
	taken := map[string]int{}
	for _, t := range roles {
		id := unused(taken, logicalID(t.names[0])+"Role")
		list, some := id+"PolicyArns", id+"HasPolicies"
		parameters = append(parameters, member{list, object{{"Type", "CommaDelimitedList"}, {"Default", ""},
			{"Description", "ARNs of managed policies, with commas between them: all that agents need to do as " + t.label()}}})
		conditions = append(conditions, member{some, verbatim(`!Not [!Equals [!Join ["", !Ref ` + list + `], ""]]`)})
		resources = append(resources, member{id, b.resource(t, list, some)})
		outputs = append(outputs, member{id + "Arn", object{{"Value", verbatim("!GetAtt " + id + ".Arn")}}})
	}
	return object{
		{"AWSTemplateFormatVersion", "2010-09-09"},
		{"Description", strings.TrimSuffix("Roles that rolebroker lends to AI agents: "+b.Integration, ": ")},
		{"Parameters", parameters}, {"Conditions", conditions}, {"Resources", resources}, {"Outputs", outputs},
	}
}

func (b *book) resource(t *target, list, some string) object {
	properties := object{{"RoleName", t.arn.Name}, {"Path", t.arn.Path}, {"Description", b.description(t)}}
	if n := t.seconds(); n > 0 {
		properties = append(properties, member{"MaxSessionDuration", n})
	}
	properties = append(properties,
		member{"AssumeRolePolicyDocument", t.document},
		member{"ManagedPolicyArns", verbatim(`!If [` + some + `, !Ref ` + list + `, !Ref "AWS::NoValue"]`)})
	resource := object{{"Type", "AWS::IAM::Role"}}
	if b.exists() {
		resource = append(resource, member{"DeletionPolicy", "Retain"}, member{"UpdateReplacePolicy", "Retain"}) // an import asks for the first
	}
	return append(resource, member{"Properties", properties})
}

// logicalID is a role's name in letters and digits, each part capitalized.
func logicalID(name string) string {
	var id strings.Builder
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !isAlphanumeric(r) }) {
		id.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return id.String()
}

// unused is the name, with a number if it is taken already. What is taken has
// the last number that it was given.
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
