package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// cutOffPolicy is the name of the inline policy of a cut-off role.
const cutOffPolicy = "rolebroker-cut-off"

// maxInlinePolicy is how long the inline policies of a role may be.
//
// Source: IAM User Guide, "IAM and AWS STS quotas".
const maxInlinePolicy = 10_240

// cutOffRole is the IAM role of an account by which the platform puts deny policies on the roles there.
type cutOffRole struct {
	account, name, description string
	trust, policy              string // JSON
}

// checkCutOff returns an error if there can be no cut-off roles. Codes: invalid.
func (s Subject) checkCutOff() error {
	switch {
	case !s.Request.CutOff:
		return nil
	case s.Mode == rolebroker.ModeCluster:
		return invalid("cut_off", "is for roles that the platform assumes: it has no AWS identity that a cluster's roles "+
			"trust. The commands of agent cut-off are for you to run")
	case s.Request.Role != "":
		return invalid("cut_off", "is for all roles of an integration, not for one")
	case s.Integration == "":
		return invalid("cut_off", "needs an integration with a name and with roles")
	}
	if _, err := rolebroker.CutOffRoleName(s.Integration); err != nil {
		return invalid("cut_off", "cannot be had: the integration %s", err)
	}
	return nil
}

// cutOff is the cut-off role for the roles of one account; nil if none was requested, or there is nothing for it to do.
// Unless the request says otherwise, it trusts exactly the platform: who becomes it can give these roles every
// permission.
func (b *blueprint) cutOff(account []*target) *cutOffRole {
	var roles []rolebroker.RoleARN
	for _, t := range account {
		if t.obstacle == "" {
			roles = append(roles, t.arn)
		}
	}
	name, err := rolebroker.CutOffRoleName(b.Integration)
	if !b.Request.CutOff || len(roles) == 0 || err != nil {
		return nil
	}
	s := b.Subject
	if _, certain := s.Platform.Principal(); certain && s.Request.Principal == "" {
		s.Request.Principal = rolebroker.PrincipalExact
	}
	return &cutOffRole{account: roles[0].Account, name: name,
		description: "Puts deny policies of rolebroker on the roles of " + b.Integration,
		trust:       pretty(trusting(s.desired(rolebroker.Role{ARN: roles[0]}).fresh())),
		policy:      pretty(mayChangePolicies(roles))}
}

// cutOffs are the cut-off roles of all accounts.
func (b *blueprint) cutOffs() (all []*cutOffRole) {
	for _, account := range b.accounts {
		if c := b.cutOff(account); c != nil {
			all = append(all, c)
		}
	}
	return all
}

// cutOffCLI is the commands that make the cut-off roles, and nothing else.
func (b *blueprint) cutOffCLI(ctx context.Context) string {
	var out script
	roles := b.cutOffs()
	if missing := b.missing(); missing != "" && len(roles) > 0 {
		out.remark("%s\nUntil then the commands are comments.", missing)
	}
	for i, c := range until(ctx, roles) {
		if i > 0 {
			out.line("")
		}
		out.line("# With credentials of account %s:", c.account)
		out.line("%s\n%s\n%s", b.runnable(guard(c.account)), b.cutOffCommands(c), b.runnable("fi"))
	}
	return out.String()
}

// cutOffCommands make a cut-off role, or set one right that exists.
func (b *blueprint) cutOffCommands(c *cutOffRole) string {
	role := option("--role-name", c.name)
	return "# The role by which the server ends keys in AWS: rolebroker agent cut-off AGENT --apply\n" +
		b.runnable("if aws iam get-role "+role+" > /dev/null 2>&1; then\n  aws iam update-assume-role-policy "+role+
			" \\\n    --policy-document "+rolebroker.ShellWord(c.trust)+"\nelse\n  aws iam create-role "+role+" \\\n    "+
			option("--description", c.description)+" \\\n    "+option("--assume-role-policy-document", c.trust)+"\nfi\n"+
			"aws iam put-role-policy "+role+" "+option("--policy-name", cutOffPolicy)+" \\\n  "+
			option("--policy-document", c.policy))
}

// cutOff adds the cut-off roles to the guide.
func (g *guide) cutOff(b *blueprint) {
	roles := b.cutOffs()
	if len(roles) == 0 {
		return
	}
	g.heading("For cut-offs: let the platform end keys in AWS")
	g.paragraph("rolebroker agent cut-off --apply puts policies on the roles that deny one agent's keys. For that, make one "+
		"more role in each account, %s. Nobody borrows it. Whoever becomes it can also give the roles every permission, since "+
		"IAM has no condition on what a policy says; so it trusts the platform only.", roles[0].name)
	for _, c := range roles {
		if len(roles) > 1 {
			g.line("  In account %s:", c.account)
		}
		g.line("  Trust policy of %s:", c.name)
		g.block(c.trust)
		g.line("  Inline policy %s:", cutOffPolicy)
		g.block(c.policy)
	}
}

// cutOffResource is a cut-off role in a CloudFormation template.
func cutOffResource(c *cutOffRole) object {
	return object{{"Type", "AWS::IAM::Role"}, {"Properties", object{{"RoleName", c.name}, {"Description", c.description},
		{"AssumeRolePolicyDocument", json.RawMessage(c.trust)},
		{"Policies", []any{object{{"PolicyName", cutOffPolicy}, {"PolicyDocument", json.RawMessage(c.policy)}}}}}}}
}

// awsCutOffRole is a cut-off role in Terraform.
func (b *blueprint) awsCutOffRole(c *cutOffRole, name string) string {
	var out script
	provider := ""
	if len(b.accounts) > 1 {
		provider = fmt.Sprintf("  # provider = aws.account_%s\n\n", c.account)
	}
	out.line("# The role by which the server ends keys in AWS: rolebroker agent cut-off AGENT --apply")
	out.line("resource \"aws_iam_role\" %s {\n%s%s\n  assume_role_policy = <<-POLICY\n%s\n  POLICY\n}\n", hclText(name), provider,
		attributes([][2]string{{"name", hclText(c.name)}, {"description", hclText(c.description)}}),
		hclHeredoc("    ", c.trust))
	out.line("resource \"aws_iam_role_policy\" %s {\n%s%s\n  policy = <<-POLICY\n%s\n  POLICY\n}", hclText(name), provider,
		attributes([][2]string{{"name", hclText(cutOffPolicy)}, {"role", "aws_iam_role." + name + ".name"}}),
		hclHeredoc("    ", c.policy))
	return strings.TrimRight(out.String(), "\n") + "\n"
}
