package validate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// The hints that are the same for every role. They are made when they are needed, not when the program starts.

func hintCluster() rolebroker.Hint {
	return rolebroker.Hintf("the runner in your cluster tries it, and reports, once the integration names one: " +
		"rolebroker runner --help")
}

func hintOrganization() rolebroker.Hint {
	return rolebroker.Hintf("ask who administers the AWS organization or the VPC endpoint to allow " +
		"sts:AssumeRole on the role")
}

func (p *probe) hintRoot() rolebroker.Hint {
	return rolebroker.Hintf("give %s the keys of an IAM user, or an instance or container role, "+
		"that may call sts:AssumeRole and nothing else", p.by)
}

func (p *probe) hintPartition() rolebroker.Hint {
	return rolebroker.Hintf("a role is assumed by an identity, and in a region, of its own partition: "+
		"correct the ARN or the region, or run a %s with an identity in that partition", p.by.Program())
}

// subject is what internal/setup writes the statement of this role from.
func (p *probe) subject() setup.Subject {
	ids := []string{p.Integration.ExternalID}
	if p.Integration.NextExternalID != "" {
		ids = append(ids, p.Integration.NextExternalID)
	}
	return setup.Subject{
		Integration: p.Integration.Name, Mode: p.Integration.AssumptionMode, Platform: p.identity,
		ExternalIDs: ids, Earlier: p.Earlier, Roles: []rolebroker.Role{p.role},
		Request: rolebroker.SetupRequest{}.WithDefaults(),
	}
}

// statement is the statement that the role's trust policy needs.
func (p *probe) statement() string { return p.subject().Statement(p.role) }

// hintUnassumable is for a role that can never be assumed as the integration has it.
func (p *probe) hintUnassumable(code rolebroker.ValidationCode) rolebroker.Hint {
	switch code {
	case rolebroker.ValidServiceLinked, rolebroker.ValidIdentityCenter:
		return rolebroker.Hint{{Text: "make a role of your own for the agents, with this trust " +
			"policy, and give its ARN:",
			Policy: p.subject().TrustPolicy(p.role)}}
	case rolebroker.ValidPartition:
		return p.hintPartition()
	}
	return rolebroker.Hintf("correct it, and validate again")
}

func (p *probe) hintAgain() rolebroker.Hint {
	if p.Integration.ID == "" {
		return rolebroker.Hintf("validate again in a while")
	}
	return rolebroker.Hint{{Text: "validate again in a while:",
		Command: rolebroker.ShellCommand("rolebroker", "integration", "validate", p.Integration.Name)}}
}

func (p *probe) hintReach() rolebroker.Hint {
	return append(rolebroker.Hintf("look whether %s can reach STS in %s, by HTTPS and perhaps through a proxy; "+
		"%[1]s's log has the cause", p.by, p.role.Region), p.hintAgain()...)
}

// hintTrust is the statement to add.
func (p *probe) hintTrust() rolebroker.Hint {
	return p.withStatement("add this statement to the trust policy of " + p.named() + ":")
}

// withStatement is text with the role's statement, and how the AWS CLI changes the trust policy accordingly.
func (p *probe) withStatement(text string) rolebroker.Hint {
	return append(rolebroker.Hint{{Text: text, Policy: p.statement()}}, p.hintMerge()...)
}

// replace puts the statement in the place of others.
func (p *probe) replace(others string) rolebroker.Hint {
	return p.withStatement("in the trust policy of " + p.named() + ", put this statement in place of " + others + ":")
}

// named is the role in the words of its owner in AWS.
func (p *probe) named() string {
	return fmt.Sprintf("role %s in account %s", p.role.ARN.Name, p.role.ARN.Account)
}

func (p *probe) hintOpen() rolebroker.Hint {
	return p.replace("every one that lets in " + p.by.String() + "'s account or identity, or everyone")
}

func (p *probe) hintOutdated(earlier string) rolebroker.Hint {
	return p.replace("the one that has " + earlier)
}

func (p *probe) hintPrevious(earlier string) rolebroker.Hint {
	return p.withStatement("take " + earlier + " out of the trust policy of " + p.named() +
		", by putting this statement in place of the one that has it:")
}

func (p *probe) hintNext() rolebroker.Hint {
	return p.withStatement("have the role accept both external IDs before the change is finished, " +
		"by putting this statement in place of the one that has the current one:")
}

func (p *probe) hintAhead() rolebroker.Hint {
	return append(rolebroker.Hint{{Text: "finish the change when every role accepts the new one:",
		Command: rolebroker.ShellCommand("rolebroker", "integration", "rotate-external-id", p.Integration.Name,
			"--finish")}},
		p.withStatement("or have the role accept both until then, with this statement:")...)
}

func (p *probe) hintAttribution() rolebroker.Hint {
	return p.replace("the one that names " + p.by.String() + "'s account or identity")
}

// saved says whether commands can name the integration and the role.
func (p *probe) saved() bool { return p.Integration.ID != "" && p.role.Name != "" }

// hintMerge is how the AWS CLI changes the trust policy of a role that exists.
func (p *probe) hintMerge() rolebroker.Hint {
	if !p.saved() {
		return p.hintSetup()
	}
	get := rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", p.role.ARN.Name, "--query",
		"Role.AssumeRolePolicyDocument")
	merge := rolebroker.ShellCommand("rolebroker", "integration", "setup", p.Integration.Name, "--role", p.role.Name,
		"--current", "current.json", "--format", "aws-cli")
	return rolebroker.Hint{{Text: "or have the AWS CLI do it:", Command: get + " > current.json\n" + merge +
		" | bash -e"}}
}

// hintSetup points to the setup of this role in every format.
func (p *probe) hintSetup() rolebroker.Hint {
	switch {
	case p.saved():
		return rolebroker.Hint{{Text: "as console steps, AWS CLI commands, CloudFormation or Terraform:",
			Command: rolebroker.ShellCommand("rolebroker", "integration", "setup", p.Integration.Name, "--role",
				p.role.Name)}}
	case p.Integration.ExternalID != "":
		return rolebroker.Hint{{Text: "as a whole trust policy, for this external ID, which is " +
			"kept for the integration:",
			Command: rolebroker.ShellCommand("rolebroker", "integration", "setup", "--external-id",
				p.Integration.ExternalID, "--format", "trust-policy")}}
	}
	return rolebroker.Hintf("the setup of the integration has it as console steps, AWS CLI commands, " +
		"CloudFormation and Terraform too")
}

// hintPlatform is the statement that our own policy lacks.
func (p *probe) hintPlatform() rolebroker.Hint {
	statement := setup.AllowPlatform(p.role.ARN)
	hint := rolebroker.Hint{{Text: "allow it in a policy of " + p.identityName() + ", and see that nothing else " +
		"denies it; this statement does:",
		Policy: statement}}
	if words := p.grant(statement); words != nil {
		hint = append(hint, rolebroker.Step{Text: "as a command, in account " + p.identity.Account + ":",
			Command: rolebroker.ShellCommand(words...)})
	}
	return hint
}

// grant is the command that gives our identity a statement; nil for an identity that has no policies of its own.
func (p *probe) grant(statement string) []string {
	policy := `{"Version":"2012-10-17","Statement":` + compact(statement) + `}`
	arn, _ := p.identity.Principal()
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	policyName := "rolebroker-" + p.role.ARN.Account + "-" + p.role.ARN.Name
	switch {
	case p.identity.IsRoleSession():
		return []string{"aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", policyName,
			"--policy-document", policy}
	case strings.Contains(arn, ":user/"):
		return []string{"aws", "iam", "put-user-policy", "--user-name", name, "--policy-name", policyName,
			"--policy-document", policy}
	}
	return nil
}

// identityName is our own AWS identity: its ARN if that is known.
func (p *probe) identityName() string {
	if p.identity.ARN == "" {
		return p.by.String() + "'s AWS identity"
	}
	arn, _ := p.identity.Principal()
	return arn
}

// hintDenied lists the causes that AWS does not tell apart, the likeliest first.
func (p *probe) hintDenied() rolebroker.Hint {
	return append(rolebroker.Hint{
		{Text: "across accounts AWS gives one answer for all of these; check them in this order:"},
		{Text: fmt.Sprintf("1. the role is there, in account %s, and its ARN is written as here, with its path:",
			p.role.ARN.Account),
			Command: rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", p.role.ARN.Name)},
		{Text: "2. its trust policy has this statement, with this external ID:", Policy: p.statement()},
		{Text: "3. " + p.identityName() + " may call sts:AssumeRole on it; this statement in a policy " +
			"of its own allows that:",
			Policy: setup.AllowPlatform(p.role.ARN)},
		{Text: "4. no explicit Deny, service control policy, resource control policy or permissions " +
			"boundary is in the way"},
	}, p.hintSetup()...)
}

func (p *probe) hintHour() rolebroker.Hint {
	return p.setRole("shorten the sessions of the role to an hour:", "session_duration=1h")
}

func (p *probe) hintMaximum() rolebroker.Hint {
	seconds := fmt.Sprint(int(p.role.Duration().Seconds()))
	return append(rolebroker.Hint{{Text: fmt.Sprintf("raise the role's maximum, in account %s:", p.role.ARN.Account),
		Command: rolebroker.ShellCommand("aws", "iam", "update-role", "--role-name", p.role.ARN.Name,
			"--max-session-duration", seconds)}},
		p.setRole("or shorten its sessions:", "session_duration=1h")...)
}

// hintIdentityRegion is for a region in which AWS does not accept our credentials.
func (p *probe) hintIdentityRegion() rolebroker.Hint {
	return p.enableRegion("activate the region in " + p.by.String() + "'s own account " + p.identity.Account +
		", if it is one that has to be opted into:")
}

// hintRegion is for a region whose STS is not active for the role's account.
func (p *probe) hintRegion() rolebroker.Hint {
	return p.enableRegion(fmt.Sprintf("activate it in account %s: in the console under IAM > Account settings > "+
		"Security Token Service or, for a region that has to be opted into:", p.role.ARN.Account))
}

// enableRegion enables the region, or gives the role a region that is always active.
func (p *probe) enableRegion(text string) rolebroker.Hint {
	return append(rolebroker.Hint{{Text: text,
		Command: rolebroker.ShellCommand("aws", "account", "enable-region", "--region-name", string(p.role.Region))}},
		p.setRole("or give the role a region in which STS is always active; its agents then find "+
			"themselves in that one:",
			"region="+string(alwaysActive(p.role.ARN.Partition)))...)
}

// setRole changes a field of the role in the integration.
func (p *probe) setRole(text, field string) rolebroker.Hint {
	if !p.saved() {
		return rolebroker.TextHint(text + " " + field)
	}
	return rolebroker.Hint{{Text: text,
		Command: rolebroker.ShellCommand("rolebroker", "integration", "update", p.Integration.Name, "--set-role",
			"name="+p.role.Name+","+field)}}
}

// alwaysActive is a region of the partition whose STS cannot be switched off.
//
// Source: the SDKs' partitions.json, implicitGlobalRegion.
func alwaysActive(partition string) rolebroker.Region {
	switch partition {
	case "aws-cn":
		return "cn-northwest-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-east-1"
}

// compact is JSON on one line, for a command.
func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}
