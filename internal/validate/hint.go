package validate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// The hints that are the same for every role. They are made when they are needed, not when the program starts.

func hintCluster() rolebroker.Hint {
	return rolebroker.Hintf("the runner in your cluster tries it, and reports, once the integration names one: " +
		"rolebroker runner --help")
}

func (w words) hintOrganization() rolebroker.Hint {
	return append(rolebroker.Hintf("ask an administrator of the AWS organization or the VPC endpoint to allow "+
		"sts:AssumeRole on the role"), w.hintAgain()...)
}

func (w words) hintRoot() rolebroker.Hint {
	return append(rolebroker.Hintf("give %s the keys of an IAM user, or an instance or container role, "+
		"that may call sts:AssumeRole and nothing else", w.by), w.hintAgain()...)
}

func (w words) hintPartition() rolebroker.Hint {
	return append(rolebroker.Hintf("a role is assumed by an identity, and in a region, of its own partition: "+
		"correct the ARN or the region, or run a %s with an identity in that partition", w.by.Program()),
		w.correct()...)
}

// correct is the command that corrects the role in the integration.
func (w words) correct() rolebroker.Hint {
	if !w.saved() {
		return rolebroker.TextHint("correct it, and validate again")
	}
	return rolebroker.Hint{{Text: "to correct it, with the right ARN, region or session duration:",
		Command: rolebroker.ShellCommand("rolebroker", "integration", "update", w.Integration.Name, "--set-role",
			"name="+w.role.Name+",arn=ARN,region=REGION,session_duration=1h")}}
}

// subject is what internal/setup writes the statement of this role from.
func (w words) subject() setup.Subject {
	ids := []string{w.Integration.ExternalID}
	if w.Integration.NextExternalID != "" {
		ids = append(ids, w.Integration.NextExternalID)
	}
	return setup.Subject{
		Integration: w.Integration.Name, Mode: rolebroker.ModePlatform, Platform: w.f.Identity,
		ExternalIDs: ids, Earlier: w.Earlier, Roles: []rolebroker.Role{w.role},
		Request: rolebroker.SetupRequest{}.WithDefaults(),
	}
}

// statement is the statement that the role's trust policy needs.
func (w words) statement() string { return w.subject().Statement(w.role) }

// hintUnassumable is for a role that can never be assumed as the integration has it.
func (w words) hintUnassumable(code rolebroker.ValidationCode) rolebroker.Hint {
	switch code {
	case rolebroker.ValidServiceLinked, rolebroker.ValidIdentityCenter:
		text := "make a role of your own for the agents, with this trust policy, and give its ARN:"
		if w.by.Runner {
			return w.fromSetup(text)
		}
		return rolebroker.Hint{{Text: text, Policy: w.subject().TrustPolicy(w.role)}}
	case rolebroker.ValidPartition:
		return w.hintPartition()
	}
	return w.correct()
}

func (w words) hintAgain() rolebroker.Hint {
	if w.Integration.ID == "" {
		return rolebroker.Hintf("validate again in a while")
	}
	return rolebroker.Hint{{Text: "validate again in a while:",
		Command: rolebroker.ShellCommand("rolebroker", "integration", "validate", w.Integration.Name)}}
}

func (w words) hintReach() rolebroker.Hint {
	return append(rolebroker.Hintf("check whether %s can reach STS in %s, by HTTPS and perhaps through a proxy; "+
		"%[1]s's log has the cause", w.by, w.role.Region), w.hintAgain()...)
}

// hintTrust is the statement to add.
func (w words) hintTrust() rolebroker.Hint {
	return w.withStatement("add this statement to the trust policy of " + w.named() + ":")
}

// withStatement is text with the role's statement, and how the AWS CLI changes the trust policy accordingly.
func (w words) withStatement(text string) rolebroker.Hint {
	if w.by.Runner {
		return append(w.fromSetup(text), w.hintMerge()...)
	}
	return append(rolebroker.Hint{{Text: text, Policy: w.statement()}}, w.hintMerge()...)
}

// fromSetup is text with the command that shows the statement or policy that the text speaks of. A statement names the
// AWS identity of the runner, and the server does not write into a hint what a runner says of itself.
func (w words) fromSetup(text string) rolebroker.Hint {
	text = strings.NewReplacer("this statement", "the statement of the setup", "with this,",
		"with the statement of the setup,", "this trust policy", "the trust policy of the setup").Replace(text)
	return rolebroker.Hint{{Text: text, Command: w.setupCommand()}}
}

func (w words) setupCommand() string {
	return rolebroker.ShellCommand("rolebroker", "integration", "setup", w.Integration.Name, "--role", w.role.Name)
}

// replace replaces a statement that does something with the role's statement.
func (w words) replace(does string) rolebroker.Hint {
	return w.withStatement("replace the statement that " + does + " with this, in the trust policy of " + w.named() +
		":")
}

// trustsUs is what a statement for us does.
func (w words) trustsUs() string {
	if w.by.Runner || w.f.Identity.Account == "" {
		return "trusts " + w.by.String()
	}
	return "trusts " + w.f.Identity.Account
}

// named is the role in the words of its owner in AWS.
func (w words) named() string {
	return fmt.Sprintf("role %s in account %s", w.role.ARN.Name, w.role.ARN.Account)
}

func (w words) hintOpen() rolebroker.Hint {
	hint := w.replace(w.trustsUs() + " or everyone")
	if w.f.NoSourceIdentity && !w.Integration.SourceIdentity {
		return append(hint, w.turnSourceIdentityOn()...)
	}
	return hint
}

func (w words) hintOutdated() rolebroker.Hint {
	return w.replace("requires " + w.f.ExternalID)
}

func (w words) hintPrevious() rolebroker.Hint {
	return w.replace("accepts " + w.f.ExternalID)
}

func (w words) hintNext() rolebroker.Hint {
	return w.withStatement("before the change is finished, replace the statement that requires the current external " +
		"ID with this, which accepts both, in the trust policy of " + w.named() + ":")
}

func (w words) hintAhead() rolebroker.Hint {
	return append(rolebroker.Hint{{Text: "finish the change when every role accepts the new one:",
		Command: rolebroker.ShellCommand("rolebroker", "integration", "rotate-external-id", w.Integration.Name,
			"--finish")}},
		w.withStatement("or have the role accept both until then, with this statement:")...)
}

func (w words) hintAttribution() rolebroker.Hint {
	hint := w.allowed()
	if w.f.NoSourceIdentity && !w.f.NoTags {
		hint = append(hint, w.setIntegration("or lend the roles of the integration without a source identity:",
			"--source-identity=false")...)
	}
	return hint
}

// hintSourceIdentity is for a role whose integration has no source identity, and whose trust policy does not allow one.
func (w words) hintSourceIdentity() rolebroker.Hint {
	return append(w.allowed(), w.turnSourceIdentityOn()...)
}

func (w words) turnSourceIdentityOn() rolebroker.Hint {
	return w.setIntegration("when all roles of the integration allow sts:SetSourceIdentity, as that statement does, "+
		"turn the source identity on:", "--source-identity")
}

// allowed is how the sides allow sts:TagSession and sts:SetSourceIdentity: the one that does not, or both.
func (w words) allowed() rolebroker.Hint {
	if w.f.OwnSide == rolebroker.OwnSideDenies {
		return w.hintPlatform()
	}
	hint := w.replace(w.trustsUs())
	if w.f.OwnSide == rolebroker.OwnSideAllows {
		return hint
	}
	return append(append(hint, rolebroker.Step{Text: "and have a policy of " + w.identityName() +
		" allow it too, as this statement does:", Policy: setup.AllowPlatform(w.role.ARN)}), w.hintWhich()...)
}

// hintWhich is the command that tells which side does not allow something.
func (w words) hintWhich() rolebroker.Hint {
	arn, _ := w.f.Identity.Principal()
	if arn == "" || w.by.Runner {
		return nil
	}
	command := append([]string{"aws", "iam", "simulate-principal-policy", "--policy-source-arn", arn,
		"--resource-arns", w.role.ARN.String(), "--query", "EvaluationResults[].[EvalActionName,EvalDecision]",
		"--action-names"}, needed(w.f.NoTags, w.f.NoSourceIdentity)...)
	return rolebroker.Hint{{Text: fmt.Sprintf("whether the second is lacking, this tells in account %s; the validation "+
		"asks by itself if %s may call iam:SimulatePrincipalPolicy on itself:", w.f.Identity.Account,
		w.identityName()), Command: rolebroker.ShellCommand(command...)}}
}

// setIntegration is text with the command that changes a setting of the integration.
func (w words) setIntegration(text, flag string) rolebroker.Hint {
	if !w.saved() {
		return rolebroker.TextHint(text + " " + flag)
	}
	return rolebroker.Hint{{Text: text,
		Command: rolebroker.ShellCommand("rolebroker", "integration", "update", w.Integration.Name, flag)}}
}

// saved says whether commands can name the integration and the role.
func (w words) saved() bool { return w.Integration.ID != "" && w.role.Name != "" }

// hintMerge is how the AWS CLI changes the trust policy of a role that exists.
func (w words) hintMerge() rolebroker.Hint {
	if !w.saved() {
		return w.hintSetup()
	}
	get := rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", w.role.ARN.Name, "--query",
		"Role.AssumeRolePolicyDocument")
	merge := rolebroker.ShellCommand("rolebroker", "integration", "setup", w.Integration.Name, "--role", w.role.Name,
		"--current", "current.json", "--format", "aws-cli")
	return rolebroker.Hint{{Text: "or have the AWS CLI do it:", Command: get + " > current.json\n" + merge +
		" | bash -e"}}
}

// hintSetup points to the setup of this role in every format.
func (w words) hintSetup() rolebroker.Hint {
	switch {
	case w.saved():
		return rolebroker.Hint{{Text: "as console steps, AWS CLI commands, CloudFormation or Terraform:",
			Command: w.setupCommand()}}
	case w.Integration.ExternalID != "":
		return rolebroker.Hint{{Text: "as a whole trust policy, for this external ID, which is " +
			"kept for the integration:",
			Command: rolebroker.ShellCommand("rolebroker", "integration", "setup", "--external-id",
				w.Integration.ExternalID, "--format", "trust-policy")}}
	}
	return rolebroker.Hintf("the setup of the integration has it as console steps, AWS CLI commands, " +
		"CloudFormation and Terraform too")
}

// hintPlatform is the statement that our own policy lacks.
func (w words) hintPlatform() rolebroker.Hint {
	statement := setup.AllowPlatform(w.role.ARN)
	hint := rolebroker.Hint{{Text: "allow it in a policy of " + w.identityName() + ", and see that nothing else " +
		"denies it; this statement does:",
		Policy: statement}}
	if w.by.Runner {
		return hint
	}
	if words := w.grant(statement); words != nil {
		hint = append(hint, rolebroker.Step{Text: "as a command, in account " + w.f.Identity.Account + ":",
			Command: rolebroker.ShellCommand(words...)})
	}
	return hint
}

// grant is the command that gives our identity a statement; nil for an identity that has no policies of its own.
func (w words) grant(statement string) []string {
	policy := `{"Version":"2012-10-17","Statement":` + compact(statement) + `}`
	arn, _ := w.f.Identity.Principal()
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	policyName := "rolebroker-" + w.role.ARN.Account + "-" + w.role.ARN.Name
	switch {
	case w.f.Identity.IsRoleSession():
		return []string{"aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", policyName,
			"--policy-document", policy}
	case strings.Contains(arn, ":user/"):
		return []string{"aws", "iam", "put-user-policy", "--user-name", name, "--policy-name", policyName,
			"--policy-document", policy}
	}
	return nil
}

// identityName is our own AWS identity: its ARN if that is known.
func (w words) identityName() string {
	arn, _ := w.f.Identity.Principal()
	switch {
	case arn == "":
		return w.by.String() + "'s AWS identity"
	case w.by.Runner:
		return w.by.String() + "'s AWS identity, which it reports as " + rolebroker.Quote(arn) + ","
	}
	return arn
}

// hintDenied lists the causes that AWS does not tell apart, the likeliest first.
func (w words) hintDenied() rolebroker.Hint {
	const trusted = "its trust policy has this statement, with this external ID:"
	trust := rolebroker.Step{Text: trusted, Policy: w.statement()}
	if w.by.Runner {
		trust = w.fromSetup(trusted)[0]
	}
	causes := rolebroker.Hint{trust, w.hintThere()}
	allowed := w.f.OwnSide == rolebroker.OwnSideAllows
	if !allowed {
		causes = append(causes, rolebroker.Step{Text: w.identityName() + " may call sts:AssumeRole on it; this " +
			"statement in a policy of its own allows that:", Policy: setup.AllowPlatform(w.role.ARN)})
	}
	causes = append(causes, rolebroker.Step{Text: noCondition}, rolebroker.Step{Text: "no explicit Deny, service " +
		"control policy, resource control policy or permissions boundary is in the way"})
	hint := append(rolebroker.TextHint(oneAnswer), numbered(causes)...)
	if allowed {
		hint = append(hint, rolebroker.Step{Text: "it is not for want of a policy of " + w.identityName() +
			": IAM says that they allow it sts:AssumeRole on the role"})
	}
	return append(hint, append(w.hintSetup(), w.hintNew()...)...)
}

// oneAnswer begins a list of causes.
const oneAnswer = "AWS gives one answer for all of these; see that each is so, in this order:"

// numbered numbers the steps from 1.
func numbered(steps rolebroker.Hint) rolebroker.Hint {
	for i := range steps {
		steps[i].Text = fmt.Sprintf("%d. %s", i+1, steps[i].Text)
	}
	return steps
}

// hintThere is how to see whether there is the role.
func (w words) hintThere() rolebroker.Step {
	return rolebroker.Step{Text: fmt.Sprintf("the role is there, in account %s, and its ARN is written as here, with "+
		"its path:", w.role.ARN.Account),
		Command: rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", w.role.ARN.Name)}
}

// noCondition is what to look for in a trust policy that names agents.
const noCondition = "no condition in the trust policy, such as one on sts:RoleSessionName, keeps agents out: their " +
	"session names are AGENT or AGENT@TASK, and the one of a validation is " + sessionName

// hintNames is for a role that lets some agents in, by their names.
func (w words) hintNames() rolebroker.Hint {
	keys := "sts:RoleSessionName, sts:SourceIdentity or a tag"
	if w.f.Method == rolebroker.MethodWebIdentity {
		keys = "sts:RoleSessionName"
	}
	return w.withStatement("a condition on " + keys + " names agents: name all of them there, or replace the " +
		"statement that has it with this, which lets all of them in, in the trust policy of " + w.named() + ":")
}

// hintNew is for a role that IAM may not know everywhere yet.
func (w words) hintNew() rolebroker.Hint {
	text := "if the role or its policy was changed less than a minute ago, have it tried for longer:"
	if !w.saved() {
		return rolebroker.TextHint(strings.TrimSuffix(text, ", have it tried for longer:") + ", validate again")
	}
	return rolebroker.Hint{{Text: text, Command: rolebroker.ShellCommand("rolebroker", "integration", "validate",
		w.Integration.Name, "--wait", "2m")}}
}

// hintTags is for session tags that fill the space that AWS has for them and the session policy.
func (w words) hintTags() rolebroker.Hint {
	if !w.Integration.SessionTags {
		return append(rolebroker.Hintf("%s's own session passes tags on; give it fewer or shorter ones that are transitive",
			w.by), w.hintAgain()...)
	}
	return append(w.setIntegration("shorten the names of the integration and its roles, which the tags have, or lend its "+
		"roles without session tags:", "--session-tags=false"), w.hintAgain()...)
}

func (w words) hintHour() rolebroker.Hint {
	return w.setRole("shorten the sessions of the role to an hour:", "session_duration=1h")
}

func (w words) hintMaximum() rolebroker.Hint {
	seconds := fmt.Sprint(int(w.role.Duration().Seconds()))
	return append(rolebroker.Hint{{Text: fmt.Sprintf("raise the role's maximum, in account %s:", w.role.ARN.Account),
		Command: rolebroker.ShellCommand("aws", "iam", "update-role", "--role-name", w.role.ARN.Name,
			"--max-session-duration", seconds)}},
		w.setRole("or shorten its sessions:", "session_duration=1h")...)
}

// hintIdentityRegion is for a region in which AWS does not accept our credentials.
func (w words) hintIdentityRegion() rolebroker.Hint {
	return w.enableRegion("activate the region in " + w.by.String() + "'s own account " + w.f.Identity.Account +
		", if it is one that has to be opted into:")
}

// hintRegion is for a region whose STS is not active for the role's account.
func (w words) hintRegion() rolebroker.Hint {
	return w.enableRegion(fmt.Sprintf("activate it in account %s: in the console under IAM > Account settings > "+
		"Security Token Service or, for a region that has to be opted into:", w.role.ARN.Account))
}

// enableRegion enables the region, or gives the role a region that is always active.
func (w words) enableRegion(text string) rolebroker.Hint {
	return append(rolebroker.Hint{{Text: text,
		Command: rolebroker.ShellCommand("aws", "account", "enable-region", "--region-name", string(w.role.Region))}},
		w.setRole("or give the role a region in which STS is always active; its agents then find "+
			"themselves in that one:",
			"region="+string(alwaysActive(w.role.ARN.Partition)))...)
}

// setRole changes a field of the role in the integration.
func (w words) setRole(text, field string) rolebroker.Hint {
	if !w.saved() {
		return rolebroker.TextHint(text + " " + field)
	}
	return rolebroker.Hint{{Text: text,
		Command: rolebroker.ShellCommand("rolebroker", "integration", "update", w.Integration.Name, "--set-role",
			"name="+w.role.Name+","+field)}}
}

// adviseToken is the hint for a refusal of a token.
func (w words) adviseToken(kind rolebroker.RefusalKind) rolebroker.Hint {
	switch kind {
	case rolebroker.RefusedIdentity:
		return w.hintProvider("check that ")
	case rolebroker.RefusedIssuer:
		return w.refusal(kind).Advise(w.by)
	case rolebroker.RefusedNoProvider:
		return rolebroker.Hint{{Text: fmt.Sprintf("create the provider in account %s; the runner reports the issuer %s. "+
			"Commands, CloudFormation and Terraform:", w.role.ARN.Account, rolebroker.Quote(w.by.Account.Issuer)),
			Command: w.setupCommand() + " --oidc-issuer ISSUER"}}
	case rolebroker.RefusedAudience:
		return rolebroker.Hint{{Text: fmt.Sprintf("add the audience sts.amazonaws.com to the provider in account %s, with "+
			"its ARN for PROVIDER, and check that the runner's token has that audience:", w.role.ARN.Account),
			Command: "aws iam list-open-id-connect-providers\naws iam add-client-id-to-open-id-connect-provider " +
				"--client-id sts.amazonaws.com --open-id-connect-provider-arn PROVIDER"}}
	case rolebroker.RefusedIdentityExpired:
		return append(rolebroker.Hintf("Kubernetes renews a projected token in its file; "+
			"check that the volume is a projected one, and the clock of the node"), w.hintAgain()...)
	case rolebroker.RefusedNoIdentity:
		return append(rolebroker.Hintf("mount a projected service-account token for the audience sts.amazonaws.com, "+
			"and name its file with --web-identity-token-file"), w.hintAgain()...)
	case rolebroker.RefusedDuration:
		return w.hintMaximum()
	case rolebroker.RefusedRegion:
		return w.hintRegion()
	case rolebroker.RefusedUnreachable:
		return append(rolebroker.Hintf("check whether the cluster can reach STS there, by HTTPS and perhaps through a "+
			"proxy"), w.hintAgain()...)
	}
	return append(rolebroker.Hintf("look up AWS's words; the request ID finds the call"), w.hintAgain()...)
}

// hintTokenTrust lists what AWS does not tell apart.
func (w words) hintTokenTrust() rolebroker.Hint {
	causes := append(w.fromSetup("its trust policy has this statement, for "+w.by.String()+" of this cluster:"),
		w.hintThere())
	causes = append(append(causes, w.hintProvider("")...), rolebroker.Step{Text: noCondition})
	return append(rolebroker.TextHint(oneAnswer), numbered(causes)...)
}

func (w words) hintProvider(check string) rolebroker.Hint {
	return rolebroker.Hint{{
		Text: fmt.Sprintf("%saccount %s has an IAM OpenID Connect provider for the issuer of the cluster's tokens, "+
			"with the audience sts.amazonaws.com; the runner reports the issuer %s:",
			check, w.role.ARN.Account, rolebroker.Quote(w.by.Account.Issuer)),
		Command: rolebroker.ShellCommand("aws", "iam", "list-open-id-connect-providers")}}
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

// hintPolicies is for session policies that are too large.
func (w words) hintPolicies() (hint rolebroker.Hint) {
	i := slices.IndexFunc(w.large, func(p rolebroker.TriedPolicy) bool { return p.Access == rolebroker.AccessPolicy })
	if i >= 0 {
		agent := w.large[i].Agents[0]
		connect := []string{"rolebroker", "agent", "connect", agent, w.Integration.Name}
		hint = rolebroker.Hint{{Text: fmt.Sprintf("write a shorter session policy (%s has one of %d characters):",
			agent, len(w.large[i].SessionPolicy)),
			Command: rolebroker.ShellCommand(append(connect, "--session-policy", "FILE")...)},
			{Text: "or let the agent do what AWS's policy for reading allows:",
				Command: rolebroker.ShellCommand(append(connect, "--access", "read-only")...)}}
	}
	switch {
	case w.tags():
		text := "lend the roles of the integration without session tags:"
		if i >= 0 {
			text = "or " + text
		}
		hint = append(hint, w.setIntegration(text, "--session-tags=false")...)
	case w.f.Method != rolebroker.MethodWebIdentity:
		hint = append(hint, rolebroker.Hintf("session tags that %s's own session passes on count too; another "+
			"identity of it may have none", w.by)...)
	}
	return hint
}
